"""The SQL of `link`: which revisions are not linked yet, and the rows that say they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from pipeline.link.gazetteer import Entity
from pipeline.link.linker import Linked

__all__ = ["Article", "count_unlinked", "entity_table", "mention_table", "stored_entities", "theme_table", "unlinked"]

_UTC = pa.timestamp("us", tz="UTC")
_UNLINKED = """
    FROM articles AS a
    WHERE a.kind IN ('news', 'filing')
      AND NOT EXISTS (SELECT 1 FROM articles AS later
                      WHERE later.article_id = a.article_id AND later.revision > a.revision)
      AND NOT EXISTS (SELECT 1 FROM mentions AS m
                      WHERE m.article_id = a.article_id AND m.revision = a.revision
                        AND m.entity_id = '' AND m.linker_version = $1)
"""


class Article(NamedTuple):
    """A revision as `link` reads it; `known_at` only where it was imported.

    `dated` is when it was written, as far as its date can be believed, else when we knew it: what a name meant then.
    """

    article_id: str
    revision: int
    title: str
    summary: str
    known_at: datetime | None
    dated: datetime


def count_unlinked(con: duckdb.DuckDBPyConnection, version: str) -> int:
    """How many newest revisions have no mentions of this linker version."""
    row = con.execute(f"SELECT count(*) {_UNLINKED}", [version]).fetchone()
    return int(row[0]) if row else 0


def unlinked(con: duckdb.DuckDBPyConnection, version: str, limit: int) -> list[Article]:
    """At most `limit` of them, in the order they became known."""
    rows = con.execute(
        "SELECT a.article_id, a.revision, coalesce(a.title, ''), coalesce(a.summary, ''),"
        " CASE WHEN a.imported THEN a.known_at END, CASE WHEN coalesce(a.date_flag, '') = ''"
        f" AND a.published_at <= a.known_at + INTERVAL 1 DAY THEN a.published_at ELSE a.known_at END {_UNLINKED}"
        " ORDER BY a.known_at, a.article_id, a.revision LIMIT $2",
        [version, limit],
    ).fetchall()
    return [Article(*row) for row in rows]


def stored_entities(con: duckdb.DuckDBPyConnection) -> set[Entity]:
    """The entities as the store has them."""
    rows = con.execute(
        "SELECT entity_id, name, kind, sector, parent, tickers, aliases, country FROM entities"
    ).fetchall()
    return {Entity(i, n, k, s, p, tuple(t or ()), tuple(a or ()), c) for i, n, k, s, p, t, a, c in rows}


def entity_table(entities: Sequence[Entity]) -> pa.Table:
    """Rows of `entities`."""
    texts = ("entity_id", "name", "kind", "sector", "parent", "country")
    columns = {name: pa.array([getattr(e, name) for e in entities], pa.string()) for name in texts}
    for name in ("tickers", "aliases"):
        columns[name] = pa.array([list(getattr(e, name)) for e in entities], pa.list_(pa.string()))
    return pa.table(columns)


def mention_table(articles: Sequence[Article], linked: Sequence[Linked], version: str) -> pa.Table:
    """Rows of `mentions`; imported articles hand down their `known_at`, the rest are stamped by the store."""
    rows = [
        (a.article_id, a.revision, m.entity_id, m.surface, m.start, m.end, m.relevance, version, a.known_at)
        for a, result in zip(articles, linked, strict=True)
        for m in result.mentions
    ]
    names = ("article_id", "revision", "entity_id", "surface", "start", "end", "relevance", "linker_version")
    types = (pa.string(), pa.int32(), pa.string(), pa.string(), pa.int32(), pa.int32(), pa.float64(), pa.string())
    return _table(rows, names, types)


def theme_table(articles: Sequence[Article], linked: Sequence[Linked], version: str) -> pa.Table:
    """Rows of `themes`, their `known_at` as in `mention_table`."""
    rows = [
        (a.article_id, a.revision, entity_id, theme, version, a.known_at)
        for a, result in zip(articles, linked, strict=True)
        for entity_id, theme in result.themes
    ]
    names = ("article_id", "revision", "entity_id", "theme", "pattern_version")
    return _table(rows, names, (pa.string(), pa.int32(), pa.string(), pa.string(), pa.string()))


def _table(rows: Sequence[tuple[object, ...]], names: Sequence[str], types: Sequence[pa.DataType]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * (len(names) + 1)
    arrays = {name: pa.array(column, kind) for name, column, kind in zip(names, columns, types, strict=False)}
    arrays["known_at"] = pa.array(columns[-1], _UTC)
    return pa.table(arrays)
