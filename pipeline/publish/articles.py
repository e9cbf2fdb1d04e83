"""Every article of the published stories: who told it when, how new it was, its scores, and the words behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from pipeline.series import buckets
from pipeline.series.stories import NOVELTY

__all__ = ["articles"]

_ARTICLES = f""",
    new AS ({NOVELTY}),
    towards AS (
        SELECT b.article_id, b.revision, list({{
            'entity_id': b.entity_id, 'name': coalesce(e.name, b.entity_id), 'relevance': round(b.relevance, 4),
            'status': coalesce(j.status, 'unscored'), 'p_negative': j.p_negative, 'p_neutral': j.p_neutral,
            'p_positive': j.p_positive}} ORDER BY b.relevance DESC, b.entity_id) AS entities
        FROM about AS b LEFT JOIN judged AS j USING (article_id, revision, entity_id)
        LEFT JOIN (SELECT entity_id, any_value(name) AS name FROM entities GROUP BY ALL) AS e USING (entity_id)
        GROUP BY ALL),
    behind AS (
        SELECT article_id, revision, list({{'start': start, 'end': "end", 'weight': weight}} ORDER BY start) AS words
        FROM attributions
        WHERE model_version = $model_version AND entity_id = '' AND recorded_at BETWEEN $reached AND $as_of
        GROUP BY ALL),
    why AS (SELECT article_id, revision, list(DISTINCT theme ORDER BY theme) AS themes FROM themed GROUP BY ALL)
SELECT n.story_id, n.article_id, c.revision, n.counted_at, n.novelty::BIGINT AS novelty, n.owner, a.publisher, a.title,
    a.url, a.published_at, a.first_seen_at, a.imported, a.language, coalesce(j.status, 'unscored') AS status,
    j.p_negative, j.p_neutral, j.p_positive, j.topic, j.p_topic, t.entities, w.words, y.themes
FROM new AS n JOIN counted AS c USING (article_id)
JOIN (SELECT * FROM articles WHERE recorded_at >= $reached) AS a
    ON a.article_id = c.article_id AND a.revision = c.revision
LEFT JOIN judged AS j ON j.article_id = c.article_id AND j.revision = c.revision AND j.entity_id = ''
LEFT JOIN towards AS t ON t.article_id = c.article_id AND t.revision = c.revision
LEFT JOIN behind AS w ON w.article_id = c.article_id AND w.revision = c.revision
LEFT JOIN why AS y ON y.article_id = c.article_id AND y.revision = c.revision
WHERE n.story_id IN (SELECT story_id FROM stories_published)"""


def articles(
    con: duckdb.DuckDBPyConnection,
    stories: Sequence[str] | pa.ChunkedArray,
    model_version: str,
    reached: datetime,
) -> pa.Table:
    """One row per article of these stories, at its newest revision, as the series count them (docs/definitions.md).

    The relation `reached` names the articles they rest on, of which nothing was recorded before `reached`.
    """
    buckets.register(con)
    con.register("stories_published", pa.table({"story_id": stories}))
    bound = {"as_of": datetime(9999, 1, 1, tzinfo=UTC), "model_version": model_version, "reached": reached}
    try:
        return con.execute(buckets.with_sql("recorded_at", reached) + _ARTICLES, bound).to_arrow_table()
    finally:
        con.unregister("topic_keys")
        con.unregister("stories_published")
