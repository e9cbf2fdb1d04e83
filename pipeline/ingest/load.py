"""The second half of `ingest`: everything in the spool parsed with no handle open, then stored in one transaction.

Killed at any point it can be run again: a file leaves the spool only after the commit, and its fetch_id, which is
also in `fetches`, says whether it was taken in.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.ingest.identity import Candidate, Known, Reason, decide
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked, masked_text, sentence
from pipeline.ingest.parse import Entry, ParsedFeed, Parser, parse
from pipeline.ingest.schedule import LOCAL_FAULTS, FeedState, after, retry_after
from pipeline.ingest.spool import Spool, Spooled
from pipeline.warehouse import Transaction

__all__ = ["ARTICLES", "load"]

logger = logging.getLogger(__name__)

MAX_NOTES = 20
# So many feeds that all fail to be reached are not to blame: our own network is.
_OURS_FROM = 3
_TIME = pa.timestamp("us", tz="UTC")

ARTICLES = pa.schema(
    [
        *((name, pa.string()) for name in ("article_id", "kind", "feed_id", "publisher", "url", "title", "summary")),
        *((name, pa.string()) for name in ("language", "published_raw", "date_precision", "date_flag")),
        ("content_sha256", pa.string()),
        ("revision", pa.int32()),
        ("published_at", _TIME),
        ("first_seen_at", _TIME),
        ("imported", pa.bool_()),
    ]
)
_FETCHES = pa.schema(
    [
        *((name, pa.string()) for name in ("fetch_id", "feed_id", "url", "outcome", "warning", "error")),
        ("fetched_at", _TIME),
        ("status_code", pa.int32()),
        ("bytes", pa.int64()),
        ("seconds", pa.float64()),
        *((name, pa.int32()) for name in ("entries", "new_articles", "new_revisions")),
    ]
)
_STATES = pa.schema(
    [
        (name, _TIME if name.endswith("_at") else pa.int32() if name in ("failures", "moved_polls") else pa.string())
        for name in (field.name for field in fields(FeedState))
    ]
)


@dataclass(frozen=True)
class _Feed:
    state: FeedState
    title: str
    publisher: str
    language: str | None


@dataclass(frozen=True)
class _Attempt:
    """A spooled attempt after parsing; its body is let go. `parsed` is None where there was nothing to parse."""

    spooled: Spooled
    outcome: Outcome | None
    error: str
    size: int = 0
    sha256: str | None = None
    parsed: ParsedFeed | None = None


def load(context: Context, *, parser: Parser = parse) -> Report:
    """Take in what the spool holds; answers counts, and one note for each feed that failed."""
    with reporting("ingest") as report:
        spool = Spool(context.settings.store.raw)
        waiting = spool.waiting()
        if not waiting:
            return report
        with context.warehouse.read() as con:
            feeds = _feeds(con)
            done = _taken(con, [path.stem.rpartition("-")[2] for path in waiting])
        attempts = []
        for i, spooled in enumerate(spool.read(waiting)):
            context.progress("parse", i + 1, len(waiting))
            if spooled.fetch_id in done:
                spool.loaded([spooled])
            elif spooled.fetched.feed_id not in feeds:
                logger.warning("%s: its feed is not in this store; it stays in the spool", spooled.path.name)
            else:
                attempts.append(_parsed(spooled, feeds, parser))
        if attempts:
            stored = context.warehouse.transact("articles", lambda tx: _store(tx, attempts))
            spool.loaded([attempt.spooled for attempt in attempts])
            _tell(report, stored, feeds)
    return report


def _parsed(spooled: Spooled, feeds: dict[str, _Feed], parser: Parser) -> _Attempt:
    fetched = spooled.fetched
    slim = replace(spooled, fetched=replace(fetched, body=b""))
    if fetched.outcome is not None:
        return _Attempt(slim, fetched.outcome, fetched.error)
    feed = feeds[fetched.feed_id]
    sha256 = hashlib.sha256(fetched.body).hexdigest()
    if sha256 == feed.state.body_sha256:
        return _Attempt(slim, Outcome.SAME_BODY, "", len(fetched.body), sha256)
    parsed = parser(
        fetched.body,
        feed_id=fetched.feed_id,
        content_type=fetched.content_type,
        url=fetched.final_url or fetched.url,
        now=spooled.fetched_at,
    )
    return _Attempt(slim, parsed.outcome, parsed.error, len(fetched.body), sha256, parsed)


@dataclass
class _Stored:
    """What one transaction stored: its rows, by table, and the outcome of each attempt."""

    articles: list[dict[str, Any]]
    fetches: list[dict[str, Any]]
    reasons: list[Reason]


def _store(tx: Transaction, attempts: list[_Attempt]) -> _Stored:
    """Decide on what the store knows now, and write. Attempts count in the order in which they were made."""
    taken = _taken(tx.con, [attempt.spooled.fetch_id for attempt in attempts])
    attempts = sorted(
        (a for a in attempts if a.spooled.fetch_id not in taken),
        key=lambda a: (a.spooled.fetched_at, a.spooled.fetch_id),
    )
    feeds = _feeds(tx.con)
    states = {feed_id: feed.state for feed_id, feed in feeds.items()}
    known = _known(tx.con, (entry.article_id for a in attempts if a.parsed for entry in a.parsed.entries))
    ours = len(attempts) >= _OURS_FROM and all(attempt.outcome in LOCAL_FAULTS for attempt in attempts)
    stored = _Stored([], [], [])
    for attempt in attempts:
        feed_id, at = attempt.spooled.fetched.feed_id, attempt.spooled.fetched_at
        rows = list(_article_rows(attempt, feeds[feed_id], known, stored.reasons))
        outcome = attempt.outcome or (Outcome.NEW if rows else Outcome.NOTHING_NEW)
        stored.articles += rows
        stored.fetches.append(_fetch_row(attempt, outcome, rows))
        fetched = attempt.spooled.fetched
        wait = retry_after(fetched.retry_after, at) if outcome is Outcome.HTTP_ERROR else None
        state = after(
            states[feed_id], outcome, at=at, error=attempt.error, wait=wait, ours=ours,
            asked=fetched.url, moved_to=fetched.moved_to,
        )  # fmt: skip
        states[feed_id] = _with_validators(state, attempt, outcome)
    changed = [asdict(states[feed_id]) for feed_id in dict.fromkeys(a.spooled.fetched.feed_id for a in attempts)]
    tx.insert_new("articles", pa.Table.from_pylist(stored.articles, ARTICLES), ["article_id", "revision"])
    tx.upsert("feeds", pa.Table.from_pylist(changed, _STATES), ["feed_id"])
    tx.insert_new("fetches", pa.Table.from_pylist(stored.fetches, _FETCHES), ["fetch_id"])
    return stored


def _with_validators(state: FeedState, attempt: _Attempt, outcome: Outcome) -> FeedState:
    """Remember the body's validators only if all of it was read: else a 304 would hide what was lost."""
    fetched = attempt.spooled.fetched
    if fetched.outcome is not None:
        return state
    if outcome in SUCCESSES and (attempt.parsed is None or attempt.parsed.complete):
        return replace(state, etag=fetched.etag, last_modified=fetched.last_modified, body_sha256=attempt.sha256)
    return replace(state, etag=None, last_modified=None, body_sha256=None)


