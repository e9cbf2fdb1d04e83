"""The SQL of `fold`: linked articles without a story, the members around them, and the rows that place them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from pipeline.fold.decide import WINDOW, Article, Decision
from pipeline.fold.text import gist

__all__ = ["Unfolded", "count_around", "count_members", "count_unfolded", "member_table", "members", "unfolded"]

_UTC = pa.timestamp("us", tz="UTC")

# Each article in its newest linked revision, with the companies of its title (of all of it, if the title names none)
# as the newest linker saw them. happened_at: the source's date where the bucket rule trusts it, else known_at.
_LINKED = """
    WITH newest AS (
        SELECT article_id, revision, max_by(linker_version, recorded_at) AS linker_version
        FROM mentions WHERE entity_id = '' AND {scope} GROUP BY article_id, revision
        QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision DESC) = 1
    ), named AS (
        SELECT m.article_id, list(m.entity_id) FILTER (m.start < length(a.title)) AS in_title,
               list(m.entity_id) FILTER (m.relevance >= 0.3) AS in_all
        FROM newest AS n
        JOIN mentions AS m ON m.article_id = n.article_id AND m.revision = n.revision
                          AND m.linker_version = n.linker_version AND m.entity_id <> ''
        JOIN entities AS e ON e.entity_id = m.entity_id AND e.kind = 'company'
        JOIN articles AS a ON a.article_id = n.article_id AND a.revision = n.revision
        GROUP BY m.article_id
    ), linked AS (
        SELECT a.article_id, a.kind, coalesce(a.title, '') AS title, coalesce(a.summary, '') AS summary,
               coalesce(c.in_title, c.in_all, []) AS companies, coalesce(a.imported, false) AS imported, a.known_at,
               CASE WHEN a.imported AND a.date_precision IN ('second', 'day') AND a.published_at IS NOT NULL
                    THEN a.published_at
                    WHEN a.date_precision = 'second'
                     AND a.published_at BETWEEN a.known_at - INTERVAL 24 HOUR AND a.known_at THEN a.published_at
                    ELSE a.known_at END AS happened_at
        FROM newest AS n
        JOIN articles AS a ON a.article_id = n.article_id AND a.revision = n.revision
        LEFT JOIN named AS c ON c.article_id = n.article_id
        WHERE a.kind IN ('news', 'filing')
    )
"""
_UNFOLDED = "NOT EXISTS (SELECT 1 FROM story_members AS s WHERE s.article_id = mentions.article_id)"
# Nothing is known before it happened, and what is observed happened at most a day before; an archive's lag is less.
_KNOWN_AROUND = "article_id IN (SELECT article_id FROM articles WHERE known_at BETWEEN $1 AND $2 + INTERVAL 2 DAY)"
_COLUMNS = "article_id, kind, title, summary, companies, happened_at, known_at"


class Unfolded(NamedTuple):
    """An article to be folded, and whether its `known_at` is an archive's."""

    article: Article
    imported: bool


def count_unfolded(con: duckdb.DuckDBPyConnection) -> int:
    """How many linked articles have no story."""
    return _count(con, f"SELECT count(DISTINCT article_id) FROM mentions WHERE entity_id = '' AND {_UNFOLDED}", [])


def count_members(con: duckdb.DuckDBPyConnection) -> int:
    """How many rows `story_members` has: when it grew, somebody else folded meanwhile."""
    return _count(con, "SELECT count(*) FROM story_members", [])


def count_around(con: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> int:
    """About how many articles `members` would load."""
    return _count(con, "SELECT count(*) FROM articles WHERE known_at BETWEEN $1 AND $2", [start - WINDOW, end + WINDOW])


def unfolded(con: duckdb.DuckDBPyConnection, limit: int) -> list[Unfolded]:
    """At most `limit` linked articles without a story, in the order of (known_at, article_id)."""
    rows = con.execute(
        f"{_LINKED.format(scope=_UNFOLDED)} SELECT {_COLUMNS}, imported FROM linked"
        " ORDER BY known_at, article_id LIMIT $1",
        [limit],
    ).fetchall()
    return [Unfolded(_article(row[:-1]), row[-1]) for row in rows]


def members(con: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> list[tuple[Article, str]]:
    """The folded articles that happened within one window of `start` to `end`, each with its story."""
    rows = con.execute(
        f"{_LINKED.format(scope=_KNOWN_AROUND)} SELECT {_COLUMNS}, s.story_id FROM linked JOIN ("
        "  SELECT article_id, max_by(story_id, recorded_at) AS story_id FROM story_members GROUP BY article_id"
        ") AS s USING (article_id) WHERE happened_at BETWEEN $1 AND $2 ORDER BY known_at, article_id",
        [start - WINDOW, end + WINDOW],
    ).fetchall()
    return [(_article(row[:-1]), row[-1]) for row in rows]


def member_table(rows: Sequence[tuple[Unfolded, Decision]]) -> pa.Table:
    """Rows of `story_members`; `known_at` only where the article was imported."""
    return pa.table(
        {
            "story_id": pa.array([d.story_id for _, d in rows], pa.string()),
            "article_id": pa.array([u.article.article_id for u, _ in rows], pa.string()),
            "how": pa.array([d.how.value for _, d in rows], pa.string()),
            "follows": pa.nulls(len(rows), pa.string()),
            "known_at": pa.array([u.article.known_at if u.imported else None for u, _ in rows], _UTC),
        }
    )


def _count(con: duckdb.DuckDBPyConnection, sql: str, values: list[object]) -> int:
    row = con.execute(sql, values).fetchone()
    return int(row[0]) if row else 0


def _article(row: tuple[object, ...]) -> Article:
    article_id, kind, title, summary, companies, happened_at, known_at = row
    assert isinstance(companies, list)
    assert isinstance(happened_at, datetime)
    assert isinstance(known_at, datetime)
    return Article(
        str(article_id), str(kind), gist(str(title), str(summary)), frozenset(companies), happened_at, known_at
    )
