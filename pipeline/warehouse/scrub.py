"""After rows were deleted for good: the store written anew, so that no block and no file still holds them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import duckdb

from pipeline.durable import sync
from pipeline.warehouse.engines import DuckDBFile, quoted
from pipeline.warehouse.store import Warehouse

__all__ = ["rewritten", "scrub"]

logger = logging.getLogger(__name__)

# In this order: what waits in the catalogue to files, files without their deleted rows, the past states that still
# name the old files, and the old files.
_LAKE = (
    "CALL ducklake_flush_inlined_data('lake')",
    "CALL ducklake_rewrite_data_files('lake', delete_threshold => 0)",
    "CALL ducklake_expire_snapshots('lake', older_than => now())",
    "CALL ducklake_cleanup_old_files('lake', cleanup_all => true)",
)


def scrub(warehouse: Warehouse) -> None:
    """Rewrite the store. A DuckDB file needs as much room again; of a lake, readers of the moment may have to retry.

    Raises:
        StoreBusy: somebody else held the file for too long.
    """
    with warehouse.exclusive() as con:
        if isinstance(warehouse.engine, DuckDBFile):
            rewritten(con, warehouse.engine.path)
            return
        for statement in _LAKE:
            # To the end: what is read in part is rolled back when the connection closes.
            con.execute(statement).fetchall()


def rewritten(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Put a copy of the file at `path`, which `con` alone has open, in its place; what was free is gone."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.scrub")
    fresh.unlink(missing_ok=True)
    row = con.execute("SELECT current_database()").fetchone()
    old = str(row[0]) if row else ""
    con.execute("CHECKPOINT")
    try:
        con.execute(f"ATTACH {quoted(str(fresh))} AS fresh")
        con.execute(f'COPY FROM DATABASE "{old}" TO fresh')
        con.execute("CHECKPOINT fresh")
        con.execute("DETACH fresh")
        # We still hold the lock of the old file: whoever waits for it opens the new one.
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
        Path(f"{fresh}.wal").unlink(missing_ok=True)
    logger.info("%s was written anew", path)
