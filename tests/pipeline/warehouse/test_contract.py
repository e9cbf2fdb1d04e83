"""What both engines promise: schema, guards, merges, bounded waiting, and nothing half-written."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier

import pyarrow as pa
import pytest

from pipeline.context import utc_now
from pipeline.errors import SchemaTooNew, StoreBusy, StoreConflict, StoreError
from pipeline.warehouse import Transaction, Warehouse
from pipeline.warehouse.schema import migrations
from tests.pipeline.warehouse.world import NOON, fetches, kept_of_lost_races, merge_same_keys
from tests.support.holder import held

SPAWN = multiprocessing.get_context("spawn")


def prepare_at_once(setting: str, start: Barrier) -> None:
    start.wait(120)
    Warehouse(setting, utc_now, lock_timeout_s=150).prepare()


def write_and_die(setting: str, when: str) -> None:
    class Dying(Warehouse):
        def _commit(self, con, group):  # type: ignore[no-untyped-def]
            if when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            super()._commit(con, group)
            os.kill(os.getpid(), signal.SIGKILL)

    with Dying(setting, utc_now).write("articles") as tx:
        tx.insert_new("fetches", fetches(["a", "b"]), ["fetch_id"])


@pytest.fixture
def warehouse(warehouse_setting: str) -> Warehouse:
    made = Warehouse(warehouse_setting, lambda: NOON, lock_timeout_s=5)
    made.prepare()
    return made


def count(warehouse: Warehouse, table: str = "fetches") -> int:
    with warehouse.read() as con:
        row = con.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_prepare_runs_each_migration_once(warehouse: Warehouse) -> None:
    assert warehouse.prepare() == []
    assert count(warehouse, "schema_version") == len(migrations())


def test_a_store_of_a_later_version_is_refused(warehouse: Warehouse) -> None:
    with warehouse.write("catalogue") as tx:
        tx.con.execute("INSERT INTO schema_version VALUES (9999, 'future', now())")
    with pytest.raises(SchemaTooNew, match="Upgrade barograph"):
        warehouse.prepare()


def test_insert_new_adds_each_key_once_and_stamps_both_clocks(warehouse: Warehouse) -> None:
    def work(tx: Transaction) -> int:
        return tx.insert_new("fetches", fetches(["a", "b"]), ["fetch_id"])

    assert warehouse.transact("articles", work) == 2
    assert warehouse.transact("articles", work) == 0
    with warehouse.read() as con:
        rows = con.execute("SELECT fetch_id, recorded_at, known_at FROM fetches ORDER BY 1").fetchall()
    assert rows == [("a", NOON, NOON), ("b", NOON, NOON)]


def test_rows_may_bring_known_at_but_never_recorded_at(warehouse: Warehouse) -> None:
    known = datetime(2025, 1, 1, tzinfo=UTC)
    stamp = pa.array([known], pa.timestamp("us", tz="UTC"))
    rows = fetches(["a"]).append_column("known_at", stamp)
    warehouse.transact("articles", lambda tx: tx.insert_new("fetches", rows, ["fetch_id"]))
    with warehouse.read() as con:
        assert con.execute("SELECT known_at, recorded_at FROM fetches").fetchall() == [(known, NOON)]
    with pytest.raises(StoreError, match="recorded_at is the store's to give"), warehouse.write("articles") as tx:
        tx.insert_new("fetches", fetches(["b"]).append_column("recorded_at", stamp), ["fetch_id"])


def test_a_row_without_known_at_gets_the_stores_beside_one_that_brings_it(warehouse: Warehouse) -> None:
    known = datetime(2025, 1, 1, tzinfo=UTC)
    rows = fetches(["a", "b"]).append_column("known_at", pa.array([known, None], pa.timestamp("us", tz="UTC")))
    warehouse.transact("articles", lambda tx: tx.insert_new("fetches", rows, ["fetch_id"]))
    with warehouse.read() as con:
        found = con.execute("SELECT fetch_id, known_at, recorded_at FROM fetches ORDER BY 1").fetchall()
    assert found == [("a", known, NOON), ("b", NOON, NOON)]


def test_upsert_replaces_the_row_of_a_key(warehouse: Warehouse) -> None:
    for outcome in ("new", "timeout"):
        rows = fetches(["a"], outcome)
        warehouse.transact("articles", lambda tx, rows=rows: tx.upsert("fetches", rows, ["fetch_id"]))
    with warehouse.read() as con:
        assert con.execute("SELECT fetch_id, outcome FROM fetches").fetchall() == [("a", "timeout")]


def test_an_exception_inside_the_block_leaves_nothing(warehouse: Warehouse) -> None:
    with pytest.raises(RuntimeError), warehouse.write("articles") as tx:
        tx.insert_new("fetches", fetches(["a"]), ["fetch_id"])
        raise RuntimeError
    assert count(warehouse) == 0


def test_a_write_without_a_known_guard_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(StoreError, match="no guard is named nonsense"), warehouse.write("nonsense"):
        pass


@pytest.mark.postgres
def test_two_writers_of_one_group_conflict_and_the_loser_repeats(lake_setting: str) -> None:
    """Only the lake lets two writers in at once; there the guard must make one of them lose."""
    warehouse = Warehouse(lake_setting, lambda: NOON)
    warehouse.prepare()
    with pytest.raises(StoreConflict), warehouse.write("articles") as slow:
        slow.insert_new("fetches", fetches(["a"], "slow"), ["fetch_id"])
        with Warehouse(lake_setting, lambda: NOON).write("articles") as quick:
            quick.insert_new("fetches", fetches(["a"], "quick"), ["fetch_id"])
    with warehouse.read() as con:
        assert con.execute("SELECT fetch_id, outcome FROM fetches").fetchall() == [("a", "quick")]


@pytest.mark.postgres
def test_in_a_lake_two_writers_of_different_groups_take_turns_too(lake_setting: str) -> None:
    """All guards are rows of one table, by which the lake compares what two have written."""
    warehouse = Warehouse(lake_setting, lambda: NOON)
    warehouse.prepare()
    with pytest.raises(StoreConflict), warehouse.write("articles") as slow:
        slow.insert_new("fetches", fetches(["a"]), ["fetch_id"])
        warehouse.transact("stories", lambda _: None)
    assert count(warehouse) == 0


@pytest.mark.postgres
def test_who_loses_a_race_gives_the_memory_back(lake_setting: str) -> None:
    """A commit that failed left its whole instance behind, and lanes that write at once lose often."""
    Warehouse(lake_setting, lambda: NOON).prepare()
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        assert process.submit(kept_of_lost_races, lake_setting, 10).result(240) < 20e6


@pytest.mark.postgres
def test_four_processes_that_find_an_empty_lake_make_it_once(lake_setting: str) -> None:
    start = SPAWN.Barrier(4)
    workers = [SPAWN.Process(target=prepare_at_once, args=(lake_setting, start)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    assert count(Warehouse(lake_setting, utc_now), "schema_version") == len(migrations())


def test_four_processes_that_merge_the_same_new_keys_leave_one_row_each(warehouse_setting: str) -> None:
    Warehouse(warehouse_setting, utc_now).prepare()
    rounds = 5
    workers = [SPAWN.Process(target=merge_same_keys, args=(warehouse_setting, rounds)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    with Warehouse(warehouse_setting, utc_now).read() as con:
        rows = con.execute("SELECT count(*), count(DISTINCT fetch_id) FROM fetches").fetchone()
        guard = con.execute("SELECT n FROM guards WHERE name = 'articles'").fetchone()
    assert rows == (rounds * 50, rounds * 50)
    assert guard == (4 * rounds,)


@pytest.mark.parametrize(("when", "kept"), [("before", 0), ("after", 2)])
def test_a_kill_around_the_commit_leaves_all_or_nothing(warehouse_setting: str, when: str, kept: int) -> None:
    warehouse = Warehouse(warehouse_setting, utc_now, lock_timeout_s=20)
    warehouse.prepare()
    process = SPAWN.Process(target=write_and_die, args=(warehouse_setting, when))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert count(warehouse) == kept
    warehouse.transact("articles", lambda tx: tx.insert_new("fetches", fetches(["a", "b"]), ["fetch_id"]))
    assert count(warehouse) == 2


def test_a_held_file_is_waited_for_a_bounded_time_and_the_holder_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    setting = f"duckdb:{tmp_path / 'held.duckdb'}"
    Warehouse(setting, utc_now).prepare()
    with held(tmp_path / "held.duckdb") as pid:
        started = time.monotonic()
        with pytest.raises(StoreBusy, match=rf"PID {pid}.*run again"), Warehouse(setting, utc_now, 0.5).read():
            pass
        assert time.monotonic() - started < 10
    with Warehouse(setting, utc_now, 10).read() as con:
        assert con.execute("SELECT count(*) FROM fetches").fetchone() == (0,)


def test_a_missing_store_says_how_to_make_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StoreError, match="does not exist yet"), Warehouse(f"duckdb:{tmp_path / 'no'}", utc_now).read():
        pass


def test_a_catalogue_that_does_not_answer_says_so(tmp_path) -> None:  # type: ignore[no-untyped-def]
    setting = f"ducklake:postgres:dbname=x host=127.0.0.1 port=1 user=x password=hush?data_path={tmp_path}"
    with pytest.raises(StoreError, match="PostgreSQL does not answer") as caught:
        Warehouse(setting, utc_now).prepare()
    assert "hush" not in str(caught.value)
