"""The first half of `ingest`: which feeds are due, and their bodies into the spool. It stores nothing of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipeline.context import Context
from pipeline.errors import WorkError
from pipeline.ingest.catalogue import sync
from pipeline.ingest.client import Fetched, Fetcher, HttpFetcher, Wanted
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.spool import Spool

__all__ = ["FetchCounts", "batches", "fetch"]

logger = logging.getLogger(__name__)


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
    """The feeds that are due now, shared out in lists of `size`; takes in changes of the OPML file first."""
    sync(context)
    wanted = _wanted(context, None)
    # Striding puts the feeds of one host, which stand together, into different batches.
    n = -(-len(wanted) // size)
    return [[feed.feed_id for feed in wanted[i::n]] for i in range(n)]


def fetch(context: Context, feed_ids: Sequence[str] | None = None, *, fetcher: Fetcher | None = None) -> FetchCounts:
    """Fetch these feeds, or all that are due, each into a file of the spool; the fault of one feed is its outcome.

    Raises:
        WorkError: the spool cannot be written.
    """
    wanted = _wanted(context, feed_ids)
    spool = Spool(context.settings.store.raw)
    counts = FetchCounts()
    problems: list[OSError] = []

    def deliver(fetched: Fetched) -> None:
        try:
            spool.put(uuid.uuid4().hex, context.clock(), fetched)
        except OSError as error:
            problems.append(error)
            return
        counts.add(fetched.outcome)
        context.progress("fetch", counts.counts["feeds"], len(wanted))

    (fetcher or HttpFetcher(context.settings.ingest))(wanted, deliver)
    if problems:
        raise WorkError(f"{spool.raw} cannot be written: {problems[0]}. Make room or mend the rights, then run again.")
    return counts


def _wanted(context: Context, feed_ids: Sequence[str] | None) -> list[Wanted]:
    """Active feeds that are due, or those asked for whether due or not; archives, gone and removed ones never."""
    with context.warehouse.read() as con:
        rows = con.execute(
            "SELECT feed_id, url, etag, last_modified FROM feeds WHERE kind <> 'archive' AND status = 'active'"
            " AND ($1 IS NOT NULL OR next_fetch_at IS NULL OR next_fetch_at <= $2)"
            " AND ($1 IS NULL OR list_contains($1, feed_id)) ORDER BY url",
            [None if feed_ids is None else list(feed_ids), context.clock()],
        ).fetchall()
    return [Wanted(*row) for row in rows]
