"""What is said of stories: how new each article was in its story, and how many owners tell it, as of a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipeline.series import buckets
from pipeline.series.buckets import ClockColumn

__all__ = ["NOVELTY", "told"]

# 100 for a story's first article, a quarter less for each of the story in the 24 hours before: 100, 75, 56, 42, …
NOVELTY = """
    SELECT article_id, story_id, counted_at, owner, publisher,
           round(100 * pow(0.75, count(*) OVER (
               PARTITION BY story_id ORDER BY counted_at RANGE BETWEEN INTERVAL 24 HOUR PRECEDING AND CURRENT ROW)
               - 1 - count(*) OVER (PARTITION BY story_id, counted_at)
               + row_number() OVER (PARTITION BY story_id, counted_at ORDER BY article_id)))::INTEGER AS novelty
    FROM counted"""
_TOLD = f""",
    new AS ({NOVELTY}),
    whole AS (SELECT story_id, count(*) AS articles, count(DISTINCT owner) AS corroboration FROM new GROUP BY story_id),
    after AS (
        SELECT article_id, story_id, follows FROM story_members WHERE follows IS NOT NULL AND {{clock}} <= $as_of)
SELECT n.*, w.articles, w.corroboration, coalesce(e.story_id, a.follows) AS follows
FROM new AS n JOIN whole AS w USING (story_id)
LEFT JOIN after AS a ON a.article_id = n.article_id AND a.story_id = n.story_id
LEFT JOIN folded AS e ON e.article_id = (
    SELECT any_value(f.article_id) FROM story_members AS f WHERE f.story_id = a.follows AND f.how = 'first')
{{chosen}} ORDER BY n.counted_at, n.article_id"""


def told(
    con: duckdb.DuckDBPyConnection,
    stories: Sequence[str] | None = None,
    as_of: datetime | None = None,
    clock_column: ClockColumn = "recorded_at",
) -> pa.Table:
    """One row per article of these stories (None: all), oldest first, as the store knew them `as_of` (None: now).

    Columns: article_id, story_id, counted_at, owner, publisher, `novelty` (100 for what is first in 24 hours, then 75,
    56, 42, …), `articles` and `corroboration` (distinct owners) of the story, and `follows`: the story, as it stands,
    that this one tells more of; on the story's first article, else NULL.
    """
    buckets.register(con)
    sql = buckets.with_sql(clock_column) + _TOLD.format(
        clock=clock_column, chosen="" if stories is None else "WHERE n.story_id IN (SELECT unnest($stories::VARCHAR[]))"
    )
    # The common tables of the series ask for a model; no story depends on one.
    bound: dict[str, object] = {"as_of": as_of or datetime(9999, 1, 1, tzinfo=UTC), "model_version": ""}
    try:
        return con.execute(sql, bound if stories is None else {**bound, "stories": sorted(stories)}).to_arrow_table()
    finally:
        con.unregister("topic_keys")
