"""Reading what was published: a frozen set of Parquet parts that stays whole while newer ones are published."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline.errors import SnapshotMissing, UsageError
from pipeline.publish.manifest import Manifest, current_id, read_manifest
from pipeline.publish.tables import TABLES

__all__ = ["Snapshot", "current_id"]


@dataclass(frozen=True)
class Snapshot:
    """One published state. Parts are read by pyarrow: plain data, nothing in them is ever run as SQL."""

    root: Path
    manifest: Manifest

    @classmethod
    def open(cls, root: Path) -> Snapshot:
        """The snapshot that is current now.

        Raises:
            SnapshotMissing: nothing was published there, or it is damaged.
        """
        snapshot_id = current_id(root)
        if snapshot_id is None:
            raise SnapshotMissing(f"{root}: nothing was published yet. Run `barograph run` (or `barograph publish`).")
        return cls(root, read_manifest(root, snapshot_id))

    @property
    def snapshot_id(self) -> str:
        """Names this state; a new one has another."""
        return self.manifest.snapshot_id

    @property
    def data_as_of(self) -> datetime | None:
        """When data last came into the store (UTC); None before any did."""
        return self.manifest.data_as_of

    @property
    def demo(self) -> bool:
        """Whether everything in it is made up."""
        return self.manifest.demo

    def table(
        self,
        name: str,
        columns: list[str] | None = None,
        where: pc.Expression | None = None,
        since: date | None = None,
    ) -> pd.DataFrame:
        """One table as a DataFrame, in its published order within each day.

        Args:
            name: a key of `TABLES`.
            columns: only these.
            where: only rows for which this pyarrow expression holds.
            since: leave out the parts of earlier days without opening them.

        Raises:
            UsageError: no table has that name.
            SnapshotMissing: a part is gone (this snapshot was replaced more than an hour ago) or damaged.
        """
        frame: pd.DataFrame = self.arrow(name, columns, where, since).to_pandas()
        return frame

    def files(self, name: str, since: date | None = None, days: Collection[date] | None = None) -> list[Path]:
        """The parts of a table that can hold rows of `since` or later, and of any of `days`, told from their names."""
        return [
            self.root / file
            for file in self.manifest.tables.get(name, ())
            if _from(file, since) and (days is None or _of(file, days))
        ]

    def arrow(
        self,
        name: str,
        columns: list[str] | None = None,
        where: pc.Expression | None = None,
        since: date | None = None,
    ) -> pa.Table:
        """The same as `table`, as an Arrow table."""
        if name not in TABLES:
            raise UsageError(f"no table is named {name}; there are {', '.join(sorted(TABLES))}")
        files = self.files(name, since)
        schema = TABLES[name].schema
        try:
            dataset = ds.dataset(files, schema=schema, format="parquet")
            return dataset.to_table(columns=columns, filter=where)
        except (OSError, pa.ArrowInvalid) as error:
            raise SnapshotMissing(
                f"{self.root}: a part of {name} is gone or damaged. Open the newest snapshot, or publish again."
            ) from error


def _day(file: str) -> str:
    """YYYY-MM-DD or YYYY-MM, where a part is cut by time; empty where it may hold any."""
    day = file.rsplit("/", 1)[1].rsplit("-", 1)[0]
    return day if day[:1].isdigit() else ""


def _from(file: str, since: date | None) -> bool:
    day = _day(file)
    return since is None or not day or day >= since.isoformat()[: len(day)]


def _of(file: str, days: Collection[date]) -> bool:
    day = _day(file)
    return not day or any(one.isoformat().startswith(day) for one in days)
