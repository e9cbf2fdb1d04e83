"""The SQL of `fold`: linked articles without a story, the members around them, and who is in a story."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import duckdb
import pyarrow as pa

from pipeline.fold.compare import WINDOW
from pipeline.fold.records import Article
from pipeline.fold.rows import MemberRow
from pipeline.fold.text import gist
from pipeline.fold.window import Member
from pipeline.fold.wires import wire_of
from pipeline.series.membership import newest_first

__all__ = [
    "Unfolded",
    "articles_of",
    "count_known",
    "count_members",
    "count_unfolded",
    "member_table",
    "members",
    "newest",
    "unfolded",
]

_UTC = pa.timestamp("us", tz="UTC")

# Each article in its newest linked revision, with the companies of its title (of all of it, if the title names none)
# and whatever else its title names, as the newest linker saw them. happened_at: the source's date where the bucket
# rule trusts it, else known_at.
_LINKED = """
    WITH newest AS (
        SELECT article_id, revision, max_by(linker_version, recorded_at) AS linker_version
        FROM mentions WHERE entity_id = '' AND {scope} GROUP BY article_id, revision
        QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision DESC) = 1
    ), named AS (
        SELECT m.article_id,
               list(m.entity_id) FILTER (e.kind = 'company' AND m.start < length(a.title)) AS in_title,
               list(m.entity_id) FILTER (e.kind = 'company' AND m.relevance >= 0.3) AS in_all,
               list(m.entity_id) FILTER (e.kind <> 'company' AND m.start < length(a.title)) AS others
        FROM newest AS n
        JOIN mentions AS m ON m.article_id = n.article_id AND m.revision = n.revision
                          AND m.linker_version = n.linker_version AND m.entity_id <> ''
        JOIN entities AS e ON e.entity_id = m.entity_id
        JOIN articles AS a ON a.article_id = n.article_id AND a.revision = n.revision
        GROUP BY m.article_id
    ), linked AS (
        SELECT a.article_id, a.kind, coalesce(a.title, '') AS title, coalesce(a.summary, '') AS summary,
               coalesce(c.in_title, c.in_all, []) AS companies, coalesce(c.others, []) AS others,
               coalesce(a.imported, false) AS imported, a.known_at, coalesce(a.publisher, '') AS publisher,
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
_KNOWN_AROUND = """article_id IN (
            SELECT article_id FROM articles
            WHERE known_at BETWEEN $1 AND $2 + INTERVAL 2 DAY AND known_at BETWEEN $3 AND $4)"""
_COLUMNS = "article_id, kind, title, summary, companies, others, happened_at, known_at, publisher"
_CURRENT = f"""
    SELECT article_id, story_id, known_at FROM story_members
    QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY {newest_first("recorded_at")}) = 1"""
_AROUND = f"""{_LINKED.format(scope=_KNOWN_AROUND)}, held AS (
        SELECT {", ".join(f"linked.{name.strip()}" for name in _COLUMNS.split(","))}, c.story_id
        FROM linked JOIN ({_CURRENT}) AS c USING (article_id) WHERE happened_at BETWEEN $1 AND $2
    ), begun AS (
        SELECT s.story_id, min(a.known_at) AS begun_at FROM story_members AS s JOIN articles AS a USING (article_id)
        WHERE s.how = 'first' AND s.story_id IN (SELECT story_id FROM held) GROUP BY s.story_id
    )
    SELECT held.*, coalesce(begun_at, known_at) FROM held LEFT JOIN begun USING (story_id)
    ORDER BY known_at, article_id"""


class Unfolded(NamedTuple):
    """An article to be folded, whether its `known_at` is an archive's, and the wire it credits ('' none)."""

    article: Article
    imported: bool
    wire: str


def count_unfolded(con: duckdb.DuckDBPyConnection) -> int:
    """How many linked articles have no story."""
    return _count(con, f"SELECT count(DISTINCT article_id) FROM mentions WHERE entity_id = '' AND {_UNFOLDED}", [])


def count_members(con: duckdb.DuckDBPyConnection) -> int:
    """How many rows `story_members` has: when it grew, somebody else folded meanwhile."""
    return _count(con, "SELECT count(*) FROM story_members", [])


def count_known(con: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> int:
    """How many articles became known in that time: about as many as `members` would load."""
    return _count(con, "SELECT count(*) FROM articles WHERE known_at BETWEEN $1 AND $2", [start, end])


def unfolded(con: duckdb.DuckDBPyConnection, limit: int) -> list[Unfolded]:
    """At most `limit` linked articles without a story, in the order of (known_at, article_id)."""
    rows = con.execute(
        f"{_LINKED.format(scope=_UNFOLDED)} SELECT {_COLUMNS}, imported FROM linked"
        " ORDER BY known_at, article_id LIMIT $1",
        [limit],
    ).fetchall()
    return [Unfolded(_article(row[:-1]), row[-1], wire_of(row[2], row[3])) for row in rows]


def members(
    con: duckdb.DuckDBPyConnection,
    happened: tuple[datetime, datetime],
    known: tuple[datetime, datetime],
    read: Mapping[str, Article],
) -> list[Member]:
    """The folded articles that happened within one window of the span `happened` and became known in the span `known`,
    in the order of (known_at, article_id), each with its story as it stands. `read`: articles already in hand."""
    start, end = happened
    rows = con.execute(_AROUND, [start - WINDOW, end + WINDOW, *known]).fetchall()
    return [(read.get(row[0]) or _article(row[:-2]), row[-2], row[-1]) for row in rows]


def newest(con: duckdb.DuckDBPyConnection, limit: int) -> list[Article]:
    """The newest linked articles, in the order of (known_at, article_id)."""
    rows = con.execute(
        f"{_LINKED.format(scope='true')} SELECT {_COLUMNS} FROM linked"
        " ORDER BY known_at DESC, article_id DESC LIMIT $1",
        [limit],
    ).fetchall()
    return [_article(row) for row in reversed(rows)]


def articles_of(con: duckdb.DuckDBPyConnection, stories: Collection[str]) -> dict[str, list[tuple[str, datetime]]]:
    """All articles that stand in these stories, each with when its place there was known."""
    rows = con.execute(
        f"SELECT story_id, article_id, known_at FROM ({_CURRENT}) WHERE story_id IN (SELECT unnest($1::VARCHAR[]))"
        " ORDER BY article_id",
        [sorted(stories)],
    ).fetchall()
    found: dict[str, list[tuple[str, datetime]]] = {}
    for story, article, known_at in rows:
        found.setdefault(story, []).append((article, known_at))
    return found


def member_table(rows: Iterable[MemberRow]) -> pa.Table:
    """Rows of `story_members`; `known_at` only where an archive's is inherited."""
    given = list(rows)
    text = ("story_id", "article_id", "how", "follows", "wire")
    columns = {name: pa.array([getattr(row, name) for row in given], pa.string()) for name in text}
    return pa.table({**columns, "known_at": pa.array([row.known_at for row in given], _UTC)})


def _count(con: duckdb.DuckDBPyConnection, sql: str, values: list[object]) -> int:
    row = con.execute(sql, values).fetchone()
    return int(row[0]) if row else 0


def _article(row: tuple[object, ...]) -> Article:
    article_id, kind, title, summary, companies, others, happened_at, known_at, publisher = row
    assert isinstance(companies, list)
    assert isinstance(others, list)
    assert isinstance(happened_at, datetime)
    assert isinstance(known_at, datetime)
    of_title = frozenset(companies)
    return Article(
        str(article_id),
        str(kind),
        gist(str(title), str(summary)),
        of_title,
        happened_at,
        known_at,
        of_title | frozenset(others),
        str(publisher),
    )
