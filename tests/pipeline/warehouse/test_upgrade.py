"""A store that any released schema wrote opens in the newest; built by replaying the migrations up to it, with rows."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import SchemaTooNew, StoreError
from pipeline.warehouse import Warehouse, schema
from pipeline.warehouse.schema import migrations
from tests.pipeline.warehouse.world import NOON, store_of

RELEASED = [one.version for one in migrations()][:-1]
Rows = dict[str, list[tuple[object, ...]]]


def rows_of(setting: str, columns: dict[str, list[str]]) -> Rows:
    with Warehouse(setting, lambda: NOON).read() as con:
        return {
            table: con.execute(f'SELECT {", ".join(names)} FROM "{table}" ORDER BY ALL').fetchall()
            for table, names in columns.items()
        }


def columns_of(setting: str) -> dict[str, list[str]]:
    with Warehouse(setting, lambda: NOON).read() as con:
        return columns(con)


def columns(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The columns of every table that no migration writes rows into."""
    found: dict[str, list[str]] = {}
    for table, column in con.execute(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_catalog = current_database()"
        " AND table_name NOT IN ('schema_version', 'guards') ORDER BY ALL"
    ).fetchall():
        found.setdefault(table, []).append(f'"{column}"')
    return found


@pytest.mark.parametrize("version", RELEASED)
def test_a_store_of_each_schema_is_upgraded_and_keeps_every_value(version: int, tmp_path: Path) -> None:
    setting = f"duckdb:{tmp_path / 'old.duckdb'}"
    warehouse = store_of(setting, version)
    before = columns_of(setting)
    held = rows_of(setting, before)
    assert [one.version for one in warehouse.prepare()] == list(range(version + 1, len(migrations()) + 1))
    assert warehouse.prepare() == []
    assert rows_of(setting, before) == held
    with closing(duckdb.connect()) as fresh:
        schema.create(fresh, len(migrations()))
        assert columns_of(setting) == columns(fresh)


@pytest.mark.postgres
def test_the_oldest_schema_is_upgraded_on_a_lake_too(lake_setting: str) -> None:
    warehouse = store_of(lake_setting, 1, only=("feeds", "articles", "notifications"))
    before = columns_of(lake_setting)
    held = rows_of(lake_setting, before)
    assert len(warehouse.prepare()) == len(migrations()) - 1
    assert rows_of(lake_setting, before) == held


def test_a_store_that_is_up_to_date_is_prepared_beside_one_who_reads(tmp_path: Path) -> None:
    warehouse = store_of(f"duckdb:{tmp_path / 'read.duckdb'}")
    with warehouse.read():
        assert Warehouse(f"duckdb:{tmp_path / 'read.duckdb'}", lambda: NOON, lock_timeout_s=0.1).prepare() == []


def test_a_store_of_a_later_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    setting = f"duckdb:{tmp_path / 'late.duckdb'}"
    warehouse = store_of(setting)
    with warehouse.write("catalogue") as tx:
        tx.con.execute("INSERT INTO schema_version VALUES (9999, 'future', now())")
    with pytest.raises(SchemaTooNew, match=r"schema 9999, this program knows \d+. Upgrade barograph"):
        warehouse.prepare()


def test_a_store_that_is_half_moved_is_not_opened(tmp_path: Path) -> None:
    warehouse = store_of(f"duckdb:{tmp_path / 'half.duckdb'}")
    with warehouse.write("catalogue") as tx:
        tx.con.execute("DELETE FROM schema_version")
    with pytest.raises(StoreError, match="half moved"):
        warehouse.prepare()
