"""What an engine says: of itself without a password, and of a damaged log with what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from pipeline.errors import StoreConflict, StoreError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.engines import DuckLake, engine_for, translated
from tests.conftest import MovableClock

ADDRESSES = [
    "dbname=news user=me password=hunter2",
    "dbname=news password = 'hunter2 and\\' more' user=me",
    "postgresql://me:hunter2@db.example/news",
    "postgresql://db.example/news?user=me&password=hunter2",
]


@pytest.mark.parametrize("dsn", ADDRESSES)
def test_the_password_is_starred_out(dsn: str) -> None:
    said = str(DuckLake(f"postgres:{dsn}", "/shared"))
    assert "hunter2" not in said
    assert " more'" not in said
    assert "news" in said


@pytest.mark.parametrize("dsn", ADDRESSES)
def test_an_address_without_a_data_path_is_refused_without_its_password(dsn: str) -> None:
    with pytest.raises(StoreError, match="data_path") as refused:
        engine_for(f"ducklake:postgres:{dsn}")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("dsn", ADDRESSES)
@pytest.mark.parametrize(
    "error",
    [
        'Existing DuckLake at metadata catalog "postgres:{}" does not exist - and creating a new one is disabled',
        "transaction conflict in postgres:{}",
        "could not write file of postgres:{}",
        "Parser Error: ATTACH 'ducklake:postgres:{}'",
    ],
)
def test_what_the_database_says_is_told_without_the_password_that_it_repeats(dsn: str, error: str) -> None:
    said = error.format(dsn.replace("'", "''") if "ATTACH" in error else dsn)
    told = str(translated(duckdb.Error(said), engine_for("duckdb:news.duckdb")))
    assert "hunter2" not in told
    assert " more'" not in told
    assert "***" in told


def test_a_lake_that_cannot_be_attached_is_told_without_the_password(tmp_path: Path, clock: MovableClock) -> None:
    duckdb.connect(tmp_path / "password=hunter2").close()
    lake = Warehouse(f"ducklake:duckdb:{tmp_path / 'password=hunter2'}?data_path={tmp_path / 'parquet'}", clock)
    with pytest.raises(StoreError, match="Existing DuckLake at metadata catalog") as refused, lake.read():
        pass
    assert "hunter2" not in str(refused.value)
    assert not (tmp_path / "parquet").exists(), "who only reads makes nothing"


def test_a_flipped_bit_in_the_log_is_one_line_that_says_what_to_do(tmp_path: Path, clock: MovableClock) -> None:
    Warehouse(f"duckdb:{tmp_path / 'a.duckdb'}", clock).prepare()
    with duckdb.connect(tmp_path / "a.duckdb") as con:
        con.execute("SET wal_autocheckpoint = '1GB'")
        con.execute("CREATE TABLE more AS SELECT range AS i FROM range(1000)")
        # As a killed process leaves it.
        for name in ("a.duckdb", "a.duckdb.wal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("a.", "b."))
    log = tmp_path / "b.duckdb.wal"
    body = bytearray(log.read_bytes())
    body[len(body) // 2] ^= 4
    log.write_bytes(body)

    warehouse = Warehouse(f"duckdb:{tmp_path / 'b.duckdb'}", clock)
    with pytest.raises(StoreError, match="log is damaged") as refused, warehouse.read():
        pass
    assert "\n" not in str(refused.value)
    log.rename(tmp_path / "aside")
    with warehouse.read() as con:
        assert con.execute("SELECT count(*) FROM articles").fetchone() == (0,)


def test_a_commit_that_the_disk_has_no_room_for_is_no_conflict() -> None:
    said = 'TransactionContext Error: Failed to commit: Could not write file "news.duckdb.wal": No space left on device'
    told = translated(duckdb.TransactionException(said), engine_for("duckdb:news.duckdb"))
    assert not isinstance(told, StoreConflict)
    assert "make room, and run again" in str(told)
