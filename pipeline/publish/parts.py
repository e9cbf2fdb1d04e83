"""Parquet parts named by their content: the same rows give the same file, shared and not written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.durable import sync, write_safely
from pipeline.publish.tables import Published

__all__ = ["Part", "settled_before", "write_parts"]

# Late articles come in this long after a month's end; then its days become one part.
_SETTLED = timedelta(days=3)


@dataclass(frozen=True)
class Part:
    """One file of a table. `file` is relative to the snapshot's root; `day` is YYYY-MM-DD, YYYY-MM, or 'all'."""

    file: str
    day: str
    rows: int
    written: bool = True


def settled_before(now: datetime) -> datetime:
    """The start of the first month whose days are still parts of their own."""
    return (now - _SETTLED).astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def write_parts(root: Path, table: Published, rows: pa.Table, now: datetime) -> list[Part]:
    """Cut `rows` into parts and write those that are not there yet; at least one part, so that the columns are known.

    Rows are put into `table.order` first, so the order they came in does not matter.
    """
    rows = rows.select(table.schema.names).cast(table.schema)
    rows = rows.sort_by([(column, "ascending") for column in table.order])
    folder = root / table.name
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_write(folder, day, part, table.group, now) for day, part in _days(table, rows, now)]
    if any(part.written for part in parts):
        sync(folder)
    return parts


def _days(table: Published, rows: pa.Table, now: datetime) -> Iterator[tuple[str, pa.Table]]:
    if table.day is None or rows.num_rows == 0:
        yield "all", rows
        return
    days = pc.strftime(rows[table.day], format="%Y-%m-%d").combine_chunks()
    if table.months:
        month = f"{settled_before(now):%Y-%m}"
        days = pc.if_else(pc.less(days, month), pc.utf8_slice_codeunits(days, 0, 7), days)
    order = pc.sort_indices(days)  # stable: the order within a day stays
    runs = pc.run_end_encode(days.take(order))
    start = 0
    for day, stop in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield day or "undated", rows.take(order.slice(start, stop - start))
        start = stop


def _write(folder: Path, day: str, rows: pa.Table, group: int, now: datetime) -> Part:
    sink = pa.BufferOutputStream()
    # Plain settings: the bytes depend on the rows and the writer's version only.
    pq.write_table(rows.combine_chunks(), sink, compression="zstd", compression_level=3, row_group_size=group)
    content = sink.getvalue().to_pybytes()
    name = f"{day}-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    path = folder / name
    fresh = not path.exists()
    if fresh:
        write_safely(path, content)
    # The age of a part is the time of the last publish that used it, by our own clock.
    os.utime(path, (now.timestamp(), now.timestamp()))
    return Part(f"{folder.name}/{name}", day, rows.num_rows, fresh)
