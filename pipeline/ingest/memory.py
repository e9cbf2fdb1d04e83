"""What the store knows of the entries at hand: by guid, by link, by text, and by what each feed is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.ingest.identity import SHARED, Candidate, Known
from pipeline.ingest.policy import Cause, Identity, Memory, Policy
from pipeline.ingest.raw import Taken
from pipeline.ingest.schedule import FeedState

__all__ = ["Feed", "feeds_of", "link_key_of", "remembered", "taken"]

_DAY = "CASE WHEN date_flag = '' THEN CAST(published_at AT TIME ZONE 'UTC' AS DATE) END"
# A text says which article it is only so long: after that the same words may be news again.
_TEXTS_FOR = timedelta(days=30)


@dataclass(frozen=True)
class Feed:
    """A feed as the store has it."""

    state: FeedState
    identity: Identity
    title: str
    publisher: str
    language: str | None


def feeds_of(con: duckdb.DuckDBPyConnection) -> dict[str, Feed]:
    """Every feed that is fetched, by its id."""
    names = [field.name for field in fields(FeedState)]
    rows = con.execute(
        "SELECT title, publisher, language, identity, identity_reason, identity_at, identity_hint,"
        f" {', '.join(names)} FROM feeds WHERE kind <> 'archive'"
    ).fetchall()
    feeds = []
    for title, publisher, language, policy, cause, since, hint, *state in rows:
        identity = Identity(Policy(policy or Policy.GUID), Cause(cause) if cause else None, since, hint or "")
        feeds.append(Feed(FeedState(**dict(zip(names, state, strict=True))), identity, title, publisher, language))
    return {feed.state.feed_id: feed for feed in feeds}


def taken(con: duckdb.DuckDBPyConnection, fetch_ids: Iterable[str]) -> dict[str, Taken]:
    """Those of the attempts that the store has taken in already, and how."""
    query = "SELECT fetch_id, known_at, outcome FROM fetches SEMI JOIN wanted ON fetch_id = id"
    return {row[0]: Taken(row[1], row[2]) for row in _among(con, query, fetch_ids)}


def remembered(con: duckdb.DuckDBPyConnection, entries: Iterable[Candidate], at: datetime) -> Memory:
    """What there is of these entries at the time `at`."""
    entries = list(entries)
    pages = {entry.page for entry in entries if entry.page}
    first = " QUALIFY row_number() OVER (PARTITION BY {} ORDER BY recorded_at, revision, article_id) = 1"
    by_link = _among(
        con,
        "SELECT link_key, article_id FROM articles SEMI JOIN wanted ON link_key = id" + first.format("link_key"),
        pages | {SHARED + page for page in pages},
    )
    shared = {row[0].removeprefix(SHARED) for row in by_link if row[0].startswith(SHARED)}
    by_link = [row for row in by_link if not row[0].startswith(SHARED)]
    by_text = _among(
        con,
        f"SELECT feed_id, content_sha256, {_DAY} AS day, article_id FROM articles SEMI JOIN wanted"
        " ON content_sha256 = id"
        f" WHERE kind = 'news' AND known_at > TIMESTAMPTZ '{at - _TEXTS_FOR}'"
        + first.format("feed_id, content_sha256, day"),
        {entry.content_sha256 for entry in entries if not entry.fixed},
    )
    ids = (
        {name for entry in entries for name in (entry.article_id, entry.by_title) if name}
        | {row[1] for row in by_link}
        | {row[3] for row in by_text}
    )
    known = _among(
        con,
        "SELECT article_id, max(revision), arg_max(content_sha256, revision), min(first_seen_at), max(known_at),"
        f" arg_max(title, revision), arg_max(link_key, revision) FILTER (WHERE NOT starts_with(link_key, '{SHARED}')),"
        f" arg_max({_DAY}, revision), arg_max(url, revision)"
        " FROM articles SEMI JOIN wanted ON article_id = id GROUP BY article_id",
        ids,
    )
    return Memory(
        {row[0]: Known(*row[1:]) for row in known},
        {row[0]: row[1] for row in by_link},
        {row[:3]: row[3] for row in by_text},
        shared,
    )


def link_key_of(entry: Candidate, article: str) -> str | None:
    """What `articles.link_key` says of an entry that became this article: its page, and whether others share that."""
    if entry.page is None:
        return None
    return SHARED + entry.page if entry.link_key is None or article == entry.by_title else entry.page


def _among(con: duckdb.DuckDBPyConnection, query: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
    """The rows of `query`, in which `wanted` is a table of these ids."""
    con.register("wanted", pa.table({"id": pa.array(sorted(set(ids)), pa.string())}))
    try:
        return con.execute(query).fetchall()
    finally:
        con.unregister("wanted")
