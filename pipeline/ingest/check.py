"""Trying feeds without storing anything: what each delivers now beside what the store knows of its past, in words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline import health
from pipeline.context import Context
from pipeline.ingest.catalogue import CatalogueFeed
from pipeline.ingest.client import HttpFetcher
from pipeline.ingest.diagnosis import Diagnosis, Seen, diagnose
from pipeline.ingest.exchange import Fetched, Fetcher, Wanted
from pipeline.ingest.identity import feed_id
from pipeline.ingest.links import canonical_link
from pipeline.ingest.memory import feeds_of
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked
from pipeline.ingest.parse import Body, Entry, ParsedFeed, Parser
from pipeline.ingest.pool import ParserPool
from pipeline.ingest.schedule import FeedState, until
from pipeline.local_time import local_time
from pipeline.series.coverage import FeedHistory, histories

__all__ = ["check_feeds"]


def check_feeds(
    context: Context,
    feeds: Sequence[CatalogueFeed],
    *,
    fetcher: Fetcher | None = None,
    parser: Parser | None = None,
) -> list[dict[str, Any]]:
    """One row per feed, in their order; nothing is stored.

    title, url (masked), state (well, or the gravest of its problems), problems (each with problem, says, do), outcome
    of the fetch, entries, newest (UTC), says (all in one text), failed, waits (until when `ingest` does not ask it, ''
    where it does), and silent_hours, expected, p_value where its cadence is known.
    """
    with context.warehouse.read() as con:
        past = {history.feed_id: history for history in histories(con)}
        states = {key: feed.state for key, feed in feeds_of(con).items()}
    by_id = {feed_id(feed.url): feed for feed in feeds}
    ingest = context.settings.ingest
    parser = parser or ParserPool(ingest.parsers, ingest.parse_timeout_s)
    answers: dict[str, Fetched] = {}
    digests: dict[str, str] = {}
    # The bodies of hundreds of feeds wait on the disk, not in memory, until they are read.
    with TemporaryDirectory(prefix="barograph-check-") as folder:

        def deliver(fetched: Fetched) -> None:
            if fetched.outcome is None:
                (Path(folder) / fetched.feed_id).write_bytes(fetched.body)
                digests[fetched.feed_id] = hashlib.sha256(fetched.body).hexdigest()
            answers[fetched.feed_id] = replace(fetched, body=b"")
            context.progress("check", len(answers), len(by_id))

        (fetcher or HttpFetcher(ingest))([Wanted(key, feed.url) for key, feed in by_id.items()], deliver)
        read = [key for key in by_id if answers[key].outcome is None]
        bodies = (_body(answers[key], Path(folder) / key, context) for key in read)
        parsed = dict(zip(read, parser(bodies), strict=True))
    seen = [
        replace(_seen(context, feed, answers[key], parsed.get(key), past.get(key)), body_sha256=digests.get(key, ""))
        for key, feed in by_id.items()
    ]
    waits = [_waits(states.get(key), context.clock()) for key in by_id]
    return [_row(*one) for one in zip(seen, diagnose(seen), waits, strict=True)]


def _body(fetched: Fetched, file: Path, context: Context) -> Body:
    url = fetched.final_url or fetched.url
    return Body(file.read_bytes(), fetched.feed_id, fetched.content_type, url, context.clock())


def _seen(
    context: Context, feed: CatalogueFeed, fetched: Fetched, parsed: ParsedFeed | None, past: FeedHistory | None
) -> Seen:
    outcome, error, warnings = fetched.outcome or Outcome.NEW, fetched.error, ""
    entries: tuple[Entry, ...] = ()
    if parsed is not None:
        outcome, error, warnings = parsed.outcome or Outcome.NEW, parsed.error, "; ".join(parsed.warnings)
        entries = parsed.entries
    now = context.clock()
    dates = [entry.dated.published_at for entry in entries if entry.dated.published_at and not entry.dated.flag]
    return Seen(
        url=feed.url,
        title=feed.title,
        outcome=outcome,
        error=error,
        warnings=warnings,
        entries=frozenset(_key(entry) for entry in entries),
        newest=max((date for date in dates if date <= now), default=None),
        final_url=fetched.final_url,
        moved_to=fetched.moved_to,
        lateness=_lateness(feed, past, np.sort([health.hours_of(date) for date in dates]), health.hours_of(now)),
    )


def _lateness(feed: CatalogueFeed, past: FeedHistory | None, dated: health.Hours, now: float) -> health.Lateness | None:
    """By the cadence that the store knows; of a feed that it does not know yet, by the dates of its own entries."""
    dated = dated[dated <= now]
    stored = past.arrivals if past else dated
    place = past.place if past else local_time(feed.timezone)
    both = np.sort(np.concatenate([stored, dated]))
    if not both.size:
        return None
    known = health.before_silence(stored, now, place) or health.before_silence(dated, now, place)
    if known is None:
        return health.quiet_for_long(both, now)
    return health.lateness(known, float(both[np.searchsorted(both, now, side="right") - 1]), now, health.ALARM_P)


def _key(entry: Entry) -> str:
    return canonical_link(entry.url) if entry.url else entry.title


def _waits(state: FeedState | None, now: datetime) -> str:
    """Until when `ingest` does not ask it, whatever the check found."""
    wait = until(state.next_fetch_at, state.failures, now) if state and state.status == "active" else ""
    return f"`ingest`: {wait}." if wait else ""


def _row(seen: Seen, found: Diagnosis, waits: str) -> dict[str, Any]:
    failed = seen.outcome not in SUCCESSES
    row: dict[str, Any] = {
        "title": seen.title,
        "url": masked(seen.url),
        "state": found.state,
        "outcome": str(seen.outcome) if failed or seen.outcome is Outcome.EMPTY else "well",
        "entries": len(seen.entries),
        "newest": seen.newest,
        "says": " ".join(filter(None, (found.says or seen.warnings, waits))),
        "failed": failed,
        "waits": waits,
        "problems": [{"problem": str(one.problem), "says": one.says, "do": one.do} for one in found.findings],
    }
    if seen.lateness is not None:
        row["silent_hours"] = round(seen.lateness.silent_hours, 2)
        row["expected"] = round(seen.lateness.expected, 2)
        row["p_value"] = seen.lateness.p_value
    return row
