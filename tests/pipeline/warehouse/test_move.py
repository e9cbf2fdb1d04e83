"""A store moved between engines: equal in every table, resumed after a kill, over no store unless told."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.context import utc_now
from pipeline.errors import StoreBusy, StoreError, UsageError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.content import Digest
from pipeline.warehouse.move import Piece, missing, move
from tests.pipeline.warehouse.world import NOON, contents, merge_same_keys, store_of
from tests.support import s3
from tests.support.holder import held

SPAWN = multiprocessing.get_context("spawn")
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
SOME = ("articles", "fetches", "notifications", "trends")


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty bucket on a real S3 server."""
    with s3.server(tmp_path / "s3", "news") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield "s3://news/lake/"


def on_s3(lake_setting: str, bucket: str) -> str:
    return lake_setting.partition("?data_path=")[0] + f"?data_path={bucket}"


def of(setting: str) -> Warehouse:
    return Warehouse(setting, lambda: NOON, lock_timeout_s=20)


def test_what_is_missing_is_told_by_table_and_month() -> None:
    one, two = Digest(1, 5), Digest(2, 9)
    source = {"a": {MAY: one, JUNE: two}, "b": {None: one}, "c": {}}
    assert missing(source, source) == []
    assert missing(source, {}) == [Piece("a", MAY, 1), Piece("a", JUNE, 2), Piece("b", None, 1)]
    assert missing(source, {"a": {MAY: one, JUNE: one}, "b": {None: one}}) == [Piece("a", JUNE, 2)]
    assert missing({"a": {MAY: one}}, {"a": {MAY: one, JUNE: two, None: one}}) == [
        Piece("a", None, 0),
        Piece("a", JUNE, 0),
    ]


def test_to_a_lake_in_a_file_and_back_every_table_is_equal(tmp_path: Path) -> None:
    first, lake, last = f"duckdb:{tmp_path / 'first.duckdb'}", f"ducklake:duckdb:{tmp_path / 'lake'}", ""
    lake, last = f"{lake}.ducklake?data_path={tmp_path / 'parquet'}", f"duckdb:{tmp_path / 'last.duckdb'}"
    before = contents(store_of(first))
    moved = move(first, lake)
    assert moved.rows == moved.rows_copied == sum(one.rows for one in before.values())
    assert move(lake, last).tables == len(before)
    assert contents(of(lake)) == contents(of(last)) == before
    assert of(last).prepare() == []


def test_a_second_move_brings_over_only_what_has_changed(tmp_path: Path) -> None:
    source, target = f"duckdb:{tmp_path / 'a.duckdb'}", f"duckdb:{tmp_path / 'b.duckdb'}"
    store = store_of(source, only=SOME)
    move(source, target)
    with store.write("articles") as tx:
        tx.con.execute("INSERT INTO articles (article_id, recorded_at) VALUES ('late', ?)", [NOON])
        tx.con.execute("DELETE FROM trends")
    with pytest.raises(StoreError, match="--replace"):
        move(source, target)
    moved = move(source, target, replace=True)
    assert contents(of(target)) == contents(store)
    # The months of the new article, the guards, the versions.
    assert moved.rows_copied < 40


def test_what_cannot_be_moved_is_told_and_left_alone(tmp_path: Path) -> None:
    source, target = f"duckdb:{tmp_path / 'a.duckdb'}", f"duckdb:{tmp_path / 'b.duckdb'}"
    with pytest.raises(StoreError, match="does not exist"):
        move(source, target)
    with pytest.raises(StoreError, match="must start with duckdb:"):
        move(str(tmp_path / "a.duckdb"), target)
    before = contents(store_of(source, only=("feeds",)))
    with pytest.raises(UsageError, match="both FROM and TO"):
        move(source, source)
    other = contents(store_of(target, 3, only=("models",)))
    with pytest.raises(StoreError, match="holds a store already"):
        move(source, target)
    assert contents(of(target)) == other
    move(source, target, replace=True)
    assert contents(of(target)) == contents(of(source)) == before


def test_what_cannot_be_read_is_told_of_the_store_that_it_is_of(tmp_path: Path) -> None:
    lake, file = f"ducklake:duckdb:{tmp_path / 'a.ducklake'}", f"duckdb:{tmp_path / 'b.duckdb'}"
    store_of(f"{lake}?data_path={tmp_path / 'parquet'}", only=("feeds",), rows=200)
    for path in (tmp_path / "parquet").rglob("*.parquet"):
        path.write_bytes(b"")
    with pytest.raises(StoreError, match=f"^{lake}: "):
        move(f"{lake}?data_path={tmp_path / 'parquet'}", file)


def test_a_held_store_is_told_with_its_holder(tmp_path: Path) -> None:
    source = f"duckdb:{tmp_path / 'a.duckdb'}"
    store_of(source, only=("feeds",))
    with held(tmp_path / "a.duckdb") as pid, pytest.raises(StoreBusy, match=f"PID {pid}"):
        move(source, f"duckdb:{tmp_path / 'b.duckdb'}")


def die_while_moving(source: str, target: str) -> None:
    def die(what: str, done: int, total: int | None) -> None:
        if what == "copy rows" and total and done > total / 3:
            os.kill(os.getpid(), signal.SIGKILL)

    move(source, target, progress=die)


@pytest.mark.postgres
def test_killed_on_the_way_to_s3_it_is_no_store_and_goes_on(lake_setting: str, bucket: str, tmp_path: Path) -> None:
    source, lake = f"duckdb:{tmp_path / 'a.duckdb'}", on_s3(lake_setting, bucket)
    before = contents(store_of(source, only=SOME, rows=200))
    process = SPAWN.Process(target=die_while_moving, args=(source, lake))
    process.start()
    process.join(200)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(StoreError, match="half moved"):
        of(lake).prepare()
    moved = move(source, lake)
    assert 0 < moved.rows_copied < moved.rows * 0.7
    assert contents(of(lake)) == before
    assert list((tmp_path / "s3" / "news").rglob("*.parquet"))


@pytest.mark.postgres
def test_three_processes_that_merge_the_same_keys_on_s3_leave_one_row_each(lake_setting: str, bucket: str) -> None:
    lake = on_s3(lake_setting, bucket)
    Warehouse(lake, utc_now).prepare()
    workers = [SPAWN.Process(target=merge_same_keys, args=(lake, 2)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(200)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with Warehouse(lake, utc_now).read() as con:
        assert con.execute("SELECT count(*), count(DISTINCT fetch_id) FROM fetches").fetchone() == (100, 100)
        assert con.execute("SELECT n FROM guards WHERE name = 'articles'").fetchone() == (6,)
