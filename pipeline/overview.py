"""Where the store stands: what `status` prints."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipeline.context import Context
from pipeline.promotion import active_model

__all__ = ["Line", "standing"]


@dataclass(frozen=True)
class Line:
    """One fact about the store, in words."""

    what: str
    value: str


def standing(context: Context) -> list[Line]:
    """Counts, freshness, model and open incidents of the store."""
    counts = (
        ("articles", "SELECT count(DISTINCT article_id) FROM articles"),
        ("stories", "SELECT count(DISTINCT story_id) FROM story_members"),
        ("feeds", "SELECT count(*) FROM feeds WHERE kind <> 'archive' AND removed_at IS NULL"),
        ("incidents open", "SELECT count(*) FROM incidents WHERE state IN ('pending', 'firing', 'acknowledged')"),
        ("messages waiting", "SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending', 'failed')"),
    )
    moments = (
        ("newest article", "SELECT max(first_seen_at) FROM articles"),
        ("last fetch", "SELECT max(fetched_at) FROM fetches"),
        ("last score", "SELECT max(recorded_at) FROM scores"),
        ("trends rebuilt", "SELECT max(recorded_at) FROM trends"),
    )
    with context.warehouse.read() as con:
        lines = [Line(what, f"{_one(con, sql):,}") for what, sql in counts]
        for what, sql in moments:
            at = _one(con, sql)
            lines.append(Line(what, f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"))
        active = active_model(con)
    lines.append(Line("active model", active.model_version if active else "none yet: `barograph score` makes one"))
    pointer = context.settings.store.published / "CURRENT"
    lines.append(Line("published snapshot", str(pointer) if pointer.exists() else "none yet: `barograph publish`"))
    return [Line("warehouse", str(context.warehouse.engine)), *lines]


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = con.execute(sql).fetchone()
    return row[0] if row else None
