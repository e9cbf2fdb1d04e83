"""How complete a bucket is: expected, covered and arrived articles of every polled feed, hour by hour and by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import health
from pipeline.local_time import UTC_CLOCK, LocalTime, local_time
from pipeline.series.reach import EVERYTHING

__all__ = ["FeedHistory", "days_between", "histories", "midnight", "rows", "utc_days"]

_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
_SCHEMA = pa.schema(
    [
        ("publisher", pa.string()),
        ("grain", pa.string()),
        ("bucket_start", pa.timestamp("us", tz="UTC")),
        ("expected", pa.float64()),
        ("covered", pa.float64()),
        ("arrived", pa.int64()),
    ]
)
# A feed that left the list later than `as_of` was in it then.
_FEEDS = """
    SELECT feed_id, coalesce(f.publisher, '') AS publisher, coalesce(title, '') AS title, epoch_us(added_at) / 3.6e9,
           CASE WHEN removed_at <= $as_of THEN epoch_us(removed_at) / 3.6e9 END, coalesce(timezone, '')
    FROM feeds f LEFT JOIN publishers p ON p.publisher = f.publisher
    WHERE kind IS DISTINCT FROM 'archive' AND added_at <= $as_of
        AND (coalesce(status, '') <> 'removed' OR removed_at IS NOT NULL)
    ORDER BY feed_id"""
# An arrival is dated by the source where it can be, so that the backlog of a first poll is no burst; but a feed that
# goes on to deliver what is dated long ago does deliver, and is dated by when it did.
_ARRIVALS = """
    WITH firsts AS (
        SELECT feed_id, publisher, imported, known_at, published_at, date_precision = 'second'
               AND published_at <= known_at AND coalesce(date_flag, '') = '' AS dated
        FROM articles WHERE {clock} <= $as_of
            AND (NOT imported OR date_precision = 'second') {near}
        QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision) = 1)
    SELECT feed_id, publisher, imported, epoch_us(CASE WHEN dated AND (imported
        OR published_at > known_at - INTERVAL 7 DAY
        OR (known_at < min(known_at) OVER (PARTITION BY feed_id, imported) + INTERVAL 1 DAY AND {young}))
        THEN published_at ELSE known_at END) / 3.6e9 AS hour
    FROM firsts"""
_POLLS = """
    SELECT feed_id, epoch_us(fetched_at) / 3.6e9 AS hour FROM fetches
    WHERE {clock} <= $as_of AND outcome IN {outcomes}"""
_ARCHIVED = "SELECT DISTINCT publisher FROM feeds WHERE kind = 'archive' AND publisher IS NOT NULL"
# What a bucket needs of the past: eight weeks of arrivals before the last one, which may be some weeks ago. Of a feed
# that fell silent longer ago we look four times as far, and so on.
_FIRST_LOOK = timedelta(weeks=12)
_NEEDED = timedelta(hours=health.WINDOW_HOURS, weeks=1)


@dataclass(frozen=True)
class FeedHistory:
    """One polled feed: sorted hours of its own arrivals, of an archive of its publisher before them, and of polls.

    `removed`: when it was taken out of the list, ∞ while it is in it. `place`: the clock of its publisher.
    """

    feed_id: str
    publisher: str
    title: str
    added: float
    own: NDArray[np.float64]
    arrivals: NDArray[np.float64]
    polls: NDArray[np.float64]
    removed: float = np.inf
    place: LocalTime = UTC_CLOCK


def histories(
    con: duckdb.DuckDBPyConnection,
    as_of: datetime | None = None,
    clock_column: Literal["recorded_at", "known_at"] = "recorded_at",
    since: datetime | None = None,
) -> list[FeedHistory]:
    """Every feed that is or was polled (archives are not), with what came from it and when we looked.

    With `since`: of feeds that were in the list then or later, only what buckets from then on can depend on, so that
    the cost does not grow with the history.
    """
    feeds = _feeds(con, as_of, since)
    if not feeds:
        return []
    arrivals, polls = _read(con, feeds, as_of, clock_column, since)
    own = _sorted_hours(arrivals[~arrivals["imported"].astype(bool)], "feed_id")
    archived = _sorted_hours(arrivals[arrivals["imported"].astype(bool)], "publisher")
    polled = _sorted_hours(polls, "feed_id")
    nothing = np.empty(0)
    found = []
    for feed_id, publisher, title, added, removed, zone in feeds:
        mine, past = own.get(feed_id, nothing), archived.get(publisher, nothing)
        past = past[past < mine[0]] if mine.size else past
        both = np.concatenate([past, mine])
        gone = np.inf if removed is None else removed
        seen = polled.get(feed_id, nothing)
        found.append(FeedHistory(feed_id, publisher, title, added, mine, both, seen, gone, local_time(zone)))
    return found


def _feeds(con: duckdb.DuckDBPyConnection, as_of: datetime | None, since: datetime | None) -> list[tuple[Any, ...]]:
    feeds = con.execute(_FEEDS, {"as_of": as_of or _FOREVER}).fetchall()
    return [feed for feed in feeds if since is None or feed[4] is None or feed[4] > health.hours_of(since)]


def _read(
    con: duckdb.DuckDBPyConnection,
    feeds: Sequence[tuple[Any, ...]],
    as_of: datetime | None,
    clock_column: str,
    since: datetime | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Arrivals and successful polls of these feeds."""
    until = {"as_of": as_of or _FOREVER}
    polls = _POLLS.format(clock=clock_column, outcomes=health.GOOD_OUTCOMES)
    if since is None:
        whole = _ARRIVALS.format(clock=clock_column, near="", young="true")
        return _frame(con, whole, until), _frame(con, polls, until)
    looked_at = _frame(con, f"{polls} AND fetched_at >= $since", until | {"since": since - timedelta(hours=1)})
    archived = {publisher for (publisher,) in con.execute(_ARCHIVED).fetchall()}
    back = _FIRST_LOOK
    while True:
        start = since - back if since - back > EVERYTHING else EVERYTHING
        # The first day of a feed that was in the list before we look is over.
        young = f"feed_id IN (SELECT feed_id FROM feeds WHERE added_at >= {_literal(start)})"
        near = f"AND revision <= 1 AND known_at >= {_literal(start)}"
        found = _frame(con, _ARRIVALS.format(clock=clock_column, near=near, young=young), until)
        # What was known since then may be dated before it; of that time we have not everything.
        found = found[found["hour"] >= health.hours_of(start)]
        if start == EVERYTHING or _enough(found, feeds, archived, start, since):
            return found, looked_at
        back *= 4


