"""How the pipeline stands, read from the store and the machine for rules of kind `health` about ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from pipeline import health
from pipeline.context import Context
from pipeline.detect.ourselves import Failing, Vitals
from pipeline.machine import disk, fullest, newest_cycle
from pipeline.series.coverage import FeedHistory
from pipeline.waiting import BACKLOG_SCORES, LOOK_BACK
from pipeline.warehouse.engines import DuckDBFile

__all__ = ["folders", "of_machine", "of_store"]

_NEWEST = "SELECT max(recorded_at) FROM articles WHERE NOT imported AND recorded_at <= $as_of"
_FEEDS = """
SELECT count(*), min(added_at) FROM feeds WHERE kind IS DISTINCT FROM 'archive' AND added_at <= $as_of
    AND coalesce(removed_at > $as_of, coalesce(status, '') <> 'removed')"""
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
    since = as_of - LOOK_BACK
    asked = {"now": as_of, "since": since, "model": model_version, "imports": False}
    (article_at,) = con.execute(_NEWEST, {"as_of": as_of}).fetchone() or (None,)
    count, feeds_since = con.execute(_FEEDS, {"as_of": as_of}).fetchone() or (0, None)
    waiting, waiting_since = con.execute(BACKLOG_SCORES, asked).fetchone() or (0, None)
    failing = tuple(Failing(*row) for row in con.execute(_FAILING, {"as_of": as_of, "since": since}).fetchall())
    return Vitals(
        feeds=int(count),
        feeds_since=feeds_since,
        article_at=article_at,
        silence_p=None if article_at is None else _silence_p(feeds, article_at, as_of),
        waiting=int(waiting),
        waiting_since=waiting_since,
        failing=failing,
    )


def of_machine(vitals: Vitals, context: Context) -> Vitals:
    """The same with what the machine says: the fullest disk that we write on, and the age of the snapshot."""
    published = context.settings.store.published
    return replace(vitals, disk=fullest(map(disk, folders(context))), published_at=newest_cycle(published))


def folders(context: Context) -> list[Path]:
    """Where we write: store, raw answers, snapshots, backups."""
    store, engine = context.settings.store, context.warehouse.engine
    kept = str(engine.path.parent) if isinstance(engine, DuckDBFile) else engine.data_path
    backups = context.settings.maintain.backups
    # What lies in a bucket is on no disk of ours.
    return [*([] if "://" in kept else [Path(kept)]), store.raw, store.published, *([backups] if backups else [])]


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
