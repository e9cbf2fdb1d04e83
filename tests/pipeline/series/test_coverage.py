"""Coverage as the trends hold it: who was expected, whom we really saw, and what stays unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.context import Context
from pipeline.series import buckets
from pipeline.series.coverage import histories
from tests.pipeline.seeds import MODEL, Piece, insert, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEKS = 24 * 21


def feed(context: Context, name: str, **more: Any) -> None:
    row = {"feed_id": name, "url": f"https://{name}.example", "title": name, "publisher": name, "kind": "wire",
           "status": "active", "added_at": NOON - 21 * DAY, **more}  # fmt: skip
    insert(context.warehouse, "catalogue", "feeds", [row], ["feed_id"])


def arrive(context: Context, name: str, moments: Sequence[datetime], published: timedelta | None = None) -> None:
    pieces = [
        Piece(f"{name}{n}", moment - (published or timedelta()), moment, publisher=name, feed_id=name, inherited=True)
        for n, moment in enumerate(moments)
    ]
    rows = [
        {"article_id": p.article_id, "revision": 0, "feed_id": name, "publisher": name, "published_at": p.published_at,
         "date_precision": "second", "date_flag": "", "imported": False, "known_at": p.known_at}
        for p in pieces
    ]  # fmt: skip
    insert(context.warehouse, "articles", "articles", rows, ["article_id", "revision"])


def polled(context: Context, name: str, moments: Sequence[datetime], outcome: str = "nothing_new") -> None:
    rows = [
        {"fetch_id": f"{name}{outcome}{n}", "feed_id": name, "fetched_at": at, "outcome": outcome}
        for n, at in enumerate(moments)
    ]
    insert(context.warehouse, "articles", "fetches", rows, ["fetch_id"])


def every_hour(start: datetime, hours: int) -> list[datetime]:
    return [start + n * HOUR for n in range(hours)]


def shares(context: Context, key: str, hours: int = 12, now: datetime = NOON) -> list[float | None]:
    """covered / expected of the last full hours of a publisher, or of the market (`all`)."""
    scope = "market" if key == "all" else "publisher"
    with context.warehouse.read() as con:
        rows = buckets.rebuild(con, MODEL, 0.5, None, now=now).to_pylist()
    found = {
        row["bucket_start"]: None if row["expected"] is None else row["covered"] / row["expected"]
        for row in rows
        if (row["scope"], row["key"], row["grain"]) == (scope, key, "hour")
    }
    return [found.get(now - n * HOUR) for n in range(hours, 0, -1)]


def test_a_feed_that_downloads_well_and_delivers_nothing_new_is_late_not_healthy(context: Context) -> None:
    feed(context, "frozen")
    arrive(context, "frozen", [NOON - 12 * HOUR - n * HOUR / 2 for n in range(2 * WEEKS)])
    polled(context, "frozen", every_hour(NOON - 5 * DAY, 5 * 24 + 1))
    # Two an hour: three hours of silence still have p = e^−6 = .002 < .01; two have e^−4 = .018 (about: the shrinkage).
    assert shares(context, "frozen") == [1.0, 1.0, *[0.0] * 10]


def test_a_feed_that_was_not_polled_or_only_failed_is_not_covered(context: Context) -> None:
    feed(context, "unseen")
    arrive(context, "unseen", [NOON - n * HOUR / 2 for n in range(1, 2 * WEEKS)])
    polled(context, "unseen", every_hour(NOON - 2 * DAY, 43))
    polled(context, "unseen", every_hour(NOON - 5 * HOUR, 5), outcome="http_error")
    # The last good poll was at 06:00, which is in the hour from six to seven.
    assert shares(context, "unseen", 8) == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_the_market_is_the_sum_of_its_feeds_and_an_archive_or_a_slow_feed_is_unknown(context: Context) -> None:
    for name, per_hour in (("well", 3), ("dead", 1)):
        feed(context, name)
        silent = 40 * HOUR if name == "dead" else HOUR / 4
        arrive(context, name, [NOON - silent - n * HOUR / per_hour for n in range(per_hour * WEEKS)])
        polled(context, name, every_hour(NOON - 3 * DAY, 73))
    feed(context, "slow")
    arrive(context, "slow", [NOON - n * 20 * HOUR for n in range(1, 25)])
    polled(context, "slow", every_hour(NOON - 3 * DAY, 73))
    put(
        context.warehouse,
        [Piece(f"i{n}", NOON - n * HOUR, NOON, publisher="Archive", imported=True) for n in range(99)],
    )
    assert shares(context, "well", 6) == [1.0] * 6
    assert shares(context, "dead", 6) == [0.0] * 6
    assert shares(context, "slow", 6) == [None] * 6
    assert shares(context, "Archive", 6) == [None] * 6
    assert shares(context, "all", 6) == pytest.approx([0.75] * 6, abs=0.02)


def test_a_dead_feed_is_missed_until_it_is_taken_out_of_the_list(context: Context) -> None:
    feed(context, "dead")
    arrive(context, "dead", [NOON - n * HOUR / 2 for n in range(2 * WEEKS)])
    polled(context, "dead", every_hour(NOON - DAY, 24 * 120))
    months = NOON + 100 * DAY
    assert shares(context, "dead", 3, months) == [0.0, 0.0, 0.0]
    removed = {"feed_id": "dead", "status": "removed", "removed_at": months - 90 * DAY}
    with context.warehouse.write("catalogue") as tx:
        tx.con.execute(
            "UPDATE feeds SET status = 'removed', removed_at = ? WHERE feed_id = ?", [removed["removed_at"], "dead"]
        )
    assert shares(context, "dead", 3, months) == [None, None, None]
    assert shares(context, "dead", 3, NOON + 5 * DAY) == [0.0, 0.0, 0.0]


def test_a_feed_that_delivers_what_is_dated_long_ago_does_deliver(context: Context) -> None:
    feed(context, "museum")
    arrive(context, "museum", [NOON - n * HOUR / 2 for n in range(2 * WEEKS)], published=400 * DAY)
    polled(context, "museum", every_hour(NOON - 3 * DAY, 73))
    assert shares(context, "museum", 6) == [1.0] * 6


def test_the_hours_are_those_of_the_publishers_clock(context: Context) -> None:
    feed(context, "desk")
    insert(
        context.warehouse,
        "catalogue",
        "publishers",
        [{"publisher": "desk", "owner": "desk", "timezone": "America/New_York"}],
        ["publisher"],
    )
    with context.warehouse.read() as con:
        (history,) = histories(con)
    assert history.place.of(np.array([0.0]))[0] == -5
