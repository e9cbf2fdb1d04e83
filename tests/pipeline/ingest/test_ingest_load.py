"""From the spool to the store: nothing twice, nothing lost, revisions, and death at the worst moment."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.errors import WorkError
from pipeline.ingest.client import Fetched, HttpFetcher, Wanted
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

Subscribe = Callable[[Sequence[str]], None]
TWO = rss(
    item("Brightwater raises its dividend", "https://gazette.example/1", guid="a"),
    item("Storm closes the harbour", "https://gazette.example/2", guid="b"),
)
TABLES = ("articles", "fetches")


def spool(context: Context) -> list[Path]:
    return sorted((context.settings.store.raw / "spool").glob("*"))


def content(context: Context) -> list[list[tuple[object, ...]]]:
    return [rows(context, f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES]


def test_a_second_poll_adds_nothing_and_costs_a_304(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    site.pages = {"/feed": Page(TWO, etag='"v1"', headers={"Last-Modified": "Tue, 03 Mar 2026 11:00:00 GMT"})}
    subscribe([site.url("/feed")])
    first = ingest.run(context)
    before = rows(context, "SELECT * FROM articles ORDER BY ALL")
    clock.now += timedelta(minutes=5)
    second = ingest.run(context)

    assert (first.counts["new_articles"], first.counts["failed"]) == (2, 0)
    assert second.counts == {
        "feeds": 1, "unchanged": 1, "failed": 0, "entries": 0, "new_articles": 0, "new_revisions": 0,
    }  # fmt: skip
    assert site.statuses() == [200, 304]
    assert site.requests[1][2]["if-modified-since"] == "Tue, 03 Mar 2026 11:00:00 GMT"
    assert rows(context, "SELECT * FROM articles ORDER BY ALL") == before
    assert rows(context, "SELECT last_success_at = last_new_at + INTERVAL 5 MINUTE FROM feeds") == [(True,)]


def test_the_same_bytes_are_not_parsed_and_other_bytes_with_nothing_new_are_told_apart(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(TWO)}
    subscribe([site.url("/feed")])
    ingest.run(context)
    ingest.run(context)
    site.pages["/feed"] = Page(TWO + b"<!-- 12:05 -->")
    ingest.run(context)
    assert rows(context, "SELECT outcome FROM fetches ORDER BY fetched_at, outcome") == [
        ("new",), ("nothing_new",), ("same_body",),
    ]  # fmt: skip
    assert rows(context, "SELECT count(*) FROM articles") == [(2,)]


def test_an_edit_is_a_revision_of_the_same_article(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    subscribe([site.url("/feed")])
    for title in ("Brightwater to cut 200 jobs", "Brightwater  to cut 200 JOBS", "Brightwater to cut 300 jobs"):
        site.pages["/feed"] = Page(rss(item(title, "https://gazette.example/1", guid="a")))
        ingest.run(context)
        clock.now += timedelta(minutes=5)
    found = rows(context, "SELECT revision, title, first_seen_at, known_at FROM articles ORDER BY revision")
    start = datetime(2026, 3, 3, 12, tzinfo=UTC)
    assert found == [
        (1, "Brightwater to cut 200 jobs", start, start),
        (2, "Brightwater to cut 300 jobs", start, start + timedelta(minutes=10)),
    ]
    assert rows(context, "SELECT count(DISTINCT article_id) FROM articles") == [(1,)]


def test_a_feed_whose_text_holds_the_clock_stops_growing(site: Site, context: Context, subscribe: Subscribe) -> None:
    subscribe([site.url("/feed")])
    for minute in range(27):
        site.pages["/feed"] = Page(rss(item(f"Markets at 12:{minute:02}", "https://g.example/live", guid="live")))
        report = ingest.run(context)
    assert rows(context, "SELECT max(revision) FROM articles") == [(24,)]
    assert report.counts["too_many_revisions"] == 1


def test_markup_scripts_and_bad_links_become_plain_text_and_nothing(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {
        "/feed": Page(
            rss(
                item(
                    "<script>alert(1)</script>Profit &amp;lt;b&gt;up&lt;/b&gt; <img src=x onerror=alert(2)>",
                    "javascript:alert(3)",
                ),
                item("'; DROP TABLE articles; -- {{ var }} %(x)s", "https://gazette.example/2"),
            )
        )
    }
    subscribe([site.url("/feed")])
    ingest.run(context)
    found = rows(context, "SELECT title, url FROM articles ORDER BY title")
    assert found == [
        ("'; DROP TABLE articles; -- {{ var }} %(x)s", "https://gazette.example/2"),
        ("Profit up", None),
    ]


def test_killed_after_the_commit_and_before_the_move_nothing_comes_twice(
    site: Site, context: Context, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.pages = {"/feed": Page(TWO)}
    subscribe([site.url("/feed")])
    ingest.sync(context)
    ingest.fetch(context)
    (left,) = spool(context)
    kept = left.with_name("kept")
    shutil.copyfile(left, kept)
    ingest.load(context)
    before = content(context)
    assert not left.exists()

    kept.rename(left)
    report = ingest.load(context)

    assert content(context) == before
    assert report.counts == {}
    assert spool(context) == []


def test_killed_before_the_commit_the_next_load_takes_it_in(
    site: Site, context: Context, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    site.pages = {"/feed": Page(TWO)}
    subscribe([site.url("/feed")])
    ingest.sync(context)
    ingest.fetch(context)
    with monkeypatch.context() as patch:
        patch.setattr(type(context.warehouse), "_commit", die)
        with pytest.raises(Killed):
            ingest.load(context)
    assert content(context) == [[], []]
    assert ingest.load(context).counts["new_articles"] == 2
    assert [path.name for path in context.settings.store.raw.iterdir() if any(path.iterdir())] == ["2026-03-03"]


def test_several_fetches_of_one_feed_are_loaded_in_their_order(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    subscribe([site.url("/feed")])
    ingest.sync(context)
    for title in ("First wording", "Second wording"):
        site.pages["/feed"] = Page(rss(item(title, "https://gazette.example/1", guid="a")))
        ingest.fetch(context)
        clock.now += timedelta(minutes=1)
    report = ingest.load(context)
    assert rows(context, "SELECT revision, title FROM articles ORDER BY revision") == [
        (1, "First wording"), (2, "Second wording"),
    ]  # fmt: skip
    assert (report.counts["new_articles"], report.counts["new_revisions"]) == (1, 1)


def test_a_damaged_spool_file_is_set_aside_and_the_rest_is_loaded(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(TWO)}
    subscribe([site.url("/feed")])
    ingest.sync(context)
    ingest.fetch(context)
    (good,) = spool(context)
    (good.parent / "20260303T000000.000000-bad.fetch").write_bytes(good.read_bytes()[:-20])
    (good.parent / "20260303T000001.000000-worse.fetch").write_bytes(b"not json\n")
    assert ingest.load(context).counts["new_articles"] == 2
    assert len(list((context.settings.store.raw / "rejected").iterdir())) == 2


def test_batches_share_out_what_is_due(site: Site, context: Context, subscribe: Subscribe) -> None:
    site.pages = {f"/feed{i}": Page(TWO) for i in range(3)}
    subscribe([*map(site.url, site.pages), "https://a.example/feed", "https://b.example/feed"])
    shared = ingest.batches(context, size=2)
    assert sorted(map(len, shared)) == [1, 1, 3]  # the feeds of one host stay together, or its limits would not hold
    site.pages = {f"/feed{i}": Page(TWO) for i in range(5)}
    subscribe([*map(site.url, site.pages)])
    shared = ingest.batches(context, size=2)
    assert sorted(map(len, shared)) == [5]
    counts = [ingest.fetch(context, batch).counts for batch in shared]
    assert sum(c["bodies"] for c in counts) == 5
    assert (
        ingest.load(context).counts["new_articles"] == 10
    )  # the same entry in five feeds is five articles: fold's work
    assert ingest.fetch(context, []).counts == {"feeds": 0, "bodies": 0}


def test_a_spool_that_cannot_be_written_is_one_clear_error(context: Context, subscribe: Subscribe) -> None:
    def fetcher(wanted: Sequence[Wanted], deliver: Callable[[Fetched], None]) -> None:
        for feed in wanted:
            deliver(Fetched(feed.feed_id, feed.url, None, body=TWO))

    subscribe(["https://gazette.example/feed"])
    ingest.sync(context)
    context.settings.store.raw.parent.mkdir(parents=True, exist_ok=True)
    context.settings.store.raw.write_text("a file where the folder should be")
    with pytest.raises(WorkError, match="cannot be written"):
        ingest.fetch(context, fetcher=fetcher)


def test_a_feed_that_leaves_the_opml_is_removed_and_keeps_its_articles(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {"/feed": Page(TWO), "/other": Page(TWO)}
    subscribe([site.url("/feed"), site.url("/other")])
    ingest.run(context)
    subscribe([site.url("/other")])
    ingest.run(context)
    assert len(site.requests) == 3
    assert rows(context, "SELECT status, count(*) FROM feeds GROUP BY status ORDER BY status") == [
        ("active", 1), ("removed", 1),
    ]  # fmt: skip
    assert rows(context, "SELECT count(*) FROM articles") == [(4,)]
    assert rows(context, "SELECT publisher, owner FROM publishers") == [("Harbour Gazette", "Harbour House")]
    subscribe([site.url("/feed"), site.url("/other")])
    ingest.run(context)
    assert rows(context, "SELECT DISTINCT status FROM feeds") == [("active",)]


def test_of_two_ingests_at_once_the_later_wording_is_not_lost_behind_a_hash(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    """One ingest asks while the other takes in an edit, and gets the wording of before: the next poll asks for all."""
    first, edit = (
        Page(rss(item(f"Brightwater to cut {n} jobs", "https://gazette.example/1", guid="a")), etag=f'"{n}"')
        for n in (200, 300)
    )
    site.pages["/feed"] = first
    subscribe([site.url("/feed")])
    ingest.run(context)
    fetched: list[Fetched] = []
    with context.warehouse.read() as con:
        query = "SELECT feed_id, url, NULL, NULL, body_sha256 FROM feeds"
        wanted = [Wanted(*row) for row in con.execute(query).fetchall()]
    HttpFetcher(context.settings.ingest)(wanted, fetched.append)
    assert (fetched[0].outcome, fetched[0].body) == ("same_body", b"")
    clock.now += timedelta(minutes=1)
    site.pages["/feed"] = edit
    ingest.run(context)
    clock.now += timedelta(minutes=1)
    site.pages["/feed"] = first

    ingest.run(context, fetcher=lambda wanted, deliver: deliver(fetched[0]))
    clock.now += timedelta(minutes=1)
    ingest.run(context)

    assert site.statuses() == [200, 200, 200, 200]
    found = rows(context, "SELECT title FROM articles ORDER BY revision")
    assert [str(title)[-8:-5] for (title,) in found] == ["200", "300", "200"]


def test_more_than_a_hundred_files_are_stored_in_several_steps_and_told_as_one(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    site.pages = {f"/feed{i}": Page(TWO) for i in range(101)}
    subscribe([*map(site.url, site.pages), *(f"https://host{i}.invalid/feed" for i in range(3))])
    report = ingest.run(context)
    assert (report.counts["feeds"], report.counts["new_articles"], report.counts["failed"]) == (104, 202, 3)
    assert rows(context, "SELECT count(DISTINCT recorded_at) >= 1, count(*) FROM fetches") == [(True, 104)]
    # Feeds that were reached say that the network is well: those that were not wait.
    assert rows(context, "SELECT count(*) FROM feeds WHERE failures = 1 AND next_fetch_at IS NOT NULL") == [(3,)]
    assert spool(context) == []
