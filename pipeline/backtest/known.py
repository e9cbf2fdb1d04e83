"""What the store knew then, by `known_at`: counts as of the end of each day, sightings, articles. All the SQL there is.

One model version is pinned, whenever it scored. Each day is counted as of an hour after its end and never again, so
that nothing which was known later moves it; what came later than that is not tested.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd

from pipeline.context import Progress, silent
from pipeline.detect import reading
from pipeline.detect.events import Sighting
from pipeline.detect.findings import Finding, Labels
from pipeline.detect.fits import day_of, days_between
from pipeline.promotion import ActiveModel
from pipeline.series import buckets
from pipeline.series.coverage import FeedHistory, histories
from pipeline.warehouse import Warehouse
from pipeline.watchlists import parents_of

__all__ = ["GRACE", "Known", "Telling", "articles", "late", "read", "span"]

# How long after the end of a day it is counted.
GRACE = timedelta(hours=1)
# So many days are counted with the store open; then others may write.
_AT_ONCE = 7
_COLUMNS = (
    "bucket_start", "grain", "scope", "key", "model_version", "news_volume", "story_count", "negative_stories",
    "owners", "coverage", "counted_at",
)  # fmt: skip
_SIGHTINGS = """
SELECT a.entity_id, c.article_id, c.story_id, c.known_at, t.theme, greatest(e.p_negative, w.p_negative)
FROM counted AS c JOIN about AS a USING (article_id, revision)
JOIN themed AS t ON t.article_id = c.article_id AND t.revision = c.revision AND t.entity_id = a.entity_id
LEFT JOIN judged AS e ON e.article_id = c.article_id AND e.revision = c.revision AND e.entity_id = a.entity_id
    AND e.status = 'scored'
LEFT JOIN judged AS w ON w.article_id = c.article_id AND w.revision = c.revision AND w.entity_id = ''
    AND w.status = 'scored'
WHERE c.known_at >= $since AND a.entity_id IN (SELECT unnest($watched::VARCHAR[]))
    AND greatest(e.p_negative, w.p_negative) IS NOT NULL