def _enough(
    found: pd.DataFrame, feeds: Sequence[tuple[Any, ...]], archived: set[str], start: datetime, since: datetime
) -> bool:
    """Whether all that the feeds' cadences at `since` rest on lies after `start`."""
    before = found[found["hour"] <= health.hours_of(since)]
    newest = before[~before["imported"].astype(bool)].groupby("feed_id")["hour"].max().to_dict()
    enough, begin = health.hours_of(start + _NEEDED), health.hours_of(start)
    return all(
        newest.get(feed_id, -np.inf) >= enough or (added >= begin and publisher not in archived)
        for feed_id, publisher, _, added, *_ in feeds
    )


def _frame(con: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, Any]) -> pd.DataFrame:
    frame: pd.DataFrame = con.execute(sql, bound).to_arrow_table().to_pandas()
    return frame


def _literal(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.astimezone(UTC).isoformat()}'"


def rows(
    con: duckdb.DuckDBPyConnection,
    days: Sequence[date] | None,
    as_of: datetime | None,
    clock_column: Literal["recorded_at", "known_at"],
    now: datetime | None,
) -> pa.Table:
    """One row per feed and bucket in which articles were expected; publisher, grain, bucket_start, three numbers."""
    since = midnight(min(days)) if days else None
    feeds = histories(con, as_of, clock_column, since)
    polled = [feed.polls[-1] for feed in feeds if feed.polls.size]
    end = health.hours_of(now) if now else max(polled, default=0.0)
    # Plain arrays until the end: a frame for each feed and day would cost as much as all the rest.
    parts = [
        (feed.publisher, part)
        for feed in feeds
        for day in _days(feed, days, end)
        if (part := _of_day(feed, day, end)) is not None
    ]
    if not parts:
        return _SCHEMA.empty_table()
    hourly = pd.DataFrame(
        np.concatenate([part for _, part in parts]), columns=["hour", "expected", "covered", "arrived"]
    )
    hourly["publisher"] = np.repeat([publisher for publisher, _ in parts], [len(part) for _, part in parts])
    daily = hourly.assign(hour=np.floor(hourly["hour"] / 24) * 24).groupby(["publisher", "hour"], as_index=False).sum()
    both = pd.concat([hourly.assign(grain="hour"), daily.assign(grain="day")], ignore_index=True)
    both["bucket_start"] = pd.to_datetime(both["hour"] * 3600, unit="s", utc=True)
    return pa.Table.from_pandas(both.drop(columns="hour"), preserve_index=False).select(_SCHEMA.names).cast(_SCHEMA)


def _days(feed: FeedHistory, days: Sequence[date] | None, end: float) -> list[float]:
    first, last = int(feed.added // 24), int(min(end, feed.removed) // 24)
    if days is None:
        return [day * 24.0 for day in range(first, last + 1)]
    wanted = {int(health.hours_of(midnight(day)) // 24) for day in days}
    return [day * 24.0 for day in sorted(wanted) if first <= day <= last]


def _of_day(feed: FeedHistory, day: float, end: float) -> NDArray[np.float64] | None:
    """Of each hour of a day: its start, expected, covered, arrived; None for a feed too young to be expected."""
    # What it did before the day; a dead feed goes on to be expected until somebody takes it out of the list.
    known = health.before_silence(feed.arrivals, max(day, feed.added), feed.place)
    if known is None:
        return None
    starts = np.maximum(np.arange(day, day + 24), feed.added)
    ends = np.minimum(np.arange(day, day + 24) + 1.0, min(end, feed.removed))
    real = ends > starts
    starts, ends = starts[real], ends[real]
    expected = health.expected_arrivals(known, starts, ends)
    good = health.covered(known, feed.arrivals, feed.polls, starts, ends)
    arrived = np.searchsorted(feed.own, ends) - np.searchsorted(feed.own, starts)
    return np.column_stack([np.floor(starts), expected, np.where(good, expected, 0.0), arrived])


def _sorted_hours(frame: pd.DataFrame, by: str) -> dict[str, NDArray[np.float64]]:
    return {str(name): np.sort(part["hour"].to_numpy(dtype=np.float64)) for name, part in frame.groupby(by)}


def utc_days(start: datetime, end: datetime) -> list[date]:
    """The UTC days from `start` to `end`, both included."""
    return days_between(start.astimezone(UTC).date(), end.astimezone(UTC).date())


def days_between(first: date, last: date) -> list[date]:
    """The days from `first` to `last`, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def midnight(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time(), UTC)
