"""The figures, read from the store in one visit: what was done, what waits and since when, how complete it all is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

import duckdb

from pipeline.context import Context
from pipeline.machine import disk, newest_cycle
from pipeline.promotion import active_model
from pipeline.waiting import BACKLOG_FEEDS, BACKLOG_SCORES, LOOK_BACK
from pipeline.warehouse.engines import DuckDBFile, Engine

__all__ = ["Facts", "Latest", "Tally", "Waiting", "read"]


class Tally(NamedTuple):
    """One row of `tallies`: `n` runs, seconds or results of a stage since the store was made."""

    stage: str
    kind: str
    name: str
    reason: str
    n: float


class Latest(NamedTuple):
    """The newest run of a stage that was done: when it ended, and how long it took."""

    ended_at: datetime
    seconds: float


class Waiting(NamedTuple):
    """What a stage has not done yet: how many, and since when the oldest waits (None: nothing does)."""

    n: int
    since: datetime | None


@dataclass(frozen=True)
class Facts:
    """Everything the metrics are made of. None: not known (yet), which is not nought."""

    at: datetime
    version: str
    tallies: Sequence[Tally] = ()
    latest: Mapping[str, Latest] = field(default_factory=dict)
    waiting: Mapping[str, Waiting] = field(default_factory=dict)
    feeds: Mapping[str, int] = field(default_factory=dict)
    notifications: Mapping[str, int] = field(default_factory=dict)
    incidents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    coverage: float | None = None
    newest_article_at: datetime | None = None
    model: str | None = None
    model_since: datetime | None = None
    store_bytes: int | None = None
    disk_free_bytes: int | None = None
    snapshot_at: datetime | None = None
    schema_version: int = 0


# A revision waits while it is the newest of its article and the stage has written no row for it.
_NEWEST = (
    "SELECT a.article_id, a.revision, a.recorded_at FROM articles a WHERE a.recorded_at >= $since"
    " AND a.kind IN ('news', 'filing') AND NOT EXISTS (SELECT 1 FROM articles l"
    " WHERE l.article_id = a.article_id AND l.revision > a.revision AND l.recorded_at >= $since)"
)
_WAITING = {
    "ingest": BACKLOG_FEEDS,
    "link": f"SELECT count(*), min(recorded_at) FROM ({_NEWEST}) n WHERE NOT EXISTS (SELECT 1 FROM mentions m"
    " WHERE m.article_id = n.article_id AND m.revision = n.revision AND m.entity_id = '')",
    "fold": f"SELECT count(DISTINCT article_id), min(recorded_at) FROM ({_NEWEST}) n"
    " WHERE NOT EXISTS (SELECT 1 FROM story_members s WHERE s.article_id = n.article_id)",
    "score": BACKLOG_SCORES,
    "notify": "SELECT count(*), min(created_at) FROM notifications WHERE status IN ('pending', 'sending', 'failed')",
}
_COVERAGE = (
    "SELECT covered / expected FROM trends WHERE grain = 'hour' AND scope = 'market' AND expected >= 1"
    " AND model_version = $model AND bucket_start = date_trunc('hour', $now::TIMESTAMPTZ) - INTERVAL 1 HOUR"
)


def read(context: Context) -> Facts:
    """The facts of now.

    Raises:
        StoreError: the store cannot be read.
    """
    now = context.clock()
    with context.warehouse.read() as con:
        model = active_model(con)
        values = {
            "now": now,
            "since": now - LOOK_BACK,
            "model": model.model_version if model else "",
            "imports": True,
        }
        return Facts(
            at=now,
            version=version("barograph"),
            tallies=[
                Tally(*row) for row in _rows(con, "SELECT stage, kind, name, reason, n FROM tallies ORDER BY ALL")
            ],
            latest={
                stage: Latest(ended_at, seconds)
                for stage, ended_at, seconds in _rows(
                    con,
                    "SELECT stage, max(ended_at), arg_max(seconds, ended_at) FROM runs"
                    " WHERE outcome = 'done' GROUP BY stage",
                )
            },
            waiting={stage: Waiting(*_rows(con, sql, values)[0]) for stage, sql in _WAITING.items()},
            feeds=_counted(
                con, "coalesce(last_outcome, 'never')", "feeds WHERE kind <> 'archive' AND removed_at IS NULL"
            ),
            notifications=_counted(con, "status", "notifications WHERE status NOT IN ('sent', 'skipped')"),
            incidents={
                (severity, state): n
                for severity, state, n in _rows(
                    con, "SELECT severity, state, count(*) FROM incidents WHERE state <> 'resolved' GROUP BY ALL"
                )
            },
            coverage=_first(con, _COVERAGE, values),
            newest_article_at=_first(
                con, "SELECT max(first_seen_at) FROM articles WHERE recorded_at >= $since", values
            ),
            model=model.model_version if model else None,
            model_since=model.since if model else None,
            store_bytes=_size(con, context.warehouse.engine),
            disk_free_bytes=disk(context.settings.store.published).free,
            snapshot_at=newest_cycle(context.settings.store.published),
            schema_version=int(_first(con, "SELECT max(version) FROM schema_version") or 0),
        )


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    named = {name: value for name, value in (values or {}).items() if f"${name}" in sql}
    return con.execute(sql, named).fetchall() if named else con.execute(sql).fetchall()


def _first(con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> Any:
    rows = _rows(con, sql, values)
    return rows[0][0] if rows else None


def _counted(con: duckdb.DuckDBPyConnection, what: str, where: str) -> dict[str, int]:
    return dict(_rows(con, f"SELECT {what}, count(*) FROM {where} GROUP BY ALL"))


def _size(con: duckdb.DuckDBPyConnection, engine: Engine) -> int | None:
    if not isinstance(engine, DuckDBFile):
        return int(_first(con, "SELECT coalesce(sum(file_size_bytes), 0) FROM ducklake_table_info('lake')"))
    files = (engine.path, engine.path.with_name(f"{engine.path.name}.wal"))
    return sum(file.stat().st_size for file in files if file.exists())