ORDER BY a.entity_id, c.known_at, c.article_id, t.theme"""
_TELLINGS = """
SELECT story_id, known_at, owner FROM counted WHERE story_id IN (SELECT unnest($stories::VARCHAR[])) ORDER BY ALL"""
_ARTICLES = """
SELECT a.title, a.publisher, a.url, a.published_at, a.known_at, p.p_negative, coalesce(t.negative, false) AS negative
FROM points AS p JOIN told AS t USING (scope, key, grain, story_id)
JOIN articles AS a ON a.article_id = p.article_id AND a.revision = p.revision
WHERE {chosen} ORDER BY negative DESC, a.known_at DESC, p.article_id"""
_LATE = """
SELECT count(*), count(*) FILTER (known_at > date_trunc('day', counted_at) + INTERVAL 1 DAY + INTERVAL 1 HOUR)
FROM counted WHERE counted_at >= $since AND counted_at < $until"""


@dataclass(frozen=True)
class Telling:
    """An article of a story: when it was known, and whose it is."""

    known_at: datetime
    owner: str


@dataclass(frozen=True)
class Known:
    """What a simulation reads. `trends`: hours and days; `stories`: by story id, those of the sightings.

    `articles`, `late`: how many count in the span, and how many of them were known too late to be tested.
    """

    trends: pd.DataFrame
    sightings: Sequence[Sighting]
    stories: dict[str, list[Telling]]
    feeds: Sequence[FeedHistory]
    labels: Labels
    parents: dict[str, str]
    articles: int
    late: int


def read(
    warehouse: Warehouse,
    model: ActiveModel,
    scopes: Collection[str],
    watched: Collection[str],
    start: datetime,
    end: datetime,
    progress: Progress = silent,
) -> Known:
    """All of it for the UTC days from `start` to `end` (midnights), and the counts before as known at `start`."""
    parts = []
    with warehouse.read() as con:
        before = _counts(con, model, None, start + GRACE, scopes)
        parts.append(before[before["bucket_start"] < pd.Timestamp(start)])
    days = days_between(start, end - timedelta(microseconds=1)) if end > start else []
    for done in range(0, len(days), _AT_ONCE):
        progress("count each day as then known", done, len(days))
        with warehouse.read() as con:
            parts += [
                _counts(con, model, day, day + timedelta(days=1) + GRACE, scopes)
                for day in days[done : done + _AT_ONCE]
            ]
    with warehouse.read() as con:
        sightings = _sightings(con, model, watched, start - timedelta(days=30), end)
        stories = _stories(con, model, {one.story_id for one in sightings}, end)
        count, missed = late(con, model, start, end)
        return Known(
            pd.concat(parts, ignore_index=True),
            sightings,
            stories,
            histories(con, end, "known_at"),
            reading.labels(con),
            parents_of(con),
            count,
            missed,
        )


def _counts(
    con: duckdb.DuckDBPyConnection, model: ActiveModel, day: datetime | None, as_of: datetime, scopes: Collection[str]
) -> pd.DataFrame:
    days = None if day is None else [day.date()]
    rows = buckets.rebuild(con, model.model_version, model.negative_limit, days, as_of, "known_at", now=as_of)
    frame = rows.to_pandas()
    frame = frame[frame["scope"].isin({*scopes, "market"})]
    coverage = frame["covered"].astype("float64") / frame["expected"].astype("float64")
    counted: pd.DataFrame = frame.assign(coverage=coverage, counted_at=pd.Timestamp(as_of))[list(_COLUMNS)]
    return counted


def _bound(model: ActiveModel, as_of: datetime) -> dict[str, Any]:
    return {"model_version": model.model_version, "as_of": as_of}


def _sightings(
    con: duckdb.DuckDBPyConnection, model: ActiveModel, watched: Collection[str], since: datetime, end: datetime
) -> list[Sighting]:
    """As `detect` reads them, but with what was imported, and with no owners yet: who told it when is asked later."""
    if not watched:
        return []
    bound = _bound(model, end) | {"since": since, "watched": sorted(watched)}
    found = _fetch(con, _SIGHTINGS, bound)
    return [Sighting(row[0], row[1], row[2], (), *row[3:]) for row in found]


def _stories(
    con: duckdb.DuckDBPyConnection, model: ActiveModel, stories: Collection[str], end: datetime
) -> dict[str, list[Telling]]:
    told: dict[str, list[Telling]] = {}
    if stories:
        for story, known_at, owner in _fetch(con, _TELLINGS, _bound(model, end) | {"stories": sorted(stories)}):
            told.setdefault(str(story), []).append(Telling(known_at, owner))
    return told


def late(con: duckdb.DuckDBPyConnection, model: ActiveModel, start: datetime, end: datetime) -> tuple[int, int]:
    """Articles that count in the span, and those of them known later than an hour after their day."""
    bound = _bound(model, end + timedelta(days=30)) | {"since": start, "until": end}
    count, missed = _fetch(con, _LATE, bound)[0]
    return int(count), int(missed)


def articles(
    con: duckdb.DuckDBPyConnection, model: ActiveModel, finding: Finding, at: datetime
) -> list[dict[str, Any]]:
    """What a finding counted, as known at `at`: negative stories first, the newest first among them."""
    chosen = (
        "t.story_id IN (SELECT unnest($stories::VARCHAR[]))"
        if finding.stories
        else "t.bucket_start >= $start AND t.bucket_start < $until"
    )
    bound = _bound(model, at) | {
        "negative_limit": model.negative_limit,
        "scope": finding.detection.scope,
        "key": finding.detection.key,
        "grain": "day" if finding.stories else finding.rule.grain,
    }
    bound |= {"stories": sorted(finding.stories)} if finding.stories else {"start": finding.start, "until": finding.end}
    told = buckets.TOLD.format(which="WHERE m.scope = $scope AND m.key = $key AND g.grain = $grain")
    rows = _fetch(con, "," + told + _ARTICLES.format(chosen=chosen), bound)
    names = ("title", "publisher", "url", "published_at", "known_at", "p_negative", "negative")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _fetch(con: duckdb.DuckDBPyConnection, sql: str, bound: dict[str, Any]) -> list[tuple[Any, ...]]:
    buckets.register(con)
    try:
        return con.execute(buckets.with_sql("known_at") + sql, bound).fetchall()
    finally:
        con.unregister("topic_keys")


def span(con: duckdb.DuckDBPyConnection) -> tuple[datetime, datetime] | None:
    """The UTC days of the first and the last article that was known; None where there is none."""
    row = con.execute("SELECT min(known_at), max(known_at) FROM articles").fetchone()
    return None if row is None or row[0] is None else (day_of(row[0].astimezone(UTC)), day_of(row[1].astimezone(UTC)))
