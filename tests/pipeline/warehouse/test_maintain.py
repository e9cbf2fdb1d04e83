"""Retention by table, nothing that an incident cites, compaction, and a maintain that may be killed and run again."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline.context import Context
from pipeline.errors import InputError, SettingsError
from pipeline.settings import Maintain, Settings, load
from pipeline.warehouse import Warehouse
from pipeline.warehouse.backup import backups, prove
from pipeline.warehouse.compact import worth_it
from pipeline.warehouse.maintain import maintain
from pipeline.warehouse.scrub import scrub
from tests.pipeline.warehouse.world import NOON

SPAWN = multiprocessing.get_context("spawn")
OLD, YOUNG = NOON - timedelta(days=500), NOON - timedelta(days=20)
SEVEN_YEARS = timedelta(days=2557)


def identity(word: str) -> str:
    """An id as the pipeline makes them: 32 hexadecimal digits."""
    return word.encode().hex().ljust(32, "0")


def context_of(setting: str, **maintain: object) -> Context:
    settings = Settings(store={"warehouse": setting}, maintain=maintain)
    warehouse = Warehouse(setting, lambda: NOON, lock_timeout_s=20)
    warehouse.prepare()
    return Context(settings, warehouse, lambda: NOON)


def article(con: duckdb.DuckDBPyConnection, name: str, known: datetime, story: str | None = None) -> None:
    key = identity(name)
    con.execute("INSERT INTO articles (article_id, revision, title, known_at) VALUES (?, 1, ?, ?)", [key, name, known])
    con.execute("INSERT INTO scores (article_id, revision, entity_id) VALUES (?, 1, '')", [key])
    con.execute("INSERT INTO story_members (story_id, article_id) VALUES (?, ?)", [story or f"s-{name}", key])


def incident(con: duckdb.DuckDBPyConnection, name: str, resolved: datetime | None, cites: dict[str, str]) -> None:
    state = "resolved" if resolved else "firing"
    con.execute("INSERT INTO incidents (incident_id, state, resolved_at) VALUES (?, ?, ?)", [name, state, resolved])
    con.execute("INSERT INTO incident_events (event_id, incident_id) VALUES (?, ?)", [f"e-{name}", name])
    con.execute("INSERT INTO evidence (incident_id, payload) VALUES (?, ?)", [name, json.dumps(cites)])


def names(context: Context, sql: str) -> list[str]:
    with context.warehouse.read() as con:
        return [row[0] for row in con.execute(f"{sql} ORDER BY 1").fetchall()]


def seed(context: Context) -> None:
    with context.warehouse.write("articles") as tx:
        con = tx.con
        article(con, "old", OLD)
        article(con, "young", YOUNG)
        article(con, "cited", OLD)
        article(con, "begins", OLD, "long story")
        article(con, "goes on", YOUNG, "long story")
        article(con, "beside cited", OLD, "s-cited")
        fits = [("old fit", OLD), ("cited fit", OLD), ("young fit", YOUNG)]
        for name, day in fits:
            con.execute("INSERT INTO fits (fit_id, key, fitted_for) VALUES (?, ?, ?)", [identity(name), name, day])
        incident(con, "open", None, {"article_id": identity("cited"), "fit_id": identity("cited fit")})
        incident(con, "eight years", NOON - SEVEN_YEARS - timedelta(days=1), {"article_id": identity("old")})
        incident(con, "six years", NOON - SEVEN_YEARS + timedelta(days=1), {})
        messages = [("both", ["eight years", "open"]), ("only", ["eight years"])]
        for name, told in messages:
            con.execute(
                "INSERT INTO notifications (notification_id, incident_ids, created_at) VALUES (?, ?, ?)",
                [name, told, NOON - SEVEN_YEARS - timedelta(days=2)],
            )
        for minute, outcome in ((0, "new"), (5, "unchanged"), (10, "timeout"), (65, "unchanged")):
            at = OLD.replace(minute=0) + timedelta(minutes=minute)
            con.execute("INSERT INTO fetches (fetch_id, feed_id, fetched_at, outcome) VALUES (?, 'f', ?, ?)",
                        [f"old {minute}", at, outcome])  # fmt: skip
        con.execute(
            "INSERT INTO fetches (fetch_id, feed_id, fetched_at, outcome) VALUES ('now', 'f', ?, 'timeout')", [YOUNG]
        )
        for at in (OLD, YOUNG):
            con.execute("INSERT INTO runs (run_id, ended_at) VALUES (?, ?)", [f"{at:%Y}", at])
        for grain, at in (("hour", OLD), ("day", OLD), ("hour", YOUNG)):
            con.execute(
                "INSERT INTO trends (grain, key, bucket_start) VALUES (?, ?, ?)", [grain, f"{grain} {at:%Y}", at]
            )


def check(context: Context) -> None:
    assert names(context, "SELECT title FROM articles") == ["begins", "beside cited", "cited", "goes on", "young"]
    kept = [identity(name) for name in ("begins", "beside cited", "cited", "goes on", "young")]
    for table in ("scores", "story_members"):
        assert names(context, f"SELECT article_id FROM {table}") == sorted(kept)
    assert names(context, "SELECT article_id FROM forgotten") == [identity("old")]
    assert names(context, "SELECT key FROM fits") == ["cited fit", "young fit"]
    for table in ("incidents", "incident_events", "evidence"):
        assert names(context, f"SELECT incident_id FROM {table}") == ["open", "six years"]
    assert names(context, "SELECT notification_id FROM notifications") == ["both"]
    assert names(context, "SELECT fetch_id FROM fetches") == ["now", "old 0", "old 65"]
    assert names(context, "SELECT key FROM trends") == ["day 2024", "hour 2026"]
    assert names(context, "SELECT run_id FROM runs") == ["2026"]


def test_what_was_kept_long_enough_goes_and_what_an_incident_cites_stays(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    context = context_of(f"duckdb:{tmp_path / 's.duckdb'}", articles_days=401, hours_days=401, backups=folder)
    seed(context)
    report = maintain(context)
    check(context)
    assert report.counts["rows_removed_articles"] == 3
    assert report.counts["rows_removed_incidents"] == 4
    assert report.counts["rows_removed"] == 3 + 4 + 1 + 1 + 2 + 1
    (made,) = backups(folder)
    assert prove(made).rows == report.counts["backup_rows"]
    assert maintain(context, backup=False).counts == {"rows_removed": 0}
    check(context)


def test_a_backup_that_cannot_be_proved_does_not_stay(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    context = context_of(f"duckdb:{tmp_path / 's.duckdb'}", backups=folder)

    def damage(what: str, done: int, total: int | None) -> None:
        for path in folder.glob("*Z/articles.parquet"):
            path.write_bytes(b"")

    with pytest.raises(InputError, match=r"articles\.parquet is missing or damaged"):
        maintain(replace(context, progress=damage))
    assert list(folder.iterdir()) == []


def test_by_default_articles_and_points_are_kept_for_ever(tmp_path: Path) -> None:
    context = context_of(f"duckdb:{tmp_path / 's.duckdb'}")
    seed(context)
    report = maintain(context)
    assert len(names(context, "SELECT article_id FROM articles")) == 6
    assert len(names(context, "SELECT key FROM trends")) == 3
    assert report.notes == ["no backup: name a folder with `[maintain] backups`"]


@pytest.mark.parametrize("days", [1, 400])
def test_less_than_what_aggregate_rebuilds_is_refused(days: int, tmp_path: Path) -> None:
    config = tmp_path / "barograph.toml"
    config.write_text(f"[maintain]\narticles_days = {days}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"maintain.articles_days.*rebuilt that far back"):
        load(config)


def test_the_settings_that_ship_are_the_defaults() -> None:
    shipped = load(Path(__file__).parents[3] / "pipeline" / "defaults" / "barograph.toml")
    assert shipped.maintain == Maintain()


@pytest.mark.parametrize(
    ("free", "total", "worth"),
    [(0, 0, False), (63 << 20, 100 << 20, False), (64 << 20, 100 << 20, True), (64 << 20, 300 << 20, False)],
)
def test_a_file_is_written_anew_only_where_much_is_free(free: int, total: int, worth: bool) -> None:
    assert worth_it(free, total) is worth


def test_a_file_gives_back_what_is_free_in_it_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.warehouse.compact._FREE_BYTES", 1 << 20)
    context = context_of(f"duckdb:{tmp_path / 's.duckdb'}")
    text = "INSERT INTO articles (article_id, title) SELECT i::VARCHAR, md5(i::VARCHAR) FROM range(250000) AS r(i)"
    for statement in (text, "DELETE FROM articles WHERE article_id::INTEGER < 240000"):
        with context.warehouse.write("articles") as tx:
            tx.con.execute(statement)
    with context.warehouse.exclusive() as con:
        con.execute("CHECKPOINT")
    before = (tmp_path / "s.duckdb").stat().st_size
    report = maintain(context)
    assert report.counts["bytes_freed"] > 1 << 20
    assert (tmp_path / "s.duckdb").stat().st_size < before / 2
    assert names(context, "SELECT count(*) FROM articles") == [10_000]
    assert [path.name for path in tmp_path.iterdir()] == ["s.duckdb"]


def test_a_file_that_was_written_anew_keeps_its_name_through_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, synced = context_of(f"duckdb:{tmp_path / 's.duckdb'}"), []
    before, real = (tmp_path / "s.duckdb").stat().st_ino, os.fsync

    def fsync(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), (tmp_path / "s.duckdb").stat().st_ino != before))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    scrub(context.warehouse)
    assert synced == [(tmp_path, True)], "the folder, once the new file has the name"


def die_in(setting: str, commit: int) -> None:
    class Dying(Warehouse):
        left = commit

        def _commit(self, con: duckdb.DuckDBPyConnection, group: str) -> None:
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            super()._commit(con, group)

    context = context_of(setting, articles_days=401, hours_days=401)
    maintain(Context(context.settings, Dying(setting, lambda: NOON), lambda: NOON))


def test_a_maintain_that_is_killed_and_run_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    setting = f"duckdb:{tmp_path / 's.duckdb'}"
    seed(context_of(setting))
    for commit in (1, 3, 5):
        process = SPAWN.Process(target=die_in, args=(setting, commit))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    context = context_of(setting, articles_days=401, hours_days=401)
    maintain(context)
    check(context)


@pytest.mark.postgres
def test_on_a_lake_small_files_are_merged_and_what_nothing_names_is_removed(lake_setting: str, tmp_path: Path) -> None:
    context = context_of(lake_setting, articles_days=401, hours_days=401)
    seed(context)
    for n in range(3):
        with context.warehouse.write("articles") as tx:
            tx.con.execute(
                "INSERT INTO imports (import_id) SELECT $n || '-' || i FROM range(100) AS r(i)", {"n": str(n)}
            )
    orphan = tmp_path / "lake" / "main" / "imports" / "ducklake-orphan.parquet"
    orphan.write_bytes(next(orphan.parent.glob("*.parquet")).read_bytes())
    report = maintain(context, backup=False)
    check(context)
    assert report.counts["files_merged"] >= 3
    assert orphan.exists()
    later = Context(
        Settings(store={"warehouse": lake_setting}), context.warehouse, lambda: datetime.now(NOON.tzinfo) + timedelta(8)
    )
    report = maintain(later, backup=False)
    assert report.counts["snapshots_expired"] > 3
    assert report.counts["files_removed"] >= 3
    assert report.counts["orphans_removed"] == 1
    assert not orphan.exists()
    assert len(list(orphan.parent.glob("*.parquet"))) == 1
    assert len(names(context, "SELECT import_id FROM imports")) == 300
