"""Trying feeds without storing anything: what each would deliver now, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.context import Context
from pipeline.ingest.catalogue import CatalogueFeed
from pipeline.ingest.client import HttpFetcher
from pipeline.ingest.exchange import Fetched, Fetcher, Wanted
from pipeline.ingest.identity import feed_id
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked
from pipeline.ingest.parse import parse

__all__ = ["check_feeds"]


def check_feeds(
    context: Context, feeds: Sequence[CatalogueFeed], *, fetcher: Fetcher | None = None
) -> list[dict[str, Any]]:
    """One row per feed, in their order: title, url (masked), outcome, entries, newest (UTC), says, failed."""
    rows: dict[str, dict[str, Any]] = {}
    titles = {feed_id(feed.url): feed.title for feed in feeds}

    def deliver(fetched: Fetched) -> None:
        rows[fetched.feed_id] = {"title": titles[fetched.feed_id], **_row(context, fetched)}
        context.progress("check", len(rows), len(feeds))

    wanted = [Wanted(feed_id(feed.url), feed.url) for feed in feeds]
    (fetcher or HttpFetcher(context.settings.ingest))(wanted, deliver)
    return [rows[feed.feed_id] for feed in wanted]


def _row(context: Context, fetched: Fetched) -> dict[str, Any]:
    outcome, says, entries, newest = fetched.outcome, fetched.error, 0, None
    if outcome is None:
        parsed = parse(
            fetched.body,
            feed_id=fetched.feed_id,
            content_type=fetched.content_type,
            url=fetched.final_url or fetched.url,
            now=context.clock(),
        )
        outcome, says = parsed.outcome or Outcome.NEW, parsed.error or "; ".join(parsed.warnings)
        entries = len(parsed.entries)
        newest = max((e.dated.published_at for e in parsed.entries if e.dated.published_at), default=None)
    failed = outcome not in SUCCESSES
    return {
        "url": masked(fetched.url),
        "outcome": str(outcome) if failed or outcome is Outcome.EMPTY else "well",
        "entries": entries,
        "newest": newest,
        "says": says,
        "failed": failed,
    }
