"""The catalogue that ships, OPML in and out beside two other programs, and what leaves and enters the list."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import listparser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest import sync
from pipeline.ingest.links import canonical_link
from pipeline.ingest.opml import KINDS, CatalogueFeed, from_opml, to_opml
from pipeline.ingest.text import plain_text
from pipeline.local_time import is_zone
from pipeline.publishers import known, owner_of
from tests.conftest import ROOT, MovableClock
from tests.pipeline.ingest.conftest import rows

SHIPPED = ROOT / "pipeline" / "defaults" / "feeds.opml"
DOCS = (ROOT / "docs" / "ingest.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shipped() -> list[CatalogueFeed]:
    return from_opml(SHIPPED.read_bytes())


def test_the_catalogue_is_wide_and_every_feed_says_whose_it_is(shipped: list[CatalogueFeed]) -> None:
    assert len(shipped) >= 80
    kinds = Counter(feed.kind for feed in shipped)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 5
    assert len({feed.region for feed in shipped}) >= 15
    assert max(Counter(feed.licence for feed in shipped).values()) <= kinds["newspaper"]
    assert {"en", "de", "fr", "es", "it", "pt", "nl", "ja", "ko"} <= {feed.language for feed in shipped}
    for feed in shipped:
        assert feed.title, feed.url
        assert feed.publisher, feed.url
        assert feed.owner, feed.url
        assert f"`{feed.licence}`" in DOCS, feed.url
        assert feed.region, feed.url
        assert is_zone(feed.timezone), feed.url
        assert urlsplit(feed.url).scheme == "https", feed.url


def test_no_feed_stands_twice_in_the_catalogue(shipped: list[CatalogueFeed]) -> None:
    assert len({canonical_link(feed.url) for feed in shipped}) == len(shipped)
    assert len({feed.title for feed in shipped}) == len(shipped)
    assert SHIPPED.read_text(encoding="utf-8").count("xmlUrl=") == len(shipped)


def test_the_table_of_owners_knows_every_publisher_of_the_catalogue(shipped: list[CatalogueFeed]) -> None:
    names = {one.name.casefold().removeprefix("the ") for one in known()}
    assert [feed.publisher for feed in shipped if feed.publisher.casefold().removeprefix("the ") not in names] == []
    assert [feed.publisher for feed in shipped if owner_of(feed.publisher) != feed.owner] == []


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters="<>&"), min_size=1, max_size=30
).map(lambda text: " ".join(text.split()))
labels = words.filter(bool).map(lambda text: f"x{text}y")


@st.composite
def feeds(draw: st.DrawFn) -> list[CatalogueFeed]:
    found = []
    for n in range(draw(st.integers(0, 8))):
        other = draw(st.dictionaries(st.sampled_from(["htmlUrl", "description", "customX"]), labels, max_size=3))
        found.append(
            CatalogueFeed(
                url=f"https://feed{n}.example/rss?a=1&b={draw(st.integers(0, 9))}",
                title=draw(labels),
                publisher=draw(labels),
                owner=draw(labels),
                kind=draw(st.sampled_from(KINDS)),
                language=draw(st.sampled_from([None, "en", "de"])),
                region=draw(st.sampled_from([None, "GB", "EU"])),
                timezone=draw(st.sampled_from(["", "Europe/London"])),
                licence=draw(st.sampled_from(["", "CC BY 4.0"])),
                folders=tuple(draw(st.lists(st.sampled_from(["Banks", "Europe", "News & views"]), max_size=4))),
                other=tuple(other.items()),
            )
        )
    return found


def in_order(found: Sequence[CatalogueFeed]) -> list[CatalogueFeed]:
    normal = [
        replace(feed, title=nfc(feed.title), publisher=nfc(feed.publisher), owner=nfc(feed.owner)) for feed in found
    ]
    return sorted((replace(feed, other=tuple(sorted(feed.other))) for feed in normal), key=lambda feed: feed.url)


def nfc(text: str) -> str:
    return plain_text(text, 200)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(feeds())
def test_what_is_written_is_read_back_the_same(found: list[CatalogueFeed]) -> None:
    text = to_opml(found)
    again = from_opml(text.encode())
    assert in_order(again) == in_order(found)
    assert to_opml(again) == to_opml(from_opml(to_opml(again).encode()))


def test_folders_below_folders_and_what_others_wrote_are_kept() -> None:
    theirs = """<?xml version="1.0" encoding="ISO-8859-1"?><opml version="1.1" xmlns:z="urn:z"><head/><body>
      <outline text="Europe"><outline text="Börse">
        <outline type="rss" text="Kurse &amp; mehr" xmlUrl="feed://kurse.example/rss" htmlUrl="https://kurse.example"
                 description="all" z:private="1" category="/exchange/de,/other"/>
      </outline><outline title="Empty folder"/></outline>
      <outline text="No feed at all" url="https://page.example"/>
      <outline text="Top" XMLURL="https://top.example/rss"/></body></opml>""".encode("iso-8859-1")
    kurse, top = from_opml(theirs)
    assert (kurse.url, kurse.title, kurse.folders) == ("http://kurse.example/rss", "Kurse & mehr", ("Europe", "Börse"))
    assert dict(kurse.other) == {
        "htmlUrl": "https://kurse.example",
        "description": "all",
        "category": "/exchange/de,/other",
    }
    assert (top.folders, top.kind) == ((), "news")
    written = to_opml([kurse, top])
    assert '<outline text="Europe">' in written
    assert 'category="/exchange/de,/other"' in written
    assert from_opml(written.encode()) == [kurse, top]


def test_a_time_zone_that_does_not_exist_is_named() -> None:
    bad = '<opml><body><outline text="A" xmlUrl="https://a.example" timezone="Europe/Londn"/></body></opml>'
    with pytest.raises(InputError, match="A: there is no time zone Europe/Londn"):
        from_opml(bad.encode())


def test_folders_without_end_and_control_characters_are_survived() -> None:
    deep = "<opml><body>" + '<outline text="d">' * 3_000 + '<outline text="A" xmlUrl="https://a.example"/>'
    (feed,) = from_opml((deep + "</outline>" * 3_000 + "</body></opml>").encode())
    assert len(feed.folders) == 10
    odd = replace(feed, title="A\x00\x0b\ud800B", folders=())
    assert from_opml(to_opml([odd]).encode())[0].title == "A B"


def r2e(folder: Path, *arguments: str) -> str:
    """rss2email, another feed reader, in a process of its own."""
    program = Path(sys.executable).with_name("r2e")
    call = [program, "-c", folder / "r2e.cfg", "-d", folder / "r2e.json", *arguments]
    return subprocess.run(call, check=True, capture_output=True, text=True, timeout=60).stdout


def test_another_reader_reads_ours_and_we_read_what_it_writes(shipped: list[CatalogueFeed], tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.opml", tmp_path / "theirs.opml"
    ours.write_text(to_opml(shipped), encoding="utf-8")
    r2e(tmp_path, "new", "analyst@bank.example")
    r2e(tmp_path, "opmlimport", str(ours))
    assert len(r2e(tmp_path, "list").splitlines()) == len(shipped)
    r2e(tmp_path, "opmlexport", str(theirs))
    back = from_opml(theirs.read_bytes())
    assert [feed.url for feed in back] == [feed.url for feed in shipped]
    # Their titles are file names; owners are found again by the address where ours are known by it.
    assert back[0].title == "Federal-Reserve-press-releases"
    assert back[0].owner == "Federal Reserve"


def test_a_parser_of_opml_sees_our_feeds_in_their_folders(shipped: list[CatalogueFeed]) -> None:
    parsed = listparser.parse(to_opml(shipped))
    assert not parsed.bozo
    assert {feed.url: feed.title for feed in parsed.feeds} == {feed.url: feed.title for feed in shipped}
    kinds = {feed.url: feed.categories for feed in parsed.feeds}
    assert all(["Central banks"] in kinds[feed.url] for feed in shipped if feed.kind == "central bank")


def test_a_feed_that_leaves_the_list_is_kept_with_the_time_and_may_return(
    context: Context, clock: MovableClock
) -> None:
    path = context.settings.ingest.feeds
    one = CatalogueFeed("https://a.example/rss", "A", "A", "A", timezone="")
    two = replace(one, url="https://a.example/more", title="More", timezone="Europe/London")
    path.write_text(to_opml([one, two]), encoding="utf-8")
    sync(context)
    assert rows(context, "SELECT publisher, timezone FROM publishers") == [("A", "Europe/London")]
    path.write_text(to_opml([two]), encoding="utf-8")
    assert sync(context).removed == 1
    gone = "SELECT status, removed_at FROM feeds WHERE title = 'A'"
    ((status, removed_at),) = rows(context, gone)
    assert (status, removed_at) == ("removed", clock.now)
    assert sync(context).removed == 0
    path.write_text(to_opml([one, two]), encoding="utf-8")
    sync(context)
    assert rows(context, gone) == [("active", None)]
