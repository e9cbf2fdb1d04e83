"""Which stories stand in which series: what a page needs to list those of one series without reading all the others."""

from __future__ import annotations

import duckdb
import pyarrow as pa

__all__ = ["members"]

_MEMBERS = """
WITH of_series AS (
    SELECT story_id, 'market' AS scope, 'all' AS key FROM stories
    UNION ALL SELECT story_id, 'topic', topic_key FROM stories WHERE topic_key IS NOT NULL
    UNION ALL SELECT story_id, 'theme', unnest(themes) FROM stories
    UNION ALL SELECT story_id, 'entity', unnest(entity_ids) FROM stories
    UNION ALL SELECT DISTINCT story_id, 'sector', e.sector
        FROM (SELECT story_id, unnest(entity_ids) AS entity_id FROM stories) JOIN entities AS e USING (entity_id)
        WHERE e.sector <> ''
    UNION ALL SELECT DISTINCT story_id, 'publisher', publisher FROM articles WHERE publisher IS NOT NULL)
SELECT scope, key, story_id, first_at, owners, articles, abs(coalesce(polarity, 0)) AS strength
FROM of_series JOIN stories USING (story_id)"""


def members(stories: pa.Table, articles: pa.Table, entities: pa.Table) -> pa.Table:
    """A row for each published story in each of its series; the arguments are published tables."""
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        for name, table in (("stories", stories), ("articles", articles), ("entities", entities)):
            con.register(name, table)
        return con.execute(_MEMBERS).to_arrow_table()
