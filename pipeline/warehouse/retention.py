"""What has been kept long enough, as SQL by table; what an incident cites stays for as long as the incident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from pipeline.health import GOOD_OUTCOMES
from pipeline.settings import Maintain
from pipeline.warehouse.store import Transaction

__all__ = ["Limit", "apply", "limits"]

# Every id is a hash in hexadecimal: whatever looks like one in kept evidence is cited.
_CITED = "SELECT DISTINCT unnest(regexp_extract_all(payload, '[0-9a-f]{16,}')) AS id FROM evidence"

_INCIDENTS = "SELECT incident_id AS id FROM incidents WHERE state = 'resolved' AND resolved_at < ?"
# Whole stories: without its first article a story would begin later than it did.
_ARTICLES = f"""
WITH near AS (
    SELECT article_id FROM articles GROUP BY 1 HAVING max(known_at) >= ?
    UNION SELECT id FROM ({_CITED})),
told AS (
    SELECT article_id FROM story_members
    WHERE story_id IN (SELECT story_id FROM story_members SEMI JOIN near USING (article_id)))
SELECT DISTINCT article_id AS id FROM articles
WHERE article_id NOT IN (SELECT article_id FROM near UNION SELECT article_id FROM told)"""
_FITS = f"SELECT fit_id AS id FROM fits WHERE fitted_for < ? AND fit_id NOT IN ({_CITED})"
# Coverage rests on whether a feed answered in an hour.
_FETCHES = f"""
SELECT fetch_id AS id FROM (SELECT *, outcome IN {GOOD_OUTCOMES} AS good FROM fetches WHERE fetched_at < ?)
QUALIFY NOT good OR row_number() OVER (
    PARTITION BY feed_id, good, date_trunc('hour', fetched_at) ORDER BY fetched_at, fetch_id) > 1"""

_GONE = {"incidents": _INCIDENTS, "articles": _ARTICLES, "fits": _FITS, "fetches": _FETCHES}
_OF = {
    "incidents": ("incident_id", ("evidence", "incident_events", "verdicts", "incidents")),
    "articles": ("article_id", ("attributions", "scores", "mentions", "themes", "story_members", "articles")),
    "fits": ("fit_id", ("fits",)),
    "fetches": ("fetch_id", ("fetches",)),
}
# What nothing else refers to.
_ALONE = {
    "hours": "DELETE FROM trends WHERE grain = 'hour' AND bucket_start < ?",
    "runs": "DELETE FROM runs WHERE ended_at < ?",
}
# A message stays while one of the incidents that it tells of does.
_MESSAGES = """
DELETE FROM notifications WHERE created_at < ? AND notification_id NOT IN (
    SELECT notification_id FROM (SELECT notification_id, unnest(incident_ids) AS incident_id FROM notifications)
    SEMI JOIN incidents USING (incident_id))"""
# It would come again, as news of today, from a feed that still lists it.
_NOT_AGAIN = """
INSERT INTO forgotten BY NAME
SELECT id AS article_id, '' AS publisher, 'maintain' AS author, 'articles_days' AS reason, []::VARCHAR[] AS feed_ids,
    $1 AS recorded_at, $1 AS known_at
FROM gone WHERE id NOT IN (SELECT article_id FROM forgotten)"""


@dataclass(frozen=True)
class Limit:
    """Rows older than `before` of the kind `name` go; `guards` are the table groups that this touches."""

    name: str
    before: datetime
    guards: tuple[str, ...]


def limits(settings: Maintain, now: datetime) -> Iterator[Limit]:
    """What the settings let go, in the order in which it must go: evidence first, since it holds the rest."""
    kinds = {
        "incidents": (settings.incidents_days, ("incidents", "notifications")),
        "articles": (settings.articles_days, ("articles", "mentions", "stories", "scores")),
        "hours": (settings.hours_days, ("trends",)),
        "fits": (settings.fits_days, ("trends", "incidents")),
        "fetches": (settings.fetches_days, ("articles",)),
        "runs": (settings.runs_days, ("runs",)),
    }
    for name, (days, guards) in kinds.items():
        if days:
            yield Limit(name, now - timedelta(days=days), guards)


def apply(tx: Transaction, limit: Limit) -> int:
    """Remove what is past the limit; answers how many rows, of all tables."""
    con = tx.con
    # Whoever reads and writes any of these meanwhile begins anew.
    con.execute("UPDATE guards SET n = n + 1 WHERE name IN (SELECT unnest(?::VARCHAR[]))", [list(limit.guards)])
    if limit.name in _ALONE:
        return _deleted(con, _ALONE[limit.name], [limit.before])
    gone = con.execute(_GONE[limit.name], [limit.before]).to_arrow_table()
    con.register("gone", gone)
    try:
        return _remove(tx, limit, gone)
    finally:
        con.unregister("gone")


def _remove(tx: Transaction, limit: Limit, gone: pa.Table) -> int:
    con, rows = tx.con, 0
    if gone.num_rows:
        if limit.name == "articles":
            con.execute(_NOT_AGAIN, [tx.recorded_at])
        key, of = _OF[limit.name]
        for table in of:
            rows += _deleted(con, f"DELETE FROM {table} WHERE {key} IN (SELECT id FROM gone)", [])
    if limit.name == "incidents":
        rows += _deleted(con, _MESSAGES, [limit.before])
    return rows


def _deleted(con: duckdb.DuckDBPyConnection, sql: str, bound: list[datetime]) -> int:
    row = con.execute(sql, bound).fetchone()
    return int(row[0]) if row else 0
