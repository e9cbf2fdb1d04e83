"""Reading the store for a snapshot: all comes out as Arrow in one consistent view, then the store is closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from pipeline.promotion import active_model
from pipeline.publish.articles import articles
from pipeline.publish.judged import DAYS_JUDGED, HOURS_JUDGED
from pipeline.publish.lasting import Lasting, look
from pipeline.publish.manifest import Manifest
from pipeline.publish.parts import settled_before
from pipeline.publish.tables import TABLES, Published
from pipeline.series import buckets, coverage, reach

__all__ = ["HOURS_KEPT", "STORIES_KEPT", "TOLD_KEPT", "Gathered", "gather"]

STORIES_KEPT = timedelta(days=90)
# Stories by series and bucket, for the question why an index moved: five half-lives of the daily one.
TOLD_KEPT = timedelta(days=35)
HOURS_KEPT = timedelta(days=200)  # 180 days standardise the index, and some to draw

# Counted, owners, scores, entities and themes are those of the series (`pipeline.series.buckets`), so that the list of
# stories and the counts above it are about the same things.
_STORIES = """,
    told AS (
        SELECT c.*, j.status, j.p_negative, j.p_positive - j.p_negative AS polarity, j.topic,
            row_number() OVER (PARTITION BY c.story_id ORDER BY c.counted_at, c.article_id) AS place,
            CASE WHEN j.status = 'scored' THEN row_number() OVER (
                PARTITION BY c.story_id, c.owner, j.status = 'scored' ORDER BY c.counted_at, c.article_id) END AS heard
        FROM counted AS c LEFT JOIN judged AS j ON j.article_id = c.article_id AND j.revision = c.revision
            AND j.entity_id = ''),
    story AS (
        SELECT story_id, min(counted_at) AS first_at, count(*) AS articles, count(DISTINCT owner) AS owners,
            max(article_id) FILTER (place = 1) AS article_id, max(revision) FILTER (place = 1) AS revision,
            coalesce(max(status) FILTER (place = 1), 'unscored') AS status, max(topic) FILTER (place = 1) AS topic,
            -- Each owner's first scored article; rounded, because the order of a float sum is not ours to choose.
            round(avg(p_negative) FILTER (heard = 1), 6) AS p_negative,
            round(avg(polarity) FILTER (heard = 1), 6) AS polarity
        FROM told GROUP BY story_id HAVING min(counted_at) >= $since),
    named AS (
        SELECT article_id, revision, list(entity_id ORDER BY relevance DESC, entity_id) AS entity_ids,
            list(coalesce(name, entity_id) ORDER BY relevance DESC, entity_id) AS entities
        FROM about LEFT JOIN (SELECT entity_id, any_value(name) AS name FROM entities GROUP BY ALL) USING (entity_id)
        GROUP BY ALL),
    why AS (SELECT article_id, revision, list(DISTINCT theme ORDER BY theme) AS themes FROM themed GROUP BY ALL)
SELECT s.*, s.p_negative > $limit AS negative, a.title, a.publisher, a.url, a.imported, n.entity_ids, n.entities,
    w.themes
FROM story AS s JOIN (SELECT * FROM articles WHERE recorded_at >= $reached) AS a USING (article_id, revision)
LEFT JOIN named AS n USING (article_id, revision) LEFT JOIN why AS w USING (article_id, revision)
"""

# The tables with a long past, and which of their rows are published.
_LONG = {"trends": "grain = 'day' OR bucket_start >= $hours", "incident_events": "true", "evidence": "true"}
_UNREAD = """
SELECT {columns} FROM {table} WHERE ({kept})
    AND ({day} >= $settled OR NOT list_contains($months::VARCHAR[], strftime({day}, '%Y-%m')) OR {day} IS NULL)"""
# What is judged, and by which names series go.
_RECENT = """
SELECT * FROM trends WHERE model_version = $model
    AND (bucket_start >= $hours OR (grain = 'day' AND bucket_start >= $days))"""
_SERIES = "SELECT DISTINCT scope, key FROM trends WHERE grain = 'day' OR bucket_start >= $hours ORDER BY ALL"

_ENTITIES = """
SELECT * FROM entities WHERE entity_id IN (SELECT key FROM trends WHERE scope = 'entity')
    OR entity_id IN (SELECT unnest(entity_ids) FROM stories_published)
"""

_FETCHES = """
SELECT feed_id, outcome, count(*) AS attempts, coalesce(sum(new_articles), 0) AS new_articles,
    coalesce(sum(bytes), 0) AS bytes, round(coalesce(sum(seconds), 0), 3) AS seconds
FROM fetches WHERE fetched_at > $day GROUP BY ALL
"""

# Which feeds an open health incident names; the words are the judgement's own.
_LATE = """
SELECT json_extract_string(v.payload, '$.feed_id') AS feed_id,
    max_by(json_extract_string(v.payload, '$.sentence'), v.recorded_at) AS late_sentence,
    max_by(TRY_CAST(json_extract_string(v.payload, '$.last_new_at') AS TIMESTAMPTZ), v.recorded_at) AS last_new_at
