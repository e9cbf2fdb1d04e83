"""A small world for series and detection: articles with their story, links, themes and scores, put in in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.promotion import activate
from pipeline.warehouse import Warehouse

__all__ = ["LINKER", "MODEL", "Piece", "activate_model", "insert", "put"]

MODEL = "words@1"
LINKER = "link-1+test"
UTC_US = pa.timestamp("us", tz="UTC")
_TYPES = {
    "revision": pa.int32(), "start": pa.int32(), "end": pa.int32(), "imported": pa.bool_(), "truncated": pa.bool_(),
    "relevance": pa.float64(), "p_negative": pa.float64(), "p_neutral": pa.float64(), "p_positive": pa.float64(),
    "p_topic": pa.float64(), "published_at": UTC_US, "first_seen_at": UTC_US, "known_at": UTC_US,
    "fetched_at": UTC_US, "added_at": UTC_US, "happened_at": UTC_US, "seq": pa.int32(),
    "last_fetch_at": UTC_US, "next_fetch_at": UTC_US, "removed_at": UTC_US,
}  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One article with all that the stages before `aggregate` say about it."""

    article_id: str
    published_at: datetime | None
    known_at: datetime
    story_id: str = ""
    publisher: str = "Wire"
    imported: bool = False
    precision: str = "second"
    flag: str = ""
    status: str | None = "scored"
    p_negative: float = 0.1
    p_positive: float = 0.2
    topic: str = "Macro"
    # entity -> (relevance, p_negative, p_positive)
    entities: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    themes: tuple[tuple[str, str], ...] = ()
    title: str = "A title"
    feed_id: str = "feed"
    revision: int = 0
    inherited: bool = False


def insert(warehouse: Warehouse, group: str, table: str, rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> int:
    """Insert plain dicts the way a stage does, in one transaction; rows without known_at are stamped by the store."""
    alike: dict[frozenset[str], list[dict[str, Any]]] = {}
    for row in rows:
        alike.setdefault(frozenset(row), []).append(row)
    tables = [
        pa.table({name: pa.array([row[name] for row in part], _TYPES.get(name, pa.string())) for name in part[0]})
        for part in alike.values()
    ]
    return warehouse.transact(group, lambda tx: sum(tx.insert_new(table, part, keys) for part in tables))


def activate_model(warehouse: Warehouse, version: str = MODEL, negative_limit: float = 0.5) -> None:
    """Make `version` the active model."""
    warehouse.transact("models", lambda tx: activate(tx, version, negative_limit, actor="test", reason="test"))


def put(warehouse: Warehouse, pieces: Iterable[Piece], model: str = MODEL) -> None:
    """Insert articles, story members, mentions, themes and scores of the pieces."""
    pieces = list(pieces)
    revision = ["article_id", "revision"]
    insert(warehouse, "articles", "articles", [_article(p) for p in pieces], revision)
    with warehouse.read() as con:
        begun = {row[0] for row in con.execute("SELECT DISTINCT story_id FROM story_members").fetchall()}
    insert(warehouse, "stories", "story_members", _members(pieces, begun), ["article_id"])
    mentions = [_mention(p, e, r) for p in pieces for e, r in [("", 1.0), *((e, v[0]) for e, v in p.entities.items())]]
    insert(warehouse, "mentions", "mentions", mentions, [*revision, "entity_id", "linker_version"])
    themes = [
        {**_head(p), "entity_id": entity, "theme": theme, "pattern_version": "themes-test"}
        for p in pieces
        for entity, theme in p.themes
    ]
    insert(warehouse, "mentions", "themes", themes, [*revision, "entity_id", "theme", "pattern_version"])
    scores = [_score(p, e, n, q, model) for p in pieces if p.status for e, n, q in _scored(p)]
    insert(warehouse, "scores", "scores", scores, [*revision, "entity_id", "model_version"])


def _head(p: Piece) -> dict[str, Any]:
    known = {"known_at": p.known_at} if p.imported or p.inherited else {}
    return {"article_id": p.article_id, "revision": p.revision, **known}


def _article(p: Piece) -> dict[str, Any]:
    return {
        "article_id": p.article_id, "revision": p.revision, "kind": "news", "feed_id": p.feed_id,
        "publisher": p.publisher, "url": f"https://news.example/{p.article_id}", "title": p.title, "summary": None,
        "language": "en", "published_at": p.published_at, "published_raw": "", "date_precision": p.precision,
        "date_flag": p.flag, "first_seen_at": p.known_at, "content_sha256": "", "imported": p.imported,
        "known_at": p.known_at,
    }  # fmt: skip


def _members(pieces: Sequence[Piece], begun: set[str]) -> list[dict[str, Any]]:
    """The first article of each story begins it, the others are copies; `begun`: stories that the store has."""
    rows = []
    for p in pieces:
        if p.revision:
            continue
        story = p.story_id or f"story-{p.article_id}"
        head = {key: value for key, value in _head(p).items() if key != "revision"}
        rows.append({**head, "story_id": story, "how": "copy" if story in begun else "first", "follows": None})
        begun.add(story)
    return rows


def _mention(p: Piece, entity: str, relevance: float) -> dict[str, Any]:
    return {
        **_head(p), "entity_id": entity, "surface": entity, "start": 0, "end": 0, "relevance": relevance,
        "linker_version": LINKER,
    }  # fmt: skip


def _scored(p: Piece) -> list[tuple[str, float, float]]:
    return [("", p.p_negative, p.p_positive), *((e, v[1], v[2]) for e, v in p.entities.items() if v[0] >= 0.3)]


def _score(p: Piece, entity: str, negative: float, positive: float, model: str) -> dict[str, Any]:
    real = p.status in ("scored", "abstained")
    return {
        **_head(p), "entity_id": entity, "model_version": model, "status": p.status,
        "p_negative": negative if real else None, "p_neutral": 1 - negative - positive if real else None,
        "p_positive": positive if real else None, "topic": p.topic if real else None, "p_topic": 0.9 if real else None,
        "truncated": False,
    }  # fmt: skip
