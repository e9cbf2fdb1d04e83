"""SQL over one snapshot: a DuckDB in memory that may read the snapshot's parts, and nothing else on this machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.errors import SnapshotMissing
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES

__all__ = ["connect", "fetch", "parts_of"]

_MEMORY = "512MB"


def connect(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """A connection with one view for each published table; locked before the first question is asked."""
    con = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    con.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true; SET preserve_insertion_order = false")
    # Many ask at once, each in a thread of the server: threads of the engine's own would only take turns with them.
    con.execute(f"SET memory_limit = '{_MEMORY}'; SET temp_directory = ''; SET threads = 1")
    con.execute(
        f"SET allowed_directories = [{_quoted(f'{snapshot.root.resolve()}/')}]; SET enable_external_access = false"
    )
    try:
        for name, table in TABLES.items():
            if files := snapshot.files(name):
                con.execute(f"CREATE VIEW {name} AS SELECT * FROM {_parquet(files)}")
            else:
                con.register("nothing", table.schema.empty_table())
                con.execute(f"CREATE TABLE {name} AS SELECT * FROM nothing")
                con.unregister("nothing")
    except duckdb.Error as error:
        raise _missing(snapshot) from error
    con.execute("SET lock_configuration = true")
    return con


def parts_of(
    snapshot: Snapshot, table: str, since: datetime | None = None, at: Collection[datetime] | None = None
) -> str:
    """A table to select from in place of the whole: its parts that can hold rows of `since` or later, and of one of
    the times `at`. Opening a part costs more than reading what one series has in it."""
    days = None if at is None else {one.astimezone(UTC).date() for one in at}
    files = snapshot.files(table, since and since.astimezone(UTC).date(), days)
    return _parquet(files) if files else f"(SELECT * FROM {table} LIMIT 0)"


def fetch(con: duckdb.DuckDBPyConnection, snapshot: Snapshot, sql: str, values: Mapping[str, Any]) -> pa.Table:
    """The answer as an Arrow table; safe from several threads at once.

    Raises:
        SnapshotMissing: a part is gone (this snapshot was replaced more than an hour ago) or damaged.
    """
    with con.cursor() as cursor:
        try:
            return cursor.execute(sql, dict(values) or None).to_arrow_table()
        except duckdb.IOException as error:
            raise _missing(snapshot) from error
        except duckdb.InvalidInputException as error:
            if "parquet" not in str(error):
                raise
            raise _missing(snapshot) from error


def _missing(snapshot: Snapshot) -> SnapshotMissing:
    return SnapshotMissing(f"{snapshot.root}: a part of the snapshot is gone or damaged. Reload, or publish again.")


def _parquet(files: Sequence[Path]) -> str:
    return f"read_parquet([{', '.join(_quoted(str(file.resolve())) for file in files)}])"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
