"""One pass of `aggregate`: which days changed, their buckets straight from the base tables, replaced in one go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.promotion import active_model
from pipeline.series import buckets, coverage
from pipeline.warehouse import Transaction

__all__ = ["dirty_days", "run"]

logger = logging.getLogger(__name__)

# A commit may be recorded before ours and become visible after: we look back this far.
LOOK_BACK = timedelta(hours=1)
# Every base table whose rows can move a bucket; of the scores those of this model only: a shadow moves none.
_CHANGED = " UNION ".join(
    [
        *(
            f"SELECT article_id FROM {table} WHERE recorded_at >= $since"
            for table in ("articles", "mentions", "themes", "story_members")
        ),
        "SELECT article_id FROM scores WHERE recorded_at >= $since AND model_version = $model",
    ]
)
# The stories of a changed article, those it was in before included, and every day their articles lie in.
_DIRTY = f"""
    WITH changed AS ({_CHANGED}),
    touched AS (SELECT DISTINCT story_id FROM story_members WHERE article_id IN (SELECT article_id FROM changed)),
    members AS (SELECT DISTINCT article_id FROM story_members WHERE story_id IN (SELECT story_id FROM touched))
    SELECT DISTINCT unnest([published_at::DATE, known_at::DATE]) AS day
    FROM articles WHERE article_id IN (SELECT article_id FROM members)"""
_DROP = "DELETE FROM trends WHERE model_version = ?"


def run(context: Context, full: bool = False) -> Report:
    """Rebuild what changed since the last pass, or everything (`full`, and when nothing was built yet)."""
    with reporting("aggregate") as report:
        with context.warehouse.read() as con:
            model = active_model(con)
            if model is None:
                report.notes.append("no model is active yet, so there are no series: run `barograph score` first")
                return report
            days = None if full else dirty_days(con, model.model_version, context.clock())
            if days is not None and not days:
                report.counts.update(days=0, buckets=0)
                return report
            rows = buckets.rebuild(con, model.model_version, model.negative_limit, days, now=context.clock())
        context.warehouse.transact("trends", lambda tx: _replace(tx, model.model_version, days, rows))
        report.counts.update(days=_count_days(rows) if days is None else len(days), buckets=rows.num_rows)
        logger.info("aggregate: %s buckets of %s", rows.num_rows, model.model_version)
    return report


def dirty_days(con: duckdb.DuckDBPyConnection, model_version: str, now: datetime) -> list[date] | None:
    """The UTC days whose buckets may have changed since they were last built; None means all of them.

    The first pass of each UTC day is a sweep over everything: it finds what no row of an article tells, such as a
    publisher's new owner, and whatever became visible later than we look back.
    """
    built = con.execute(
        "SELECT min(recorded_at), max(recorded_at) FROM trends WHERE model_version = ?", [model_version]
    ).fetchone()
    if built is None or built[0] is None:
        return None
    oldest, newest = built
    if oldest.astimezone(UTC).date() < now.astimezone(UTC).date():
        return None
    since = newest - LOOK_BACK
    found = con.execute(_DIRTY, {"since": since, "model": model_version}).fetchall()
    days = {row[0] for row in found if row[0] is not None}
    polled = con.execute(
        "SELECT min(fetched_at), max(fetched_at) FROM fetches WHERE recorded_at >= ?", [since]
    ).fetchone()
    if polled and polled[0] is not None:
        # Coverage moves with every poll, and a poll shortly after a bucket still covers it.
        days.update(coverage.utc_days(polled[0] - LOOK_BACK, max(polled[1], now.astimezone(UTC))))
    return sorted(days)


def _replace(tx: Transaction, model_version: str, days: Sequence[date] | None, rows: pa.Table) -> None:
    if days is None:
        tx.con.execute(_DROP, [model_version])
    else:
        tx.con.execute(f"{_DROP} AND bucket_start::DATE IN (SELECT unnest(?::DATE[]))", [model_version, list(days)])
    if not rows.num_rows:
        return
    stamp = pa.array([tx.recorded_at] * rows.num_rows, pa.timestamp("us", tz="UTC"))
    tx.con.register("rebuilt", rows.append_column("recorded_at", stamp))
    try:
        tx.con.execute("INSERT INTO trends BY NAME SELECT * FROM rebuilt")
    finally:
        tx.con.unregister("rebuilt")


def _count_days(rows: pa.Table) -> int:
    return len(set(rows.column("bucket_start").cast(pa.date32()).to_pylist()))
