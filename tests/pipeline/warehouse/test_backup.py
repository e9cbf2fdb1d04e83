"""Backups: consistent beside writers, held to their hashes, restored on either engine, over no store unless told."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.context import utc_now
from pipeline.errors import InputError, SchemaTooNew, StoreBusy, StoreError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.backup import back_up, backups, manifest, prove, restore, retire
from tests.conftest import MovableClock
from tests.pipeline.warehouse.world import NOON, contents, store_of

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def filled(tmp_path: Path) -> Warehouse:
    return store_of(f"duckdb:{tmp_path / 'store.duckdb'}")


def test_what_is_restored_is_what_was_backed_up(filled: Warehouse, tmp_path: Path) -> None:
    made = back_up(filled, tmp_path / "backups")
    assert made.name == "20260303T120000Z"
    fresh = Warehouse(f"duckdb:{tmp_path / 'fresh.duckdb'}", lambda: NOON)
    held = restore(made, fresh)
    assert contents(fresh) == contents(filled) == held.tables
    assert held.rows > 100
    assert fresh.prepare() == []


@pytest.mark.postgres
def test_a_backup_of_a_lake_is_restored_into_a_file_and_back(lake_setting: str, tmp_path: Path) -> None:
    lake = store_of(lake_setting, only=("articles", "notifications", "trends"))
    before = contents(lake)
    made = back_up(lake, tmp_path / "backups")
    assert prove(made).tables == before
    with lake.write("articles") as tx:
        tx.con.execute("DELETE FROM articles")
    with pytest.raises(StoreError, match="holds a store already"):
        restore(made, lake)
    restore(made, lake, replace=True)
    assert contents(lake) == before


def test_an_older_schema_is_restored_as_it_was_and_upgraded(tmp_path: Path) -> None:
    made = back_up(store_of(f"duckdb:{tmp_path / 'old.duckdb'}", 4), tmp_path / "backups")
    fresh = Warehouse(f"duckdb:{tmp_path / 'fresh.duckdb'}", lambda: NOON)
    assert restore(made, fresh).schema == 4
    assert next(one.version for one in fresh.prepare()) == 5


def test_a_store_that_is_there_stays_as_it_was(filled: Warehouse, tmp_path: Path) -> None:
    made = back_up(filled, tmp_path / "backups")
    other = store_of(f"duckdb:{tmp_path / 'other.duckdb'}", only=("feeds",))
    before = contents(other)
    with pytest.raises(StoreError, match="--replace"):
        restore(made, other)
    told = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    told["tables"]["articles"]["rows"] += 1
    (made / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(StoreError, match=r"differs in articles \(6 rows for 7\)"):
        restore(made, other, replace=True)
    assert contents(other) == before


def test_a_damaged_file_is_named(filled: Warehouse, tmp_path: Path) -> None:
    made = back_up(filled, tmp_path / "backups")
    file = made / "articles.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with pytest.raises(InputError, match=r"articles.parquet is missing or damaged"):
        prove(made)
    file.unlink()
    with pytest.raises(InputError, match=r"articles.parquet is missing or damaged"):
        prove(made)
    assert [path.name for path in made.parent.iterdir()] == [made.name]


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 1}', '{"schema": "x", "tables": {}, "made_at": ""}'])
def test_a_damaged_manifest_is_told(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no backup"):
        manifest(tmp_path)


def test_a_backup_of_a_later_version_is_refused(filled: Warehouse, tmp_path: Path) -> None:
    made = back_up(filled, tmp_path / "backups")
    told = json.loads((made / "manifest.json").read_text(encoding="utf-8"))
    (made / "manifest.json").write_text(json.dumps(told | {"schema": 9999}), encoding="utf-8")
    with pytest.raises(SchemaTooNew, match="Upgrade barograph"):
        restore(made, Warehouse(f"duckdb:{tmp_path / 'fresh.duckdb'}", lambda: NOON))


def test_a_backup_taken_while_writers_run_holds_whole_transactions(warehouse_setting: str, tmp_path: Path) -> None:
    warehouse = Warehouse(warehouse_setting, utc_now, lock_timeout_s=60)
    warehouse.prepare()
    stop, running = threading.Event(), threading.Event()

    def write() -> int:
        n = 0
        while not stop.is_set():
            rows = [pa.table({"fetch_id": [f"{n}-{i}" for i in range(7)]}), pa.table({"import_id": [str(n)]})]
            warehouse.transact(
                "articles",
                lambda tx, rows=rows: (
                    tx.insert_new("fetches", rows[0], ["fetch_id"]) + tx.insert_new("imports", rows[1], ["import_id"])
                ),
            )
            n += 1
            if n == 3:
                running.set()
        return n

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        try:
            assert running.wait(60)
            made = back_up(warehouse, tmp_path / "backups")
        finally:
            stop.set()
        written = writer.result(60)
    held = prove(made).tables
    assert held["fetches"].rows == 7 * held["imports"].rows
    assert 3 <= held["imports"].rows <= written


def die_while_backing_up(setting: str, folder: str) -> None:
    def die(what: str, done: int, total: int | None) -> None:
        if done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

    back_up(Warehouse(setting, lambda: NOON), Path(folder), die)


def test_one_that_was_killed_is_no_backup_and_is_cleared_away(filled: Warehouse, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    process = SPAWN.Process(target=die_while_backing_up, args=(str(filled.engine), str(folder)))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert list(folder.iterdir()) != []
    assert backups(folder) == []
    (left,) = folder.iterdir()
    made = back_up(filled, folder)
    now = utc_now()
    assert retire(folder, 3, now) == 0
    assert set(folder.iterdir()) == {left, made}, "as young as this, another process may be at it"
    assert retire(folder, 3, now + timedelta(days=2)) == 0
    assert list(folder.iterdir()) == [made]


def test_one_that_fails_leaves_nothing(filled: Warehouse, tmp_path: Path) -> None:
    def full(what: str, done: int, total: int | None) -> None:
        if done == 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        back_up(filled, tmp_path / "backups", full)
    assert list((tmp_path / "backups").iterdir()) == []


def test_what_is_no_store_yet_is_not_backed_up(tmp_path: Path) -> None:
    empty = Warehouse(f"duckdb:{tmp_path / 'empty.duckdb'}", lambda: NOON)
    with empty.exclusive():
        pass
    with pytest.raises(StoreError, match="holds no store yet"):
        back_up(empty, tmp_path / "backups")


def test_every_file_is_durable_before_the_backup_has_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, folder, synced = store_of(f"duckdb:{tmp_path / 'store.duckdb'}", only=("feeds",)), tmp_path / "b", []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(Path(f"/proc/self/fd/{fd}").readlink()), real(fd)))
    made = back_up(warehouse, folder)
    *before, last = synced
    assert last == folder
    assert {path.name for path in made.glob("*.parquet")} <= {path.name for path in before}
    assert before[-1].name.startswith(made.name)
    assert before[-1].suffix == ".partial"


def test_the_newest_are_kept(tmp_path: Path, clock: MovableClock) -> None:
    warehouse = store_of(f"duckdb:{tmp_path / 'store.duckdb'}", only=("feeds",))
    warehouse.clock = clock
    made = []
    for _ in range(3):
        made.append(back_up(warehouse, tmp_path / "backups"))
        clock.now += timedelta(days=1)
    assert retire(tmp_path / "backups", 2, clock.now) == 1
    assert backups(tmp_path / "backups") == made[1:]
    clock.now -= timedelta(days=1)
    with pytest.raises(StoreBusy, match="is there already"):
        back_up(warehouse, tmp_path / "backups")
