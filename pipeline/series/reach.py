"""Which articles a rebuild must read: those near some days, with every article of every story they ever were in.

Rows stand in the store in the order of `recorded_at`, and what is said of an article is recorded after it, or, by
another clock, not long before it. So a bound on `recorded_at` is all that a scan needs to leave the rest of a long
history unread. How far back the stories of the last days began cannot be known before: we look a few days back, see
whether each story's first row was found, and look four times as far until it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import duckdb
import pyarrow as pa

__all__ = ["EVERYTHING", "Reach", "of_articles", "of_days", "runs"]

EVERYTHING = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_LOOK = timedelta(days=4)
# An observed article counts at most this long before it was known (`buckets`).
_BACKDATED = timedelta(hours=24)
_DAY = timedelta(days=1)
# The stages may run on machines whose clocks differ, and a clock may be put back between two of them: by no more than
# this, or the day's first pass (`aggregate`) takes it in.
_SKEW = timedelta(days=1)
# So many days are rebuilt at once at most, so that memory does not grow with them.
LONGEST_RUN = 7

# Two branches, each with bounds on one column, so that whole blocks of the table are left out by their least and
# greatest value.
_IN_DAYS = """
    SELECT article_id, recorded_at FROM articles
        WHERE imported IS NOT TRUE AND known_at >= $start AND known_at < $end {among}
    UNION ALL SELECT article_id, recorded_at FROM articles
        WHERE imported AND published_at >= $published AND published_at < $until {among}"""
# What can be in a series of these scopes; the others are told by more than one row of an article.
_AMONG = {
    "entity": "AND article_id IN (SELECT article_id FROM mentions WHERE entity_id = $key)",
    "theme": "AND article_id IN (SELECT article_id FROM themes WHERE theme = $key)",
    "publisher": "AND publisher = $key",
}
_AROUND = """
    WITH told AS (SELECT article_id, story_id, how FROM story_members WHERE recorded_at >= $since),
    touched AS (SELECT DISTINCT story_id FROM told WHERE article_id IN (SELECT article_id FROM seeds)),
    members AS (
        SELECT article_id FROM told WHERE story_id IN (SELECT story_id FROM touched)
        UNION SELECT article_id FROM seeds),
    begun AS (SELECT DISTINCT story_id FROM told WHERE how = 'first' AND story_id IN (SELECT story_id FROM touched)),
    stored AS (
        SELECT article_id, min(recorded_at) AS recorded_at, min(revision) <= 1 AS whole FROM articles
        WHERE recorded_at >= $since AND article_id IN (SELECT article_id FROM members) GROUP BY article_id)
    SELECT m.article_id, s.recorded_at,
        coalesce(s.whole, false) AND (SELECT count(*) FROM touched) = (SELECT count(*) FROM begun) AS whole
    FROM members AS m LEFT JOIN stored AS s USING (article_id)"""


@dataclass(frozen=True)
class Reach:
    """Articles (a table with one column, article_id), of which nothing was recorded before `since`."""

    articles: pa.Table
    since: datetime


def of_days(con: duckdb.DuckDBPyConnection, first: date, last: date, series: tuple[str, str] | None = None) -> Reach:
    """All that buckets of the UTC days `first` to `last` (included) rest on; of one series (scope, key), or all."""
    start = datetime.combine(first, time(), UTC)
    end = datetime.combine(last, time(), UTC) + _DAY
    bound: dict[str, Any] = {"start": start, "end": end + _BACKDATED, "published": start, "until": end}
    among = _AMONG.get(series[0], "") if series else ""
    if series and among:
        bound |= {"key": series[1]}
    seeds = con.execute(_IN_DAYS.format(among=among), bound).to_arrow_table()
    oldest = min(seeds["recorded_at"].to_pylist(), default=None)
    return _around(con, seeds.select(["article_id"]), oldest)


def of_articles(con: duckdb.DuckDBPyConnection, seeds: pa.Table, newest: datetime) -> Reach:
    """These articles (column article_id) and those of their stories; the search starts a few days before `newest`."""
    return _around(con, seeds, newest)


def runs(days: Mapping[date, Any] | list[date]) -> list[tuple[date, date]]:
    """Days that stand side by side, together, at most a week of them."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] <= _DAY and (day - found[-1][0]).days < LONGEST_RUN:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def _around(con: duckdb.DuckDBPyConnection, seeds: pa.Table, newest: datetime | None) -> Reach:
    if not seeds.num_rows or newest is None:
        return Reach(seeds.select(["article_id"]), EVERYTHING)
    con.register("seeds", seeds)
    try:
        return _widening(lambda since: con.execute(_AROUND, {"since": since}).to_arrow_table(), newest)
    finally:
        con.unregister("seeds")


def _widening(look: Callable[[datetime], pa.Table], newest: datetime) -> Reach:
    back = _FIRST_LOOK
    while True:
        since = newest - back if newest - back > EVERYTHING else EVERYTHING
        found = look(since)
        if since == EVERYTHING or all(found["whole"].to_pylist()):
            recorded = [at for at in found["recorded_at"].to_pylist() if at is not None]
            return Reach(found.select(["article_id"]), max(min(recorded, default=since) - _SKEW, EVERYTHING))
        back *= 4
