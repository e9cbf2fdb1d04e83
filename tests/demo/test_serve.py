"""The demo's feed server, over real HTTP."""

import threading
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import feedparser
import httpx
import pandas as pd
import pytest

from demo.archive import read
from demo.serve import FeedRow, FeedServer, Request
from pipeline.errors import PortInUse

NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
AWKWARD = FeedRow(
    title='Holt & Maar: "less" < more > \u2013 caf\u00e9 \x0b\x00<script>alert(1)</script>',
    summary="5 > 3 & 2 < 4; ]]> \U0001f4c8",
    link="https://meridian-wire.example/markets/a?b=1&c=2",
    published_at=datetime(2026, 3, 4, 16, 5, 7, 999, tzinfo=UTC) - timedelta(hours=2),
)
PLAIN = FeedRow("Velmont opens shop", "It is small.", "https://meridian-wire.example/x", NOW)


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, trust_env=False)


@pytest.mark.parametrize(("at", "version"), [(0, "rss20"), (1, "atom10")])
def test_entries_come_back_as_they_were(at: int, version: str) -> None:
    with FeedServer(["Meridian Wire", "Market Lantern"]) as server:
        name = list(server.feeds)[at]
        server.publish(name, [AWKWARD, PLAIN])
        answer = get(server.feeds[name])
    parsed = feedparser.parse(answer.content, sanitize_html=False)
    assert not parsed.bozo
    assert parsed.version == version
    assert parsed.feed.title == name
    newest, oldest = parsed.entries
    assert newest.title == PLAIN.title
    assert ET.fromstring(answer.content) is not None
    assert oldest.title.replace("&amp;", "&").replace("&lt;", "<") == AWKWARD.title.replace("\x0b\x00", "")
    assert oldest.link == oldest.id == AWKWARD.link
    assert datetime(*oldest.published_parsed[:6], tzinfo=UTC) == datetime(2026, 3, 4, 14, 5, 7, tzinfo=UTC)


def test_conditional_get_costs_nothing_until_content_changes() -> None:
    clock = iter(NOW + timedelta(seconds=n) for n in (0, 0, 0, 0))
    with FeedServer(["Meridian Wire"], clock=lambda: next(clock)) as server:
        url = server.feeds["Meridian Wire"]
        server.publish("Meridian Wire", [PLAIN])
        first = get(url)
        by_tag = get(url, If_None_Match=first.headers["ETag"])
        by_weak_tag = get(url, If_None_Match=f'"other", W/{first.headers["ETag"]}')
        by_time = get(url, If_Modified_Since=first.headers["Last-Modified"])
        server.publish("Meridian Wire", [PLAIN])
        same = get(url, If_None_Match=first.headers["ETag"])
        server.publish("Meridian Wire", [PLAIN, AWKWARD])
        changed = get(url, If_None_Match=first.headers["ETag"])
        changed_by_time = get(url, If_Modified_Since=first.headers["Last-Modified"])
        tag_rules = get(url, If_None_Match='"other"', If_Modified_Since=changed.headers["Last-Modified"])
        garbled = get(url, If_Modified_Since="yesterday")
        path = url.removeprefix(server.url)
    unchanged = (by_tag, by_weak_tag, by_time, same)
    assert [answer.status_code for answer in unchanged] == [304] * 4
    assert all(answer.content == b"" and answer.headers["ETag"] == first.headers["ETag"] for answer in unchanged)
    fresh = (first, changed, changed_by_time, tag_rules, garbled)
    assert [answer.status_code for answer in fresh] == [200] * 5
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert server.requests == [Request(path, s) for s in (200, 304, 304, 304, 304, 200, 200, 200, 200)]


def test_unknown_path_is_404_and_logged() -> None:
    with FeedServer(["Meridian Wire"]) as server:
        assert get(f"{server.url}/feeds/nobody.rss").status_code == 404
        assert server.requests == [Request("/feeds/nobody.rss", 404)]


def test_head_tells_the_length_without_the_body() -> None:
    with FeedServer(["Meridian Wire"]) as server:
        url = server.feeds["Meridian Wire"]
        head, full = httpx.head(url, trust_env=False), get(url)
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(full.content))


def test_the_archive_served_parses_without_bozo() -> None:
    articles = read.articles(NOW).tail(1500)
    names = list(read.publishers().publisher)
    with FeedServer(
        names, categories=dict(read.publishers()[["publisher", "category"]].itertuples(index=False))
    ) as server:
        for name, rows in articles.groupby("publisher"):
            server.publish(str(name), rows)
        parsed = {name: feedparser.parse(get(url).content) for name, url in server.feeds.items()}
    assert not any(feed.bozo for feed in parsed.values())
    assert sorted(feed.version for feed in parsed.values()) == ["atom10"] * 4 + ["rss20"] * 4
    for name, feed in parsed.items():
        own = articles[articles.publisher == name].sort_values(["published_at", "link"], ascending=False)
        assert [entry.title for entry in feed.entries] == list(own.title)
        assert [entry.id for entry in feed.entries] == list(own.link)
        seconds = pd.Series([datetime(*e.published_parsed[:6], tzinfo=UTC) for e in feed.entries])
        assert (seconds == own.published_at.reset_index(drop=True)).all()


def test_opml_lists_every_feed_with_its_category() -> None:
    with FeedServer(["Meridian Wire", "Tally & Co"], categories={"Tally & Co": "companies"}) as server:
        outlines = list(ET.fromstring(server.opml()).iter("outline"))
        assert [(o.get("text"), o.get("xmlUrl")) for o in outlines] == list(server.feeds.items())
        assert [o.get("category") for o in outlines] == ["", "companies"]
        assert all(get(str(o.get("xmlUrl"))).status_code == 200 for o in outlines)


def test_a_publisher_can_join_later_and_address_names_host_and_port() -> None:
    with FeedServer() as server:
        server.publish("Late Edition", [PLAIN])
        assert server.feeds["Late Edition"].startswith(f"http://{server.address}/")
        assert len(feedparser.parse(get(server.feeds["Late Edition"]).content).entries) == 1


def test_publishers_whose_addresses_would_be_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="have the address"):
        FeedServer(["Market Lantern", "market lantern!"])


def test_publishing_before_the_start_is_refused() -> None:
    with pytest.raises(RuntimeError, match="start"):
        FeedServer(["Meridian Wire"]).publish("Meridian Wire", [])


def test_a_taken_port_is_one_clear_error() -> None:
    with FeedServer(["Meridian Wire"]) as server:
        port = int(server.address.rpartition(":")[2])
        with pytest.raises(PortInUse, match=str(port)):
            FeedServer(["Market Lantern"], port=port).start()


def test_stop_leaves_no_thread_even_with_a_connection_open() -> None:
    before = set(threading.enumerate())
    server = FeedServer(["Meridian Wire"]).start()
    with httpx.Client(trust_env=False) as client:
        assert client.get(server.feeds["Meridian Wire"]).status_code == 200
        server.stop()
        server.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(httpx.ConnectError):
            client.get(server.feeds["Meridian Wire"])