def _article_rows(
    attempt: _Attempt, feed: _Feed, known: dict[str, Known], reasons: list[Reason]
) -> Iterator[dict[str, Any]]:
    """The rows of one attempt; what they make known is added to `known` for the attempts after it."""
    parsed = attempt.parsed
    if parsed is None:
        return
    decisions = decide(known, [Candidate(entry.article_id, entry.content_sha256) for entry in parsed.entries])
    for entry, decision in zip(parsed.entries, decisions, strict=True):
        reasons.append(decision.reason)
        if not decision.reason.stores:
            continue
        have = known.get(entry.article_id)
        first_seen = have.first_seen_at if have else attempt.spooled.fetched_at
        known[entry.article_id] = Known(decision.revision, entry.content_sha256, first_seen)
        yield _article_row(entry, decision.revision, first_seen, feed, parsed.language or feed.language)


def _article_row(
    entry: Entry, revision: int, first_seen: datetime, feed: _Feed, language: str | None
) -> dict[str, Any]:
    return {
        "article_id": entry.article_id,
        "revision": revision,
        "kind": entry.kind,
        "feed_id": feed.state.feed_id,
        "publisher": feed.publisher,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "language": language,
        "published_at": entry.dated.published_at,
        "published_raw": entry.dated.raw,
        "date_precision": str(entry.dated.precision),
        "date_flag": str(entry.dated.flag),
        "first_seen_at": first_seen,
        "content_sha256": entry.content_sha256,
        "imported": False,
    }


