"""Stores with rows in every table, of any released schema, for what copies, moves, upgrades and trims stores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import psutil
import pyarrow as pa
import pytest

from pipeline.context import utc_now
from pipeline.errors import StoreConflict
from pipeline.warehouse import Warehouse, schema
from pipeline.warehouse.content import Digest, digest, shape

__all__ = ["NOON", "contents", "fetches", "fill", "kept_of_lost_races", "merge_same_keys", "store_of"]

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
# What a value of row i looks like; strings and times differ from column to column and hold what is awkward.
_VALUES = {
    "VARCHAR": "CASE WHEN i % 5 = 4 THEN NULL ELSE '{name} ''é\n\"' || i END",
    "VARCHAR[]": "CASE WHEN i % 5 = 3 THEN [] ELSE ['{name}', i::VARCHAR, NULL] END",
    "INTEGER": "(i - 2)::INTEGER",
    "BIGINT": "i * 10000000019",
    "DOUBLE": "i / 3.0",
    "BOOLEAN": "i % 2 = 0",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ '2025-11-03 12:00:00.123456+00' + INTERVAL 20 DAY * (i % 6)",
}


def fill(con: duckdb.DuckDBPyConnection, rows: int = 6, only: Sequence[str] = ()) -> None:
    """Put rows into every table (or `only` these) but those that the schema fills itself."""
    for (table,) in con.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        " AND table_name NOT IN ('guards', 'schema_version')"
    ).fetchall():
        if only and table not in only:
            continue
        described = con.execute(f'DESCRIBE "{table}"').fetchall()
        values = ", ".join(f'{_VALUES[kind].format(name=name)} AS "{name}"' for name, kind, *_ in described)
        con.execute(f'INSERT INTO "{table}" BY NAME SELECT {values} FROM range({rows}) AS r(i)')


def store_of(setting: str, version: int | None = None, only: Sequence[str] = (), rows: int = 6) -> Warehouse:
    """A filled store, of an older schema where `version` says so: made by the migrations that it had."""
    warehouse = Warehouse(setting, lambda: NOON, lock_timeout_s=5)
    with warehouse.exclusive() as con:
        con.begin()
        for migration in schema.migrations():
            if version is None or migration.version <= version:
                con.execute(migration.sql)
                con.execute("INSERT INTO schema_version VALUES (?, ?, ?)", [migration.version, migration.name, NOON])
        fill(con, rows, only)
        con.commit()
    return warehouse


def contents(warehouse: Warehouse) -> dict[str, Digest]:
    """The digest of each table."""
    with warehouse.read() as con:
        row = con.execute("SELECT current_database()").fetchone()
        assert row is not None
        return {table: digest(con, row[0], table, columns) for table, columns in shape(con, row[0]).items()}


def fetches(ids: Sequence[str], outcome: str = "new") -> pa.Table:
    """Rows of the table `fetches`."""
    return pa.table({"fetch_id": list(ids), "outcome": [outcome] * len(ids)})


def merge_same_keys(setting: str, rounds: int) -> None:
    """What each of several processes does at once: merge the same new keys, row group by row group."""
    warehouse = Warehouse(setting, utc_now, lock_timeout_s=60)
    for n in range(rounds):
        rows = fetches([f"{n}-{i}" for i in range(50)], outcome=str(os.getpid()))
        warehouse.transact("articles", lambda tx, rows=rows: tx.insert_new("fetches", rows, ["fetch_id"]))


def kept_of_lost_races(setting: str, times: int) -> int:
    """The bytes by which this process grows while it loses so many races for a lake, after the first few."""
    warehouse = Warehouse(setting, utc_now)

    def lose(times: int) -> int:
        for n in range(times):
            with pytest.raises(StoreConflict), warehouse.write("articles") as slow:
                slow.insert_new("fetches", fetches([f"slow {n}"]), ["fetch_id"])
                warehouse.transact("articles", lambda _: None)
        return int(psutil.Process().memory_info().rss)

    before = lose(3)
    return lose(times) - before
