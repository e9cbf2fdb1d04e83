"""Months that are over and in which nothing changed: their parts are taken from the last snapshot, and not read again.

What a publish reads, sorts and writes of the tables with a long past then does not grow with that past; what grows is
one look at a few columns of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from pipeline.publish.manifest import Manifest
from pipeline.publish.parts import Part, settled_before
from pipeline.publish.tables import Published

__all__ = ["Lasting", "look"]

# Rows of these are written once with the time of their recording: another count or another sum of times is another
# content. A sum, because clocks differ between stages, and the newest time alone may stay the same.
_WRITTEN_ONCE = "sum(epoch_us(recorded_at))"
# Forgetting replaces what evidence says, and leaves when it was recorded: so what it says counts as well.
_CONTENT = {"evidence": f"concat_ws('-', {_WRITTEN_ONCE}, sum(hash(payload)))"}
_MARKS = """
SELECT strftime({day}, '%Y-%m') AS month, count(*) AS rows, {content} AS content
FROM {table} WHERE {day} < $settled AND ({kept}) GROUP BY month"""


@dataclass(frozen=True)
class Lasting:
    """`marks`: what tells the content of each month that is over; `parts`: those that the last snapshot has already."""

    marks: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def months(self) -> list[str]:
        """YYYY-MM of `parts`: what need not be read."""
        return [part.day for part in self.parts]

    def keep(self, root: Path, now: datetime) -> list[Part]:
        """The parts, with the age of this publish, so that `sweep` leaves them."""
        for part in self.parts:
            os.utime(root / part.file, (now.timestamp(), now.timestamp()))
        return list(self.parts)


def look(
    con: duckdb.DuckDBPyConnection, table: Published, kept: str, bound: Mapping[str, Any], root: Path, now: datetime,
    last: Manifest | None,
) -> Lasting:  # fmt: skip
    """Which months of `table` (of its rows that are `kept`, SQL with the parameters `bound`) stand in `last` as is."""
    settled = settled_before(now)
    content = _CONTENT.get(table.name, _WRITTEN_ONCE)
    sql = _MARKS.format(table=table.name, day=table.day, kept=kept, content=content)
    said = con.execute(sql, {**bound, "settled": settled}).fetchall()
    columns = hashlib.sha256(f"{table.schema}{table.order}".encode()).hexdigest()[:8]
    marks = {month: f"{rows}-{found}-{columns}" for month, rows, found in said}
    before = last.marks.get(table.name, {}) if last else {}
    files = {file.rsplit("/", 1)[1].rsplit("-", 1)[0]: file for file in last.tables.get(table.name, ())} if last else {}
    same = [month for month in sorted(marks) if marks[month] == before.get(month) and month in files]
    counts = {month: rows for month, rows, _ in said}
    parts = [Part(files[month], month, counts[month], False) for month in same if (root / files[month]).exists()]
    return Lasting(marks, tuple(parts))
