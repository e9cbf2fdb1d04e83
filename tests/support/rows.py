"""Rows of the base tables, put in and read straight through the warehouse, for tests of one stage alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.context import Context
from pipeline.warehouse import Warehouse

__all__ = ["add_articles", "add_mentions", "rows"]

UTC_US = pa.timestamp("us", tz="UTC")


def add_articles(warehouse: Warehouse, articles: Sequence[dict[str, Any]], known_at: datetime) -> None:
    """Insert articles; each dict overrides the plain defaults (article_id is required)."""
    defaults = {
        "revision": 0, "kind": "news", "feed_id": "feed", "publisher": "Wire", "url": None, "title": "A title",
        "summary": None, "language": "en", "published_at": known_at, "published_raw": "", "date_precision": "second",
        "date_flag": "", "first_seen_at": known_at, "content_sha256": "", "imported": False, "known_at": known_at,
    }  # fmt: skip
    rows = [{**defaults, **article} for article in articles]
    types = {
        "revision": pa.int32(),
        "imported": pa.bool_(),
        "published_at": UTC_US,
        "first_seen_at": UTC_US,
        "known_at": UTC_US,
    }
    names = ["article_id", *defaults]
    table = pa.table({n: pa.array([row[n] for row in rows], types.get(n, pa.string())) for n in names})
    warehouse.transact("articles", lambda tx: tx.insert_new("articles", table, ["article_id", "revision"]))


def add_mentions(warehouse: Warehouse, mentions: Sequence[tuple[str, str, float]]) -> None:
    """Insert (article_id, entity_id, relevance) mentions of revision 0, each with its '' row."""
    linked = {(article, "", 1.0) for article, _, _ in mentions}
    rows = [*sorted(linked), *mentions]
    table = pa.table(
        {
            "article_id": [row[0] for row in rows],
            "revision": pa.array([0] * len(rows), pa.int32()),
            "entity_id": [row[1] for row in rows],
            "surface": [row[1].upper() for row in rows],
            "start": pa.array([0] * len(rows), pa.int32()),
            "end": pa.array([0] * len(rows), pa.int32()),
            "relevance": [row[2] for row in rows],
            "linker_version": ["link-test"] * len(rows),
        }
    )
    keys = ["article_id", "revision", "entity_id", "linker_version"]
    warehouse.transact("mentions", lambda tx: tx.insert_new("mentions", table, keys))


def rows(context: Context, sql: str) -> list[tuple[Any, ...]]:
    """What the store answers."""
    with context.warehouse.read() as con:
        return con.execute(sql).fetchall()
