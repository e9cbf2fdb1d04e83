"""The raw store: what it keeps, for how long, and that the articles come back from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline import ingest
from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest.raw import RawStore
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

Subscribe = Callable[[Sequence[str]], None]
DAY = date(2026, 3, 3)
# recorded_at says when this store came to know a thing, which for a rebuilt one is later: the rest must be the same.
ARTICLES = "SELECT * EXCLUDE (recorded_at) FROM articles ORDER BY ALL"
FETCHES = "SELECT * EXCLUDE (recorded_at) FROM fetches ORDER BY ALL"


def story(n: int, wording: str = "reports its quarter") -> str:
    return item(f"Company {n} {wording}", f"https://gazette.example/{n}", guid=str(n))


def several_days(site: Site, context: Context, subscribe: Subscribe, clock: MovableClock) -> None:
    """Three days of two feeds: new articles, an edit and its reversal, the same bytes, a 304, and a failure."""
    subscribe([site.url("/a"), site.url("/b")])
    edited, back = story(1, "to cut 300 jobs"), story(1)
    for a, b in (
        (Page(rss(story(1), story(2))), Page(rss(story(3)), etag='"1"')),
        (Page(rss(edited, story(2))), Page(rss(story(3)), etag='"1"')),
        (Page(rss(back, story(2))), Page(status=500)),
        (Page(rss(back, story(2))), Page(rss(story(3), story(4)), etag='"2"')),
        (Page(rss(story(5), back)), Page(rss(story(6), story(4)), etag='"3"')),
        (Page(rss(story(5, "and explains it"), back)), Page(b"<html>log in</html>")),
    ):
        site.pages = {"/a": a, "/b": b}
        ingest.run(context)
        clock.now += timedelta(hours=10)


def forget_the_warehouse(context: Context, clock: MovableClock) -> None:
    path = Path(context.settings.store.warehouse.removeprefix("duckdb:"))
    path.unlink()
    Warehouse(context.settings.store.warehouse, clock).prepare()


def test_a_lost_warehouse_is_rebuilt_from_what_the_feeds_answered(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    several_days(site, context, subscribe, clock)
    articles, fetches, asked = rows(context, ARTICLES), rows(context, FETCHES), len(site.requests)
    assert len(articles) == 9  # six articles, of which one has three revisions and one has two
    forget_the_warehouse(context, clock)
    assert rows(context, ARTICLES) == []

    for day in RawStore(context.settings.store.raw).days():
        ingest.rebuild(context, day)

    assert rows(context, ARTICLES) == articles
    assert rows(context, FETCHES) == fetches
    assert len(site.requests) == asked
    assert rows(context, "SELECT DISTINCT recorded_at FROM articles") == [(clock.now,)]


def test_a_rebuild_changes_nothing_where_nothing_is_missing(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    several_days(site, context, subscribe, clock)
    before = [rows(context, f"SELECT * FROM {table} ORDER BY ALL") for table in ("articles", "fetches", "feeds")]
    for day in RawStore(context.settings.store.raw).days():
        report = ingest.rebuild(context, day)
        assert (report.counts["new_articles"], report.counts["new_revisions"]) == (0, 0)
    assert [
        rows(context, f"SELECT * FROM {table} ORDER BY ALL") for table in ("articles", "fetches", "feeds")
    ] == before


def test_a_rebuild_brings_back_one_lost_day_and_nothing_else(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    several_days(site, context, subscribe, clock)
    before = rows(context, ARTICLES)
    with context.warehouse.write("articles") as tx:
        tx.con.execute(
            "DELETE FROM articles WHERE article_id IN (SELECT article_id FROM articles WHERE title LIKE '%6%')"
        )
    assert len(rows(context, ARTICLES)) == 8
    ingest.rebuild(context, RawStore(context.settings.store.raw).days()[-1])
    assert rows(context, ARTICLES) == before


def test_what_the_store_has_lost_is_reported_until_it_is_taken_in_again(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, tmp_path: Path
) -> None:
    several_days(site, context, subscribe, clock)
    file = Path(context.settings.store.warehouse.removeprefix("duckdb:"))
    # What a log without its end leaves: the store as it was before, and nobody says so.
    shutil.copy(file, tmp_path / "before")
    site.pages["/a"] = Page(rss(story(8)))
    assert ingest.run(context).counts["new_articles"] == 1
    shutil.copy(tmp_path / "before", file)

    day = clock.now.date()
    (RawStore(context.settings.store.raw).raw / str(day) / "copied by hand.zst").write_bytes(b"")
    clock.now += timedelta(hours=1)
    site.pages["/a"] = Page(rss(story(9)))
    for _ in range(2):
        (note,) = (note for note in ingest.run(context).notes if "has lost" in note)
        assert note.endswith(f"barograph ingest --from-raw {day}")
        clock.now += timedelta(minutes=10)
    ingest.rebuild(context, day)
    assert not any("has lost" in note for note in ingest.run(context).notes)
    titles = [title for (title,) in rows(context, "SELECT title FROM articles")]
    assert "Company 8 reports its quarter" in titles


def test_the_feeds_go_on_after_a_rebuild_as_if_nothing_had_been(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    several_days(site, context, subscribe, clock)
    forget_the_warehouse(context, clock)
    for day in RawStore(context.settings.store.raw).days():
        ingest.rebuild(context, day)
    site.pages = {"/a": Page(rss(story(5, "and explains it"), story(1))), "/b": Page(rss(story(6), story(4), story(7)))}
    report = ingest.run(context)
    assert (report.counts["new_articles"], report.counts["new_revisions"]) == (1, 0)
    assert "if-none-match" not in site.requests[-1][2]


def test_bodies_that_were_seen_before_are_let_go_and_the_rest_is_small(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    body = rss(*(story(n) for n in range(200)))
    site.pages = {"/feed": Page(body)}
    subscribe([site.url("/feed")])
    for _ in range(3):
        ingest.run(context)
        clock.now += timedelta(minutes=5)
    raw = RawStore(context.settings.store.raw)
    loads = list(raw.loads(DAY))
    assert [[attempt.fetched.body for attempt in load] for load in loads] == [[body], [b""], [b""]]
    files = list((raw.raw / "2026-03-03").iterdir())
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) < len(body) / 4
    assert list((raw.raw / "spool").iterdir()) == []


def test_a_clock_a_month_ahead_removes_nothing(tmp_path: Path) -> None:
    raw = RawStore(tmp_path)
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        (tmp_path / day).mkdir()
    (tmp_path / "2026-05-03").mkdir()
    assert raw.retire(date(2026, 5, 3), 30) == 0
    assert len(raw.days()) == 4
    (tmp_path / "2026-05-04").mkdir()
    assert raw.retire(date(2026, 5, 4), 30) == 3


def test_days_that_are_over_are_removed(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(rss(story(1)))}
    subscribe([site.url("/feed")])
    raw = RawStore(context.settings.store.raw)
    ingest.run(context)
    (raw.raw / "rejected").mkdir()
    (raw.raw / "rejected" / "20260303T120000.000000-bad.fetch").write_bytes(b"x")
    (raw.raw / "spool" / "20260303T120000.000000-of-a-feed-nobody-knows.fetch").write_bytes(b"x")
    (raw.raw / "notes of mine").mkdir()
    clock.now += timedelta(days=30)
    ingest.run(context)
    assert raw.days() == [DAY, DAY + timedelta(days=30)]  # 30 days is what the settings say unless told otherwise
    clock.now += timedelta(days=1)
    ingest.run(context)
    assert raw.days() == [DAY + timedelta(days=30), DAY + timedelta(days=31)]
    assert sorted(path.name for path in raw.raw.iterdir()) == [
        "2026-04-02", "2026-04-03", "notes of mine", "rejected", "running", "spool",
    ]  # fmt: skip
    assert [*(raw.raw / "rejected").iterdir(), *(raw.raw / "spool").iterdir()] == []


def test_a_damaged_file_costs_only_what_it_held(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe([site.url("/feed")])
    for n in range(3):
        site.pages = {"/feed": Page(rss(story(n)))}
        ingest.run(context)
        clock.now += timedelta(minutes=5)
    raw = RawStore(context.settings.store.raw)
    second = sorted((raw.raw / "2026-03-03").iterdir())[1]
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 0xFF
    second.write_bytes(bytes(data))
    forget_the_warehouse(context, clock)
    ingest.rebuild(context, DAY)
    assert rows(context, "SELECT title FROM articles ORDER BY title") == [
        ("Company 0 reports its quarter",), ("Company 2 reports its quarter",),
    ]  # fmt: skip
    assert "cannot be read whole" in caplog.text


def test_killed_between_the_commit_and_the_raw_store_nothing_is_lost(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    site.pages = {"/feed": Page(rss(story(1)))}
    subscribe([site.url("/feed")])
    with monkeypatch.context() as patch:
        patch.setattr(RawStore, "_write", die)
        with pytest.raises(Killed):
            ingest.run(context)
    taken_in = clock.now
    clock.now += timedelta(days=1)
    ingest.load(context)
    raw = RawStore(context.settings.store.raw)
    # Kept under the day on which the store took it in, not that of the second load.
    assert raw.days() == [DAY]
    ((attempt,),) = map(list, raw.loads(DAY))
    assert (attempt.known_at, attempt.fetched.body) == (taken_in, rss(story(1)))
    assert list((raw.raw / "spool").iterdir()) == []


def lost(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, folder: Path
) -> tuple[list[tuple[object, ...]], Path]:
    """Several days, and then no warehouse any more: what its articles were, and settings for the command line."""
    several_days(site, context, subscribe, clock)
    before = rows(context, ARTICLES)
    forget_the_warehouse(context, clock)
    config = folder / "barograph.toml"
    config.write_text('[store]\nwarehouse = "duckdb:barograph.duckdb"\n', encoding="utf-8")
    return before, config


def test_from_raw_on_the_command_line(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, tmp_path: Path
) -> None:
    before, config = lost(site, context, subscribe, clock, tmp_path)
    days = [str(day) for day in reversed(RawStore(context.settings.store.raw).days())]
    words = [word for day in days for word in ("--from-raw", day)]
    done = CliRunner().invoke(app, ["ingest", *words, "--config", str(config), "--json"])
    assert done.exit_code == 0, done.output
    assert sum(report["counts"]["new_articles"] for report in json.loads(done.stdout)) == 6
    assert rows(context, ARTICLES) == before


def test_from_raw_takes_the_days_around_one_of_which_nothing_is_kept(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock, tmp_path: Path
) -> None:
    before, config = lost(site, context, subscribe, clock, tmp_path)
    days = RawStore(context.settings.store.raw).days()
    words = [word for day in (days[0] - timedelta(days=1), *days) for word in ("--from-raw", str(day))]
    done = CliRunner().invoke(app, ["ingest", *words, "--config", str(config)])
    assert isinstance(done.exception, InputError), "it is still said, and the call is no success"
    assert f"failed: --from-raw {days[0] - timedelta(days=1)}: of this day no response is kept" in done.output
    assert rows(context, ARTICLES) == before


def test_a_day_of_which_nothing_is_kept_is_said_to_be_so(site: Site, context: Context, subscribe: Subscribe) -> None:
    subscribe([])
    with pytest.raises(InputError, match="nothing is kept"):
        ingest.rebuild(context, DAY)
    site.pages = {"/feed": Page(rss(story(1)))}
    subscribe([site.url("/feed")])
    ingest.run(context)
    with pytest.raises(InputError, match="kept are 2026-03-03 to 2026-03-03"):
        ingest.rebuild(context, DAY - timedelta(days=1))
