"""What a hostile or clumsy source can say to lose entries, stop a load, or fill the memory, each answered."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import ingest
from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest import archive, sitemap, tables
from pipeline.ingest.dates import parse_date
from pipeline.ingest.fetch import batches, fetch
from pipeline.ingest.load import load
from pipeline.ingest.memory import taken
from pipeline.ingest.parse import parse
from pipeline.ingest.raw import RawStore
from pipeline.ingest.schedule import retry_after
from pipeline.ingest.spool import Spool
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

Subscribe = Callable[[Sequence[str]], None]
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize("header", ["Mon, 01 Jan 2024 00:00:00 +9999999999999999", "9" * 400, "soon", "-5"])
def test_no_retry_after_stops_a_load(header: str) -> None:
    found = retry_after(header, NOW)
    assert found is None or timedelta(minutes=1) <= found - NOW <= timedelta(days=1)


def test_an_entry_that_tells_of_sitemaps_is_in_a_feed_and_no_sitemap() -> None:
    assert not sitemap.looks_so(
        b"<rss><channel><item><title><![CDATA[How <urlset> works]]></title></item></channel></rss>"
    )
    heads = (b"", b"\xef\xbb\xbf", b'<?xml version="1.0"?>\n<!-- made by us -->\n', b"<!DOCTYPE urlset>")
    assert all(sitemap.looks_so(head + b'<urlset xmlns="x"><url/></urlset>') for head in heads)
    assert sitemap.looks_so("\ufeff<urlset><url/></urlset>".encode("utf-16-le"))


@pytest.mark.parametrize(
    "body",
    [
        b'<rss version="2.0"><channel><item><title>Velmont falls</title><guid>abc-17</guid>'
        b"<link>https://press.example/n/abc-17</link></item></channel></rss>",
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:uuid:1</id><title>Velmont falls</title>'
        b'<link href="https://press.example/n/abc-17"/></entry></feed>',
    ],
)
def test_a_guid_before_the_link_does_not_hide_it(body: bytes) -> None:
    found = parse(body, feed_id="f", content_type="", url="https://press.example/rss", now=NOW)
    assert [entry.url for entry in found.entries] == ["https://press.example/n/abc-17"]


@pytest.mark.parametrize("zone", ["EST-0500", "EST -0500", "-0500", "-0500 (EST)", "GMT-0500"])
def test_a_zone_named_twice_is_meant_once(zone: str) -> None:
    found = parse_date(f"Tue, 31 Dec 2019 10:00:00 {zone}", seen=NOW)
    assert found.published_at == datetime(2019, 12, 31, 15, tzinfo=UTC)


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_LINE_LIMIT", 1_000)
    path = tmp_path / "bomb.csv"
    path.write_text("title,published_at\nVelmont falls,2020-01-01\n" + "x," * 5_000, "utf-8")
    (table,) = tables.tables_of(path)
    found = list(table.rows(["title"], lambda _: None))
    assert found[0][1] == {"title": "Velmont falls", "published_at": "2020-01-01"}
    assert isinstance(found[-1][1], tables.Fault)
    assert "longer than 1,000 characters" in found[-1][1].says


def test_a_zip_packed_in_an_unknown_way_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "title,published_at\nVelmont falls,2020-01-01\n")
    # The method stands in the local header and in the directory at the end.
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        raw[raw.index(mark) + offset] = 9
    path.write_bytes(bytes(raw))
    with pytest.raises(InputError, match="Pack it anew"):
        tables.tables_of(path)


def test_bodies_that_go_and_come_back_in_one_load_end_as_the_last_one(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    right, wrong = (Page(rss(item(title, "https://g.example/1", guid="a"))) for title in ("Right title", "Wrong title"))
    subscribe([site.url("/feed")])
    site.pages["/feed"] = right
    ingest.run(context)
    for page in (wrong, right):
        clock.now += timedelta(minutes=5)
        site.pages["/feed"] = page
        fetch(context)
    load(context)
    clock.now += timedelta(minutes=5)
    ingest.run(context)
    assert rows(context, "SELECT arg_max(title, revision) FROM articles") == [("Right title",)]


def test_the_last_correction_after_a_storm_comes_on_another_day(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    subscribe([site.url("/feed")])
    for n in range(25):
        site.pages["/feed"] = Page(
            rss(item(f"Markets at 12:{n:02}", "https://g.example/live", guid="live")), etag=f'"{n}"'
        )
        ingest.run(context)
    assert rows(context, "SELECT arg_max(title, revision) FROM articles") == [("Markets at 12:23",)]
    clock.now += timedelta(days=2)
    ingest.run(context)
    assert rows(context, "SELECT arg_max(title, revision) FROM articles") == [("Markets at 12:24",)]


def test_the_same_words_on_another_day_are_news_again(
    site: Site, context: Context, subscribe: Subscribe, clock: MovableClock
) -> None:
    """Weekly auctions: the titles repeat, while guids, links and dates are new."""
    subscribe([site.url("/feed")])
    for day in range(5):
        dated = f"{clock.now - timedelta(hours=1):%a, %d %b %Y %H:%M:%S} GMT"
        entries = [
            item(f"Auction results {term}", f"https://g.example/{day}/{term}", guid=f"{day}-{term}", date=dated)
            for term in ("3m", "6m", "1y", "2y")
        ]
        site.pages["/feed"] = Page(rss(*entries))
        ingest.run(context)
        ingest.run(context)
        clock.now += timedelta(days=1)
    assert rows(context, "SELECT count(*), count(DISTINCT article_id) FROM articles") == [(20, 20)]


def test_two_loads_that_put_the_same_files_away_lose_nothing(
    site: Site, context: Context, subscribe: Subscribe
) -> None:
    subscribe([site.url("/feed")])
    site.pages["/feed"] = Page(rss(item("Velmont falls", "https://g.example/1", guid="a")))
    raw = context.settings.store.raw
    for feed_ids in batches(context):
        fetch(context, feed_ids)
    waiting = sorted((raw / "spool").iterdir())
    ids = {path: Spool(raw).ids(path) for path in waiting}
    load(context)
    (day,) = RawStore(raw).days()

    with context.warehouse.read() as con:
        how = taken(con, (one for found in ids.values() for one in found))

    def kept() -> set[str]:
        return {one.fetch_id for attempts in RawStore(raw).loads(day) for one in attempts}

    assert kept() == {one for found in ids.values() for one in found}
    # The other load had listed the same files before they went.
    RawStore(raw).keep(waiting, how)
    assert kept() == {one for found in ids.values() for one in found}
    assert all(path.stat().st_size for path in (raw / day.isoformat()).iterdir())


def test_a_file_of_the_spool_that_cannot_be_read_now_stays(
    site: Site, context: Context, subscribe: Subscribe, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe([site.url("/feed")])
    site.pages["/feed"] = Page(rss(item("Velmont falls", "https://g.example/1", guid="a")))
    # Whoever runs the tests as root may read any file, but nobody reads a folder.
    locked = context.settings.store.raw / "spool" / f"20260303T110000.000000-{'0' * 32}.fetch"
    locked.mkdir(parents=True)
    ingest.run(context)
    assert locked.is_dir()
    assert "cannot be read now" in caplog.text
    assert rows(context, "SELECT title FROM articles") == [("Velmont falls",)]


def test_a_rejects_file_asked_for_only_after_a_kill_holds_every_row(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_BATCH_ROWS", 2)
    path, told = tmp_path / "a.jsonl", tmp_path / "rejects.csv"
    lines = [{"title": "", "published_at": "2020-01-01"}, {"title": "Velmont falls", "published_at": "2020-01-01"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines * 3), "utf-8")
    commits, commit = [], archive._commit

    def killed(*values: Any) -> None:
        if commits:
            raise KeyboardInterrupt
        commits.append(values)
        commit(*values)

    with monkeypatch.context() as patched:
        patched.setattr(archive, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            archive.import_archive(context, path, "Gazette")
    report = archive.import_archive(context, path, "Gazette", rejects=told)
    assert report.counts["without_title"] == 3
    assert told.read_text("utf-8").count("without_title") == 3
