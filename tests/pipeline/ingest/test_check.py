"""`feeds check`: late, empty, failing, moved and duplicate feeds on a real server, each with what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from pipeline.context import Context
from pipeline.health import Lateness
from pipeline.ingest import run
from pipeline.ingest.catalogue import CatalogueFeed
from pipeline.ingest.check import check_feeds
from pipeline.ingest.diagnosis import Problem, Seen, diagnose
from pipeline.ingest.outcomes import Outcome
from tests.conftest import MovableClock
from tests.pipeline.ingest.conftest import Page, Site, item, rows, rss

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def news(name: str, hours_ago: list[float], now: datetime = NOON) -> bytes:
    """A feed with one entry for each of these ages."""
    return rss(
        *(
            item(
                f"{name} {n}",
                f"https://{name}.example/{n}",
                format_datetime(now - timedelta(hours=age)),
                guid=f"{name}{n}",
            )
            for n, age in enumerate(hours_ago)
        )
    )


def check(context: Context, site: Site, *paths: str) -> dict[str, dict[str, Any]]:
    feeds = [CatalogueFeed(site.url(path), path.strip("/"), "Harbour", "Harbour") for path in paths]
    return {row["title"]: row for row in check_feeds(context, feeds)}


def test_every_kind_of_trouble_is_told_with_what_to_do(context: Context, site: Site) -> None:
    steady = [n * 1.0 for n in range(1, 100)]
    site.pages |= {
        "/well": Page(news("well", steady)),
        "/frozen": Page(news("frozen", [age + 30 for age in steady])),
        "/ended": Page(news("ended", [9_000 + 500 * n for n in range(10)])),
        "/slow": Page(news("slow", [400 + 500 * n for n in range(10)])),
        "/empty": Page(rss()),
        "/page": Page(b"<!doctype html><html><body>Log in</body></html>", headers={"Content-Type": "text/html"}),
        "/old": Page(status=301, headers={"Location": "/new"}),
        "/new": Page(news("new", steady)),
        "/copy": Page(news("well", steady)),
        "/nearly": Page(news("well", steady[:-9])),
        "/gone": Page(status=410),
    }
    found = check(context, site, *site.pages, "/missing")
    states = {name: row["state"] for name, row in found.items()}
    assert states == {
        "well": "well", "frozen": "late", "ended": "late", "slow": "well", "empty": "empty", "page": "failing",
        "old": "moved", "new": "duplicate", "copy": "duplicate", "nearly": "duplicate", "gone": "failing",
        "missing": "failing",
    }  # fmt: skip
    assert "brought nothing new for 31 hours; about 3" in found["frozen"]["says"]
    assert found["frozen"]["expected"] == pytest.approx(31, abs=2)
    assert f"`barograph feeds remove {site.url('/frozen')}`" in found["frozen"]["says"]
    assert "375 days" in found["ended"]["says"]
    assert "no entries" in found["empty"]["says"]
    assert f"sends us on to {site.url('/new')} for good" in found["old"]["says"]
    assert "both lead to one address" in found["new"]["says"]
    assert "The same feed as “well” (the same bytes)" in found["copy"]["says"]
    assert "90 of 90 entries are the same" in found["nearly"]["says"]
    assert "410" in found["gone"]["says"]
    assert [row["failed"] for row in found.values()].count(True) == 3
    assert all(row["says"] for row in found.values() if row["state"] != "well")
    assert all(part["do"] or part["problem"] == "failing" for row in found.values() for part in row["problems"])
    assert rows(context, "SELECT count(*) FROM articles") == [(0,)]


def test_the_past_that_the_store_knows_counts(
    context: Context, site: Site, clock: MovableClock, subscribe: Any
) -> None:
    url = site.url("/wire")
    subscribe([url])
    site.pages["/wire"] = Page(news("wire", [n * 1.0 for n in range(1, 400)]))
    run(context)
    # A short document says nothing of the pace any more; the store does.
    site.pages["/wire"] = Page(news("wire", [1.0]))
    assert check(context, site, "/wire")["wire"]["state"] == "well"
    clock.now += timedelta(hours=20)
    late = check(context, site, "/wire")["wire"]
    assert (late["state"], late["silent_hours"]) == ("late", 21.0)
    assert late["expected"] == pytest.approx(21, abs=3)
    site.pages["/wire"] = Page(news("wire", [0.5], clock.now))
    assert check(context, site, "/wire")["wire"]["state"] == "well"


def seen(url: str, **more: Any) -> Seen:
    return Seen(**{"url": url, "title": url[-1], "outcome": Outcome.NEW, **more})


def test_one_address_written_in_two_ways_is_one_feed_even_where_both_fail() -> None:
    first, again, other = diagnose(
        [
            seen("http://www.news.example/rss?b=2&a=1", outcome=Outcome.NETWORK, error="down"),
            seen("https://news.example/rss/?a=1&b=2", outcome=Outcome.NETWORK, error="down"),
            seen("https://news.example/rss?a=2", outcome=Outcome.NETWORK, error="down"),
        ]
    )
    assert [one.problem for one in again.findings] == [Problem.FAILING, Problem.DUPLICATE]
    assert first.says == other.says == "down"


def test_feeds_that_share_some_stories_are_not_one() -> None:
    half = frozenset("abcdefgh")
    assert (
        diagnose([seen("https://a.example", entries=half), seen("https://b.example", entries=half | set("1234"))])[
            1
        ].state
        == "well"
    )
    # Two entries are too few to say anything.
    few = frozenset("ab")
    assert diagnose([seen("https://a.example", entries=few), seen("https://b.example", entries=few)])[1].state == "well"


def test_a_move_to_another_host_is_for_a_person_to_decide_and_no_secret_is_printed() -> None:
    (moved,) = diagnose([seen("https://a.example/rss?key=s3cret", moved_to="https://b.example/rss?key=s3cret")])
    assert moved.state == "moved"
    assert "another host" in moved.says
    assert 'feeds remove "t"' in moved.says
    assert "s3cret" not in moved.says
    (house,) = diagnose([seen("https://a.example/rss", moved_to="https://feeds.a.example/rss")])
    assert "Nothing must be done" in house.says
    (tidy,) = diagnose([seen("http://a.example/rss", moved_to="https://www.a.example/rss/")])
    assert tidy.state == "well"


def test_the_gravest_problem_comes_first() -> None:
    late = Lateness(True, 100.0, 50.0, 1e-9)
    (found,) = diagnose([seen("https://a.example", outcome=Outcome.TIMEOUT, error="slow", lateness=late)])
    assert [one.problem for one in found.findings] == [Problem.FAILING, Problem.LATE]
    assert found.says.startswith("slow Nothing new for 4 days.")