def _fetch_row(attempt: _Attempt, outcome: Outcome, rows: list[dict[str, Any]]) -> dict[str, Any]:
    spooled, parsed = attempt.spooled, attempt.parsed
    first = sum(row["revision"] == 1 for row in rows)
    return {
        "fetch_id": spooled.fetch_id,
        "feed_id": spooled.fetched.feed_id,
        "url": masked(spooled.fetched.url),
        "fetched_at": spooled.fetched_at,
        "outcome": str(outcome),
        "status_code": spooled.fetched.status,
        "bytes": attempt.size,
        "seconds": spooled.fetched.seconds,
        "entries": len(parsed.entries) if parsed else 0,
        "new_articles": first,
        "new_revisions": len(rows) - first,
        "warning": "; ".join(parsed.warnings) if parsed and parsed.warnings else None,
        "error": attempt.error or (sentence(outcome) if outcome not in SUCCESSES else None),
    }


def _taken(con: duckdb.DuckDBPyConnection, fetch_ids: Iterable[str]) -> set[str]:
    query = "SELECT fetch_id FROM fetches SEMI JOIN wanted ON fetch_id = id"
    return {row[0] for row in _among(con, query, fetch_ids)}


def _known(con: duckdb.DuckDBPyConnection, article_ids: Iterable[str]) -> dict[str, Known]:
    query = (
        "SELECT article_id, max(revision), arg_max(content_sha256, revision), min(first_seen_at)"
        " FROM articles SEMI JOIN wanted ON article_id = id GROUP BY article_id"
    )
    return {row[0]: Known(*row[1:]) for row in _among(con, query, article_ids)}


def _among(con: duckdb.DuckDBPyConnection, query: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
    """The rows of `query`, in which `wanted` is a table of these ids."""
    con.register("wanted", pa.table({"id": pa.array(sorted(set(ids)), pa.string())}))
    try:
        return con.execute(query).fetchall()
    finally:
        con.unregister("wanted")


def _feeds(con: duckdb.DuckDBPyConnection) -> dict[str, _Feed]:
    names = [field.name for field in fields(FeedState)]
    rows = con.execute(
        f"SELECT title, publisher, language, {', '.join(names)} FROM feeds WHERE kind <> 'archive'"
    ).fetchall()
    feeds = [_Feed(FeedState(**dict(zip(names, row[3:], strict=True))), *row[:3]) for row in rows]
    return {feed.state.feed_id: feed for feed in feeds}


def _tell(report: Report, stored: _Stored, feeds: dict[str, _Feed]) -> None:
    for row in stored.fetches:
        report.add("feeds")
        report.add("unchanged", row["outcome"] in (Outcome.UNCHANGED, Outcome.SAME_BODY))
        report.add("failed", row["outcome"] not in SUCCESSES)
        for name in ("entries", "new_articles", "new_revisions"):
            report.add(name, row[name])
    for reason in (Reason.REPEATED_IN_FEED, Reason.TOO_MANY_REVISIONS):
        if n := stored.reasons.count(reason):
            report.add(str(reason), n)
    if len(stored.fetches) >= _OURS_FROM and all(row["outcome"] in LOCAL_FAULTS for row in stored.fetches):
        report.notes.append(
            f"none of {len(stored.fetches)} feeds could be reached: is this machine's network down?"
            " All are asked again at the next run; `barograph feeds list` says what each one met"
        )
        return
    told = [
        f"{masked_text(feeds[row['feed_id']].title)}: {row['error'] or row['warning']}"
        for row in stored.fetches
        if row["error"] or row["warning"]
    ]
    report.notes += told[:MAX_NOTES]
    if len(told) > MAX_NOTES:
        report.notes.append(f"and {len(told) - MAX_NOTES} more; `barograph feeds list` shows them all")
