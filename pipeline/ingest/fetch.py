"""The first half of `ingest`: which feeds are due, and their bodies into the spool. It stores nothing of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import duckdb

from pipeline.context import Context
from pipeline.errors import WorkError
from pipeline.ingest.catalogue import sync
from pipeline.ingest.client import HttpFetcher
from pipeline.ingest.exchange import Fetched, Fetcher, Wanted
from pipeline.ingest.outcomes import Outcome, masked_text
from pipeline.ingest.spool import Made, Spool
from pipeline.waiting import DUE, LONGEST_WAIT, POLLED

__all__ = ["FetchCounts", "batches", "fetch", "shared_out"]

logger = logging.getLogger(__name__)

# After so long without a body a feed is asked for all of it.
WHOLE_AFTER = timedelta(hours=24)
BODIES = ("new", "same_body", "nothing_new")
TOLD = 10


@dataclass
class FetchCounts:
    """How many feeds were asked and how it went: `feeds`, `bodies`, and each outcome that needs no parser."""

    counts: dict[str, int] = field(default_factory=lambda: {"feeds": 0, "bodies": 0})

    def add(self, outcome: Outcome | None) -> None:
        """Count one attempt; without an outcome a body came."""
        name = "bodies" if outcome is None else str(outcome)
        self.counts["feeds"] += 1
        self.counts[name] = self.counts.get(name, 0) + 1


def batches(context: Context, size: int = 50) -> list[list[str]]:
    """The feeds that are due now, shared out in lists of about `size`; takes in changes of the OPML file first."""
    sync(context)
    with context.warehouse.read() as con:
        wanted = _wanted(con, context.clock(), None)
    return shared_out(wanted, size)


def shared_out(wanted: Sequence[Wanted], size: int) -> list[list[str]]:
    """Lists of about `size` feeds each, by id. Batches run side by side, so the feeds of one host stay in one of them.

    Only so do the limits per host hold; a host of more than `size` feeds makes its list longer.
    """
    hosts: dict[str, list[str]] = {}
    for feed in wanted:
        hosts.setdefault(_host(feed.url), []).append(feed.feed_id)
    lists: list[list[str]] = [[] for _ in range(-(-len(wanted) // size))]
    for host in sorted(hosts, key=lambda name: (-len(hosts[name]), name)):
        min(lists, key=len).extend(hosts[host])
    return [batch for batch in lists if batch]


def fetch(context: Context, feed_ids: Sequence[str] | None = None, *, fetcher: Fetcher | None = None) -> FetchCounts:
    """Fetch these feeds, or all that are due, into the spool; the fault of one feed is its outcome.

    Raises:
        WorkError: the spool cannot be written.
    """
    with context.warehouse.read() as con:
        wanted = _wanted(con, context.clock(), feed_ids)
        _tell_waiting(con, context.clock())
    spool = Spool(context.settings.store.raw)
    counts = FetchCounts()
    problems: list[OSError] = []
    bare: list[Made] = []

    def put(attempts: list[Made]) -> None:
        try:
            spool.put(attempts)
        except OSError as error:
            problems.append(error)

    def deliver(fetched: Fetched) -> None:
        made = Made(uuid.uuid4().hex, context.clock(), fetched)
        if fetched.body:
            put([made])
        else:
            bare.append(made)
        counts.add(fetched.outcome)
        context.progress("fetch", counts.counts["feeds"], len(wanted))

    try:
        (fetcher or HttpFetcher(context.settings.ingest))(wanted, deliver)
    finally:
        if bare:
            put(bare)
    if problems:
        raise WorkError(f"{spool.raw} cannot be written: {problems[0]}. Make room or mend the rights, then run again.")
    return counts


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return url


def _wanted(con: duckdb.DuckDBPyConnection, now: datetime, feed_ids: Sequence[str] | None) -> list[Wanted]:
    """Active feeds that are due, or those asked for whether due or not; archives, gone and removed ones never.

    A wait of over a day was set by a clock that has been put back since, and so was a body from the future: they count
    for nothing.

    A feed of which no body came for a day is asked without its validators: a cache that says 304 for ever would
    else hide everything. Those that failed the last time come last, so that they hold up nobody.
    """
    rows = con.execute(
        "SELECT feed_id, coalesce(fetch_url, url),"
        " CASE WHEN seen THEN etag END, CASE WHEN seen THEN last_modified END, body_sha256"
        " FROM feeds LEFT JOIN (SELECT DISTINCT feed_id, true AS seen FROM fetches"
        f" WHERE fetched_at > $whole_since AND fetched_at <= $now AND outcome IN {BODIES}) USING (feed_id)"
        f" WHERE {POLLED} AND ($asked IS NOT NULL OR {DUE})"
        " AND ($asked IS NULL OR list_contains($asked, feed_id)) ORDER BY failures > 0, url",
        {"asked": None if feed_ids is None else list(feed_ids), "now": now, "whole_since": now - WHOLE_AFTER},
    ).fetchall()
    return [Wanted(*row) for row in rows]


def _tell_waiting(con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Back-off is never silent: one line of the log says who waits after failures, and until when."""
    rows = con.execute(
        "SELECT title, failures, next_fetch_at FROM feeds"
        " WHERE status = 'active' AND next_fetch_at > $1 AND next_fetch_at <= $2 ORDER BY next_fetch_at, title",
        [now, now + LONGEST_WAIT],
    ).fetchall()
    if rows:
        told = [f"{masked_text(title)} until {due.astimezone(UTC):%H:%M} UTC ({n}×)" for title, n, due in rows[:TOLD]]
        more = f", and {len(rows) - TOLD} more" if len(rows) > TOLD else ""
        logger.info("waiting after failures: %s%s", ", ".join(told), more)