FROM evidence v JOIN incidents i USING (incident_id)
WHERE v.kind = 'feed' AND i.kind = 'health' AND i.resolved_at IS NULL GROUP BY ALL
"""

_LIMITS = """
SELECT * FROM limits WHERE model_version = $model
QUALIFY row_number() OVER (PARTITION BY rule ORDER BY set_for DESC, recorded_at DESC) = 1
"""

_FITS = """
SELECT fit_id, scope, key, grain, model_version, fitted_for, status, parameters FROM fits
WHERE model_version = $model
"""

# Rule files and nothing else of what was in force, each once: settings and watch-lists are nobody's to read on a page.
# All of them: which ones decisions cite would be a look at all evidence at each publish.
_RULES = """
SELECT kind, name, sha256, content, author, recorded_at FROM configurations WHERE kind = 'rules'
QUALIFY row_number() OVER (PARTITION BY sha256 ORDER BY recorded_at, known_at) = 1"""

_AS_OF = """
SELECT greatest((SELECT max(last_success_at) FROM feeds), (SELECT max(recorded_at) FROM articles))
"""


@dataclass(frozen=True)
class Gathered:
    """What the store said: published tables that need no more work, and the fits to judge series with.

    `lasting`: the months of long tables that need not be written again; their rows are not in `tables`.
    `recent`: the trends to judge. `series`: every (scope, key).
    """

    tables: dict[str, pa.Table]
    lasting: dict[str, Lasting]
    recent: pd.DataFrame
    series: pd.DataFrame
    fits: pa.Table
    late: pd.DataFrame
    data_as_of: datetime | None
    model: tuple[str, float] | None


def gather(con: duckdb.DuckDBPyConnection, now: datetime, root: Path, last: Manifest | None = None) -> Gathered:
    """Read all that a snapshot under `root` needs beyond `last`, in one consistent view of the store."""
    active = active_model(con)
    model = (active.model_version, active.negative_limit) if active else None
    version, limit = model or ("", 1.0)
    newest = _one(con, "SELECT max(coalesce(published_at, known_at)) FROM articles WHERE coalesce(imported, false)")
    live = _one(con, "SELECT max(known_at) FROM articles WHERE NOT coalesce(imported, false)")
    # An archive alone shows its own last days; once news arrives, the newest news counts.
    until = min(live or newest or now, now)
    hours = until - HOURS_KEPT
    lasting = {}
    tables = {
        "fetch_summary": _query(con, _FETCHES, day=now - timedelta(days=1)),
        "told": buckets.told(con, version, limit, until - TOLD_KEPT, until),
    }
    # Whole days, so that a day's part stays the same until it falls out.
    since = coverage.midnight((until - STORIES_KEPT).astimezone(UTC).date())
    # Nothing that stories of these days rest on was recorded before that: the rest of a long history stays unread.
    near = reach.of_days(con, since.date(), now.astimezone(UTC).date())
    con.register("reached", near.articles)
    tables["stories"] = _stories(con, since, near.since, version, limit)
    tables["articles"] = articles(con, tables["stories"]["story_id"], version, near.since)
    con.unregister("reached")
    for name, kept in _LONG.items():
        bound = {"hours": hours} if name == "trends" else {}
        lasting[name] = look(con, TABLES[name], kept, bound, root, now, last)
        tables[name] = _unread(con, TABLES[name], kept, bound, lasting[name].months, now)
    for name in ("incidents", "models", "backtests"):
        tables[name] = _query(con, f"SELECT {', '.join(TABLES[name].schema.names)} FROM {name}")
    tables["limits"] = _query(con, _LIMITS, model=version)
    tables["configurations"] = _query(con, _RULES)
    tables["feeds"] = _query(con, "SELECT * FROM feeds")
    con.register("stories_published", tables["stories"])
    tables["entities"] = _query(con, _ENTITIES)
    con.unregister("stories_published")
    late: pd.DataFrame = _query(con, _LATE).to_pandas()
    recent = _query(con, _RECENT, model=version, hours=now - HOURS_JUDGED, days=now - DAYS_JUDGED).to_pandas()
    series = _query(con, _SERIES, hours=hours).to_pandas()
    fits = _query(con, _FITS, model=version)
    return Gathered(tables, lasting, recent, series, fits, late, _one(con, _AS_OF), model)


def _unread(
    con: duckdb.DuckDBPyConnection, table: Published, kept: str, bound: dict[str, Any], months: list[str], now: datetime
) -> pa.Table:
    sql = _UNREAD.format(columns=", ".join(table.schema.names), table=table.name, kept=kept, day=table.day)
    return _query(con, sql, **bound, months=months, settled=settled_before(now))


def _stories(
    con: duckdb.DuckDBPyConnection, since: datetime, reached: datetime, version: str, limit: float
) -> pa.Table:
    buckets.register(con)
    sql = buckets.with_sql("recorded_at", reached) + _STORIES
    bound = {"as_of": datetime(9999, 1, 1, tzinfo=UTC), "model_version": version, "limit": limit}
    return _query(con, sql, **bound, since=since, reached=reached)


def _query(con: duckdb.DuckDBPyConnection, sql: str, **values: object) -> pa.Table:
    return con.execute(sql, values or None).to_arrow_table()


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> datetime | None:
    row = con.execute(sql).fetchone()
    return row[0] if row else None
