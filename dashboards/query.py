"""SQL over one snapshot: a DuckDB in memory that may read the snapshot's parts, and nothing else on this machine."""

from __future__ import annotations

from typing import Any

import duckdb
import pandas as pd

from pipeline.errors import SnapshotMissing
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES

__all__ = ["connect", "fetch"]

_MEMORY = "512MB"


def connect(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """A connection with one view for each published table; locked before the first question is asked."""
    con = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    root = snapshot.root.resolve()
    con.execute("SET TimeZone = 'UTC'; SET parquet_metadata_cache = true; SET preserve_insertion_order = false")
    con.execute(f"SET memory_limit = '{_MEMORY}'; SET temp_directory = ''")
    con.execute(f"SET allowed_directories = [{_quoted(f'{root}/')}]; SET enable_external_access = false")
    try:
        for name, table in TABLES.items():
            files = [str(root / file) for file in snapshot.manifest.tables.get(name, ())]
            if files:
                listed = ", ".join(_quoted(file) for file in files)
                con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}])")
            else:
                con.register("nothing", table.schema.empty_table())
                con.execute(f"CREATE TABLE {name} AS SELECT * FROM nothing")
                con.unregister("nothing")
    except duckdb.Error as error:
        raise _missing(snapshot) from error
    con.execute("SET lock_configuration = true")
    return con


def fetch(con: duckdb.DuckDBPyConnection, snapshot: Snapshot, sql: str, values: dict[str, Any]) -> pd.DataFrame:
    """The answer as a DataFrame; safe from several threads at once.

    Raises:
        SnapshotMissing: a part is gone (this snapshot was replaced more than an hour ago) or damaged.
    """
    with con.cursor() as cursor:
        try:
            frame: pd.DataFrame = cursor.execute(sql, values or None).to_arrow_table().to_pandas()
        except duckdb.IOException as error:
            raise _missing(snapshot) from error
        except duckdb.InvalidInputException as error:
            if "parquet" not in str(error):
                raise
            raise _missing(snapshot) from error
    return frame


def _missing(snapshot: Snapshot) -> SnapshotMissing:
    return SnapshotMissing(f"{snapshot.root}: a part of the snapshot is gone or damaged. Reload, or publish again.")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
