"""How the pipeline stands, read from the store and the machine for rules of kind `health` about ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from pipeline import health
from pipeline.detect.ourselves import Failing, Vitals
from pipeline.machine import disk, newest_cycle
from pipeline.series.coverage import FeedHistory

__all__ = ["of_machine", "of_store"]

# What has not been scored for longer than this will not be by waiting; it has been told by then.
_LOOK_BACK = timedelta(days=7)
_NEWEST = "SELECT max(recorded_at) FROM articles WHERE NOT imported AND recorded_at <= $as_of"
_FEEDS = """
SELECT count(*) FROM feeds WHERE kind IS DISTINCT FROM 'archive' AND added_at <= $as_of
    AND coalesce(removed_at > $as_of, coalesce(status, '') <> 'removed')"""
_WAITING = """
WITH late AS (
    SELECT article_id, revision, recorded_at FROM articles
    WHERE NOT imported AND recorded_at > $since AND recorded_at <= $as_of
    QUALIFY revision = max(revision) OVER (PARTITION BY article_id))
SELECT count(*), min(recorded_at) FROM late ANTI JOIN (
    SELECT article_id, revision FROM scores
    WHERE model_version = $version AND entity_id = '' AND recorded_at <= $as_of) USING (article_id, revision)"""
_FAILING = """
WITH ours AS (
    SELECT * FROM runs WHERE stage <> 'detect' AND recorded_at <= $as_of AND started_at > $since),
good AS (SELECT stage, max(started_at) AS at FROM ours WHERE outcome = 'done' GROUP BY stage)
SELECT o.stage, min(o.ended_at), count(*), max_by(o.reason, o.started_at)
FROM ours AS o LEFT JOIN good AS g USING (stage)
WHERE o.outcome = 'failed' AND (g.at IS NULL OR o.started_at > g.at) GROUP BY o.stage ORDER BY o.stage"""


def of_store(
    con: duckdb.DuckDBPyConnection, model_version: str, feeds: Sequence[FeedHistory], as_of: datetime
) -> Vitals:
    """What the store knew at `as_of`; `feeds`: their histories up to then."""
    bound = {"as_of": as_of, "since": as_of - _LOOK_BACK}
    (article_at,) = con.execute(_NEWEST, {"as_of": as_of}).fetchone() or (None,)
    (count,) = con.execute(_FEEDS, {"as_of": as_of}).fetchone() or (0,)
    waiting, since = con.execute(_WAITING, bound | {"version": model_version}).fetchone() or (0, None)
    failing = tuple(Failing(*row) for row in con.execute(_FAILING, bound).fetchall())
    silence = None if article_at is None else _silence_p(feeds, article_at, as_of)
    return Vitals(int(count), article_at, silence, int(waiting), since, failing)


def of_machine(vitals: Vitals, data: Path, published: Path) -> Vitals:
    """The same with what the machine says: the disk of the `data` folder, and the age of the snapshot."""
    return Vitals(**{**vars(vitals), "disk": disk(data), "published_at": newest_cycle(published)})


def _silence_p(feeds: Sequence[FeedHistory], since: datetime, now: datetime) -> float | None:
    """The chance that no feed brings anything from `since` on; a feed that was dead before says nothing."""
    start, end = health.hours_of(since), health.hours_of(now)
    chance: float | None = None
    for feed in feeds:
        if not feed.arrivals.size or feed.removed <= end:
            continue
        last = float(feed.arrivals[-1])
        known = health.before_silence(feed.arrivals, last, feed.place)
        if known is None or float(health.chance_of_silence(known, last, max(start, last))) < health.ALARM_P:
            continue
        chance = (1.0 if chance is None else chance) * float(health.chance_of_silence(known, max(start, last), end))
    return chance
