"""The store as it was known at a time: incidents, feeds and series of then, and a whole store that ends there.

What we know is insert-only, so that most tables as of a time are their rows recorded until then. Incidents are folded
from their events of then; feeds are told by the attempts of then; series are counted from the base tables of then.
Names of entities, owners of publishers and addresses of feeds are kept as they stand, and are those of now.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.context import Context, Progress, silent
from pipeline.errors import UsageError
from pipeline.incidents import Action, Event, Incident, Reason, Severity, fold
from pipeline.promotion import ActiveModel
from pipeline.series import buckets
from pipeline.warehouse import Warehouse

__all__ = ["both_clocks", "feeds", "incident_rows", "incidents", "store", "trends"]

logger = logging.getLogger(__name__)

_EVENTS = """
    SELECT event_id, incident_id, seq, happened_at, action, reason, severity, actor, detail FROM incident_events
    WHERE recorded_at <= $as_of ORDER BY incident_id, seq"""
# What an attempt changes of a feed.
_FEEDS = """
    WITH of_feed AS (
        SELECT feed_id, max(fetched_at) AS last_fetch_at,
            max(fetched_at) FILTER (outcome IN ('new', 'unchanged', 'same_body', 'nothing_new', 'empty'))
                AS last_success_at,
            max_by(outcome, fetched_at) AS last_outcome, max_by(error, fetched_at) AS last_error
        FROM fetches WHERE recorded_at <= $as_of AND outcome <> 'hushed' GROUP BY feed_id),
    failed AS (
        SELECT t.feed_id, count(*)::INTEGER AS failures FROM fetches AS t JOIN of_feed AS o USING (feed_id)
        WHERE t.recorded_at <= $as_of AND t.outcome <> 'hushed'
            AND (o.last_success_at IS NULL OR t.fetched_at > o.last_success_at)
        GROUP BY t.feed_id),
    brought AS (
        SELECT feed_id, max(known_at) AS last_new_at FROM articles WHERE recorded_at <= $as_of GROUP BY feed_id)
    SELECT f.* REPLACE (
        CASE WHEN f.removed_at > $as_of OR f.removed_at IS NULL THEN 'active' ELSE f.status END AS status,
        CASE WHEN f.removed_at <= $as_of THEN f.removed_at END AS removed_at,
        NULL AS etag, NULL AS last_modified, NULL AS body_sha256, NULL AS next_fetch_at,
        o.last_fetch_at AS last_fetch_at, o.last_success_at AS last_success_at, b.last_new_at AS last_new_at,
        coalesce(x.failures, 0)::INTEGER AS failures, o.last_outcome AS last_outcome, o.last_error AS last_error)
    FROM feeds AS f LEFT JOIN of_feed AS o USING (feed_id) LEFT JOIN failed AS x USING (feed_id)
    LEFT JOIN brought AS b USING (feed_id)
    WHERE f.added_at <= $as_of ORDER BY f.feed_id"""
_COLUMNS = """
    SELECT table_name, bool_or(column_name = 'known_at') AND bool_or(column_name = 'recorded_at')
    FROM information_schema.columns WHERE table_catalog = current_database() AND table_schema = 'main'
    GROUP BY table_name ORDER BY table_name"""
# Kept as they stand: no row of them says since when.
_CATALOGUE = ("publishers", "entities")
_RULES = """
    SELECT kind, arg_max(content, recorded_at) FROM configurations
    WHERE recorded_at <= $as_of AND kind IN ('rules', 'watchlists') AND name = '' GROUP BY kind"""
_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = ("incident_id", "dedup_key", "rule", "kind", "scope", "key", "label", "summary", "model_version")
_TIMES = ("opened_at", "fired_at", "acknowledged_at", "resolved_at", "last_seen_at")


def both_clocks(con: duckdb.DuckDBPyConnection) -> dict[str, bool]:
    """Every table of the store, and whether its rows have both clocks: what is known later is then another row."""
    return {name: bool(clocks) for name, clocks in con.execute(_COLUMNS).fetchall()}


def incidents(con: duckdb.DuckDBPyConnection, as_of: datetime) -> list[Incident]:
    """Every incident there was, folded from the events recorded until then; oldest first."""
    events: dict[str, list[Event]] = {}
    for row in con.execute(_EVENTS, {"as_of": as_of}).fetchall():
        event = Event(
            row[0], row[1], row[2], row[3], Action(row[4]), Reason(row[5]), Severity(row[6]), row[7] or "", row[8]
        )
        events.setdefault(event.incident_id, []).append(event)
    return sorted((fold(of_one) for of_one in events.values()), key=lambda one: (one.opened_at, one.incident_id))


def incident_rows(found: list[Incident]) -> pa.Table:
    """Rows as of the table `incidents`. `suppressed_by` is not told by events, and is NULL."""
    columns: dict[str, Any] = {name: pa.array([getattr(one, name) for one in found], pa.string()) for name in _TEXTS}
    columns |= {name: pa.array([getattr(one, name) for one in found], _TIME) for name in _TIMES}
    return pa.table(
        columns
        | {
            "severity": pa.array([one.severity.value for one in found], pa.string()),
            "state": pa.array([one.state.value for one in found], pa.string()),
            "suppressed_by": pa.nulls(len(found), pa.string()),
            "single_source": pa.array([one.single_source for one in found], pa.bool_()),
            "acknowledged_by": pa.array([one.acknowledged_by or None for one in found], pa.string()),
            "events": pa.array([one.events for one in found], pa.int32()),
        }
    )


def feeds(con: duckdb.DuckDBPyConnection, as_of: datetime) -> pa.Table:
    """Rows of `feeds` that were in the list by then, with what the attempts recorded until then had brought."""
    return con.execute(_FEEDS, {"as_of": as_of}).to_arrow_table()


def trends(
    con: duckdb.DuckDBPyConnection,
    model: ActiveModel,
    as_of: datetime,
    days: list[date] | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """Rows of `trends` of these UTC days (None: all with news) as known then, by the model of then."""
    chosen = days if days is not None else [day for day in buckets.days_with_news(con, as_of) if day <= as_of.date()]
    return buckets.rebuild(con, model.model_version, model.negative_limit, chosen, as_of, progress=progress)


@contextmanager
def store(context: Context, as_of: datetime) -> Iterator[Context]:
    """A store of its own, removed afterwards, that holds what the store knew at a time, with a clock that stands there.

    Any stage can run on it as it would have run then. What is derived (series, fits, limits) is not in it: `aggregate`
    and `detect` make it. Detection goes by the rules and watch-lists that were in force, where the store kept them.

    Raises:
        UsageError: the time has not come yet.
    """
    if as_of > context.clock():
        raise UsageError(f"{as_of:%Y-%m-%d %H:%M} UTC has not come yet; name a time that is past.")
    with TemporaryDirectory(prefix="barograph-then-") as name:
        folder = Path(name)
        with context.warehouse.read() as con:
            parts = _unloaded(con, as_of, folder, context.progress)
            rules = dict(con.execute(_RULES, {"as_of": as_of}).fetchall())
        past = Warehouse(f"duckdb:{folder / 'then.duckdb'}", lambda: as_of, context.warehouse.lock_timeout_s)
        past.prepare()
        with past.engine.connect(read_only=False) as con:
            for table, file in parts.items():
                con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet(?)", [str(file)])
                file.unlink()
        files = {}
        for kind, content in rules.items():
            files[kind] = folder / f"{kind}.toml"
            files[kind].write_text(content, encoding="utf-8")
        detect = context.settings.detect.model_copy(update=files)
        settings = context.settings.model_copy(update={"detect": detect})
        yield replace(context, settings=settings, warehouse=past, clock=lambda: as_of)


def _unloaded(con: duckdb.DuckDBPyConnection, as_of: datetime, folder: Path, progress: Progress) -> dict[str, Path]:
    """Parquet files of what was known then, so that the store is let go of soon."""
    clocks = both_clocks(con)
    tables = [name for name, both in clocks.items() if both or name in _CATALOGUE]
    files = {}
    for done, table in enumerate(tables):
        progress("read what was known", done, len(tables))
        files[table] = folder / f"{table}.parquet"
        where = f"WHERE recorded_at <= TIMESTAMPTZ '{as_of.isoformat()}'" if clocks[table] else ""
        con.execute(f"COPY (SELECT * FROM {table} {where}) TO '{files[table]}' (FORMAT parquet, COMPRESSION zstd)")
    for table, rows in (("incidents", incident_rows(incidents(con, as_of))), ("feeds", feeds(con, as_of))):
        files[table] = folder / f"{table}.parquet"
        pq.write_table(rows, files[table])
    return files
