"""What waits, asked in one way wherever it is asked: feeds that are due, articles without a score. In SQL."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["BACKLOG_FEEDS", "BACKLOG_SCORES", "DUE", "LONGEST_WAIT", "LOOK_BACK", "POLLED"]

LONGEST_WAIT = timedelta(hours=24)
"""No feed waits longer: what is put off beyond that was so by a clock that has been put back since."""
LOOK_BACK = timedelta(days=7)
"""How far back what waits is looked for: the whole past would be read each time, and what has not been done for longer
will not be by waiting; it has been told by then."""
_OVERDUE = timedelta(minutes=10)
"""Two cycles of five minutes: a healthy feed is due at every run, and just asked after each."""

POLLED = "kind <> 'archive' AND status = 'active'"
DUE = (
    "(next_fetch_at IS NULL OR next_fetch_at <= $now"
    f" OR next_fetch_at > $now + INTERVAL {LONGEST_WAIT // timedelta(minutes=1)} MINUTE)"
)
BACKLOG_FEEDS = f"""
SELECT count(*), min(since) FROM (
    SELECT CASE WHEN next_fetch_at <= $now THEN next_fetch_at ELSE coalesce(last_fetch_at, added_at) END AS since
    FROM feeds WHERE {POLLED} AND {DUE})
WHERE since <= $now - INTERVAL {_OVERDUE // timedelta(minutes=1)} MINUTE"""
"""How many feeds should have been asked by `$now` and were not, and since when the first of them."""
BACKLOG_SCORES = """
WITH newest AS (
    SELECT article_id, revision, recorded_at FROM articles
    WHERE recorded_at > $since AND recorded_at <= $now AND ($imports OR NOT imported)
    QUALIFY revision = max(revision) OVER (PARTITION BY article_id))
SELECT count(*), min(recorded_at) FROM newest ANTI JOIN (
    SELECT article_id, revision FROM scores
    WHERE model_version = $model AND entity_id = '' AND recorded_at <= $now) USING (article_id, revision)"""
"""How many articles recorded since `$since` wait for a score of `$model` at `$now`, and since when the first of them.

For an alarm without `$imports`: nobody waits for an archive. `score` itself does more (every entity, however old): that
is its work and not its backlog.
"""
