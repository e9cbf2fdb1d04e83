"""One pass of `aggregate`: which days changed, their buckets straight from the base tables, replaced in one go."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.context import Context, Report, reporting
from pipeline.promotion import active_model
from pipeline.series import buckets, coverage, reach
from pipeline.warehouse import Transaction

__all__ = ["Changed", "dirty_days", "run"]

logger = logging.getLogger(__name__)

# A commit may be recorded before we read and become visible after: we look back this far.
LOOK_BACK = timedelta(hours=1)
# The first pass of a day sweeps over so much of the past: the longest that an index is standardised by, and as much
# again. What no row of an article tells of older days (a publisher's new owner) is taken in by `--full`.
SWEEP = timedelta(days=400)
# A maintain on a machine whose clock is ahead lets articles go so much earlier than we would.
_SKEW = timedelta(days=1)
# More articles than this are rebuilt week by week, so that memory does not grow with the store.
AT_ONCE = 500_000
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
# Where the articles of the touched stories may count.
_DAYS = """
    SELECT DISTINCT unnest(CASE WHEN imported THEN [published_at::DATE]
        WHEN published_at BETWEEN known_at - INTERVAL 24 HOUR AND known_at THEN [known_at::DATE, published_at::DATE]
        ELSE [known_at::DATE] END) AS day
    FROM articles WHERE recorded_at >= $since AND article_id IN (SELECT article_id FROM reached)"""
_DROP = "DELETE FROM trends WHERE model_version = ? AND bucket_start >= ?"
_LAST = """
    SELECT max(read_at), max(read_at) FILTER (swept) FROM rebuilds
    WHERE model_version = $model AND EXISTS (SELECT 1 FROM trends WHERE model_version = $model LIMIT 1)"""


def run(context: Context, full: bool = False) -> Report:
    """Rebuild what changed since the last pass, or everything (`full`, and when nothing was built yet).

    Days whose articles `[maintain] articles_days` may have let go stay as they were counted while all were there.
    """
    with reporting("aggregate") as report:
        now = context.clock()
        since = _whole_since(context.settings.maintain.articles_days, now)
        with context.warehouse.read() as con:
            model = active_model(con)
            if model is None:
                report.notes.append("no model is active yet, so there are no series: run `barograph score` first")
                return report
            changed = Changed(None, True) if full else dirty_days(con, model.model_version, now).since(since)
            if changed.days is not None and not changed.days:
                report.counts.update(days=0, buckets=0)
                return report
            days = changed.days if changed.days is not None else _all_days(con, since)
            rows = buckets.rebuild(
                con, model.model_version, model.negative_limit, days, now=now, progress=context.progress
            )
        rows = rows.filter(pc.field("bucket_start") >= since)
        work = partial(
            _replace, model_version=model.model_version, changed=changed, since=since, rows=rows, read_at=now
        )
        context.warehouse.transact("trends", work)
        report.counts.update(days=_count_days(rows) if changed.days is None else len(changed.days), buckets=len(rows))
        logger.info("aggregate: %s buckets of %s", len(rows), model.model_version)
    return report


@dataclass(frozen=True)
class Changed:
    """The UTC days to rebuild (None: all of them); `swept`: whether that goes over what no row of an article tells."""

    days: list[date] | None
    swept: bool

    def since(self, first: datetime) -> Changed:
        """The same without the days that began before `first`."""
        return self if self.days is None else Changed([day for day in self.days if day >= first.date()], self.swept)


def _whole_since(articles_days: int, now: datetime) -> datetime:
    """The start of the first UTC day of which no article can have been kept long enough (0 days: for ever)."""
    if not articles_days:
        return datetime.min.replace(tzinfo=UTC)
    return coverage.midnight((now - timedelta(days=articles_days)).astimezone(UTC).date() + timedelta(days=1)) + _SKEW


def dirty_days(con: duckdb.DuckDBPyConnection, model_version: str, now: datetime) -> Changed:
    """The days whose buckets may have changed since they were last built.

    A new, revised, linked, folded or scored article marks every day on which an article of its stories may count, of
    those it was in before, too. The first pass of each UTC day sweeps over the last `SWEEP`: it finds what no row of
    an article tells, such as a publisher's new owner, and whatever became visible later than we look back.
    """
    read_at, swept_at = con.execute(_LAST, {"model": model_version}).fetchone() or (None, None)
    if read_at is None or swept_at is None:
        return Changed(None, True)
    days = _changed_days(con, model_version, read_at - LOOK_BACK, now)
    today = now.astimezone(UTC).date()
    if swept_at.astimezone(UTC).date() >= today:
        return Changed(sorted(days), False)
    oldest = con.execute("SELECT min(bucket_start) FROM trends WHERE model_version = ?", [model_version]).fetchone()
    if oldest and oldest[0] >= now - SWEEP:
        return Changed(None, True)
    return Changed(sorted(days | set(coverage.utc_days(now - SWEEP, now))), True)


def _changed_days(con: duckdb.DuckDBPyConnection, model_version: str, since: datetime, now: datetime) -> set[date]:
    seeds = con.execute(_CHANGED, {"since": since, "model": model_version}).to_arrow_table()
    near = reach.of_articles(con, seeds, since)
    con.register("reached", near.articles)
    try:
        found = con.execute(_DAYS, {"since": near.since}).fetchall()
    finally:
        con.unregister("reached")
    days = {day for (day,) in found if day is not None}
    polled = con.execute(
        "SELECT min(fetched_at), max(fetched_at) FROM fetches WHERE recorded_at >= ?", [since]
    ).fetchone()
    if polled and polled[0] is not None:
        # Coverage moves with every poll, and a poll shortly after a bucket still covers it.
        days.update(coverage.utc_days(polled[0] - LOOK_BACK, max(polled[1], now.astimezone(UTC))))
    return days


def _all_days(con: duckdb.DuckDBPyConnection, since: datetime) -> list[date] | None:
    """None (everything in one go) while the store is small enough for that, else each day to be rebuilt."""
    count = con.execute("SELECT count(*) FROM articles").fetchone()
    if not count or count[0] <= AT_ONCE:
        return None
    return [day for day in buckets.days_with_news(con) if day >= since.date()]


def _replace(
    tx: Transaction, model_version: str, changed: Changed, since: datetime, rows: pa.Table, read_at: datetime
) -> None:
    if changed.days is None:
        tx.con.execute(_DROP, [model_version, since])
    else:
        for first, last in reach.runs(changed.days):
            # Bounds on the column itself, so that blocks of other days are left unread.
            bound = [model_version, coverage.midnight(first), coverage.midnight(last) + timedelta(days=1)]
            tx.con.execute(f"{_DROP} AND bucket_start < ?", bound)
    tx.con.execute("INSERT INTO rebuilds VALUES (?, ?, ?, ?)", [model_version, read_at, changed.swept, tx.recorded_at])
    if not rows.num_rows:
        return
    stamp = pa.array([tx.recorded_at] * rows.num_rows, pa.timestamp("us", tz="UTC"))
    tx.con.register("rebuilt", rows.append_column("recorded_at", stamp))
    try:
        tx.con.execute("INSERT INTO trends BY NAME SELECT * FROM rebuilt")
    finally:
        tx.con.unregister("rebuilt")


def _count_days(rows: pa.Table) -> int:
    return len(pc.unique(rows.column("bucket_start").cast(pa.date32())))
