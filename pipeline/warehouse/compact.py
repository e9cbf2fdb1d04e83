"""The store made small again: a file written anew where much of it is free, a lake's small files merged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb

from pipeline.warehouse.engines import DuckDBFile
from pipeline.warehouse.scrub import rewritten
from pipeline.warehouse.store import Warehouse

__all__ = ["compact", "worth_it"]

# A file is written anew from so much on that is free; below that DuckDB fills the gaps itself.
_FREE_SHARE = 0.25
_FREE_BYTES = 64 * 1024 * 1024
# In this order: rows that wait in the catalogue, files without their deleted rows, small files together, past states,
# the files that only those named, and files that nobody ever named (a writer was killed).
_LAKE = {
    "rows_flushed": "SELECT coalesce(sum(rows_flushed), 0) FROM ducklake_flush_inlined_data('lake')",
    "files_rewritten": "SELECT coalesce(sum(files_processed), 0) FROM ducklake_rewrite_data_files('lake')",
    "files_merged": "SELECT coalesce(sum(files_processed), 0) FROM ducklake_merge_adjacent_files('lake')",
    "snapshots_expired": "SELECT count(*) FROM ducklake_expire_snapshots('lake', older_than => $before)",
    "files_removed": "SELECT count(*) FROM ducklake_cleanup_old_files('lake', older_than => $before)",
    "orphans_removed": "SELECT count(*) FROM ducklake_delete_orphaned_files('lake', older_than => $before)",
}


def worth_it(free_bytes: int, total_bytes: int) -> bool:
    """Whether so much of a file is free that to write it anew is worth holding it for that long."""
    return free_bytes >= _FREE_BYTES and free_bytes >= _FREE_SHARE * total_bytes


def compact(warehouse: Warehouse, before: datetime) -> Iterator[tuple[str, int]]:
    """Checkpoint and compact; yields what was done. Each step may be killed: the next run begins it again.

    `before`: states of a lake older than this are let go, and with them the files that only they name.

    Raises:
        StoreBusy: somebody else held the file for longer than `lock_timeout_s`.
    """
    if isinstance(warehouse.engine, DuckDBFile):
        with warehouse.exclusive() as con:
            con.execute("CHECKPOINT")
            free, total = _room(con)
            if worth_it(free, total):
                size = warehouse.engine.path.stat().st_size
                rewritten(con, warehouse.engine.path)
                yield "bytes_freed", size - warehouse.engine.path.stat().st_size
        return
    for name, statement in _LAKE.items():
        # A connection, so a transaction, of its own: writers go on in between, and what is done stays done.
        with warehouse.exclusive() as con:
            # To the end: what is read in part is rolled back when the connection closes.
            rows = con.execute(statement, {"before": before} if "$before" in statement else None).fetchall()
        yield name, int(rows[0][0])


def _room(con: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Free and all bytes of the file in use."""
    row = con.execute(
        "SELECT block_size * free_blocks, block_size * total_blocks FROM pragma_database_size()"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
