"""The second half of `ingest`: what the spool holds, parsed with no handle open, then stored, a hundred files at once.

Killed at any point it can be run again: a file leaves the spool only after the commit, and its fetch_id, which is
also in `fetches`, says whether it was taken in.
"""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.forgotten import without
from pipeline.ingest.dates import Dated
from pipeline.ingest.identity import Candidate, Decision, Known, Reason, decide
from pipeline.ingest.linkkeys import fill_link_keys
from pipeline.ingest.memory import Feed, feeds_of, link_key_of, remembered, taken
from pipeline.ingest.missing import missing_days, said
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked, masked_text, sentence
from pipeline.ingest.parse import Body, Entry, ParsedFeed, Parser
from pipeline.ingest.policy import Identity, Memory, learned, resolve
from pipeline.ingest.pool import ParserPool
from pipeline.ingest.raw import RawStore, Taken
from pipeline.ingest.schedule import LOCAL_FAULTS, FeedState, after, moved, news_of, retry_after, until
from pipeline.ingest.spool import Spool, Spooled
from pipeline.ingest.tally import OURS_FROM, Stored, tell
from pipeline.warehouse import Transaction

__all__ = ["ARTICLES", "load", "load_again"]

logger = logging.getLogger(__name__)

# Files of the spool that are parsed and stored together: memory must not grow with the number of feeds.
_AT_ONCE = 100
# So far back each load looks for what the store has lost; `barograph doctor` looks at all days that are kept.
_LOOK_BACK = timedelta(days=1)
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
        ("link_key", pa.string()),
    ]
)
# `known_at` is None where it is now.
_ROWS = pa.schema([*ARTICLES, ("known_at", _TIME)])
_FETCHES = pa.schema(
    [
        *((name, pa.string()) for name in ("fetch_id", "feed_id", "url", "outcome", "warning", "error")),
        *((name, _TIME) for name in ("fetched_at", "known_at")),
        ("status_code", pa.int32()),
        ("bytes", pa.int64()),
        ("seconds", pa.float64()),
        *((name, pa.int32()) for name in ("entries", "new_articles", "new_revisions")),
    ]
)
_STATES = pa.schema(
    [
        (name, _TIME if name.endswith("_at") else pa.int32() if name in ("failures", "moved_polls") else pa.string())
        for name in (one.name for one in fields(FeedState))
    ]
    + [(name, pa.string()) for name in ("identity", "identity_reason", "identity_hint")]
    + [("identity_at", _TIME)]
)


@dataclass(frozen=True)
class _Attempt:
    """A spooled attempt after parsing; its body is let go. `parsed` is None where there was nothing to parse."""

    spooled: Spooled
    outcome: Outcome | None
    error: str
    size: int = 0
    sha256: str | None = None
    parsed: ParsedFeed | None = None


def load(context: Context, *, parser: Parser | None = None) -> Report:
    """Take in what the spool holds; answers counts, and one note for each feed that failed.

    Parses in processes of its own unless a `parser` is given.
    """
    with reporting("ingest") as report:
        spool, raw = Spool(context.settings.store.raw), RawStore(context.settings.store.raw)
        waiting = spool.waiting()
        ids = {path: spool.ids(path) for path in waiting}
        with context.warehouse.read() as con:
            how = taken(con, (one for found in ids.values() for one in found))
            feeds = feeds_of(con)
            lost = missing_days(con, raw, context.clock().astimezone(UTC).date() - _LOOK_BACK)
        if lost:
            report.notes.append(said(lost))
        left = [path for path, found in ids.items() if not how.keys() & set(found)]
        stored = Stored(asleep=_asleep((feed.state for feed in feeds.values()), context.clock()))
        for start in range(0, len(left), _AT_ONCE):
            some = left[start : start + _AT_ONCE]
            if start:
                with context.warehouse.read() as con:
                    feeds = feeds_of(con)
            if attempts := _parsed(context, spool.read(some), sum(len(ids[path]) for path in some), feeds, parser):
                work = partial(_store, attempts=attempts, reached=some != left)
                taken_in = context.warehouse.transact("articles", work)
                for line in taken_in.changes:
                    logger.warning("%s", line)
                stored += taken_in
        if stored.fetches:
            tell(report, stored)
        if stored.asleep:
            report.add("waiting", stored.asleep)
            report.notes.append(f"waiting after a failure: {stored.asleep} (`barograph feeds list` says until when)")
        if waiting:
            # What an earlier load had stored before it died leaves the spool, too.
            raw.keep(waiting, how | stored.taken)
            raw.retire(context.clock().astimezone(UTC).date(), context.settings.store.raw_days)
    return report


def load_again(context: Context, attempts: Iterable[Spooled], report: Report, *, parser: Parser | None = None) -> None:
    """Take in what an earlier load, perhaps of a store that is lost, took in: the attempts of that one load.

    Adds what is missing and nothing else, as of when it was known; where the feeds stand now is left alone.
    """
    with context.warehouse.read() as con:
        feeds = feeds_of(con)
    # Whatever their last body was, the ones of then are to be read.
    feeds = {key: replace(feed, state=replace(feed.state, body_sha256=None)) for key, feed in feeds.items()}
    if read := _parsed(context, attempts, None, feeds, parser):
        tell(report, context.warehouse.transact("articles", partial(_store, attempts=read, again=True)))


def _parsed(
    context: Context, spooled: Iterable[Spooled], total: int | None, feeds: dict[str, Feed], parser: Parser | None
) -> list[_Attempt]:
    """Every attempt that is to be stored; the bodies pass by, a few at a time."""
    attempts: list[_Attempt] = []
    reading: deque[_Attempt] = deque()

    def bodies() -> Iterator[Body]:
        for i, one in enumerate(spooled):
            context.progress("parse", i + 1, total)
            feed = feeds.get(one.fetched.feed_id)
            if feed is None:
                logger.warning("%s: its feed is not in this store; it stays where it is", one.path.name)
            elif (attempt := _judged(one, feed)).outcome is not None:
                attempts.append(attempt)
            else:
                reading.append(attempt)
                fetched = one.fetched
                url = fetched.final_url or fetched.url
                yield Body(fetched.body, fetched.feed_id, fetched.content_type, url, one.fetched_at)

    ingest = context.settings.ingest
    parser = parser or ParserPool(ingest.parsers, ingest.parse_timeout_s)
    for parsed in parser(bodies()):
        attempts.append(replace(reading.popleft(), parsed=parsed, outcome=parsed.outcome, error=parsed.error))
    return attempts


def _judged(spooled: Spooled, feed: Feed) -> _Attempt:
    """The attempt without its body; without an outcome where the body must be read to know it."""
    fetched = spooled.fetched
    slim = replace(spooled, fetched=replace(fetched, body=b""))
    if fetched.outcome is not None:
        return _Attempt(slim, fetched.outcome, fetched.error, fetched.size)
    sha256 = hashlib.sha256(fetched.body).hexdigest()
    same = Outcome.SAME_BODY if sha256 == feed.state.body_sha256 else None
    return _Attempt(slim, same, "", len(fetched.body), sha256)


def _store(tx: Transaction, attempts: list[_Attempt], *, reached: bool = False, again: bool = False) -> Stored:
    """Decide on what the store knows now, and write. Attempts count in the order in which they were made.

    `reached`: other feeds were, so that our own network is well. `again`: the attempts were taken in before, perhaps
    by another store, and are known since then.
    """
    done = {} if again else taken(tx.con, [attempt.spooled.fetch_id for attempt in attempts])
    attempts = sorted(
        (a for a in attempts if a.spooled.fetch_id not in done),
        key=lambda a: (a.spooled.fetched_at, a.spooled.fetch_id),
    )
    feeds = feeds_of(tx.con)
    states = {feed_id: feed.state for feed_id, feed in feeds.items()}
    identities = {feed_id: feed.identity for feed_id, feed in feeds.items()}
    now = max((a.spooled.known_at or tx.recorded_at for a in attempts), default=tx.recorded_at)
    fill_link_keys(tx, (a.spooled.fetched.feed_id for a in attempts if a.parsed))
    memory = remembered(tx.con, (c for a in attempts for c in _candidates(a)), now)
    local = all(attempt.outcome in LOCAL_FAULTS for attempt in attempts)
    ours = local and len(attempts) >= OURS_FROM and not reached
    stored = Stored(titles={feed_id: masked_text(feed.title) for feed_id, feed in feeds.items()}, taken=dict(done))
    articles: list[dict[str, Any]] = []
    for attempt in attempts:
        feed_id, at = attempt.spooled.fetched.feed_id, attempt.spooled.fetched_at
        rows, reasons, identities[feed_id] = _article_rows(attempt, feeds[feed_id], identities[feed_id], memory)
        stored.reasons += reasons
        outcome = attempt.outcome or (Outcome.NEW if rows else Outcome.NOTHING_NEW)
        stored.taken[attempt.spooled.fetch_id] = Taken(attempt.spooled.known_at or tx.recorded_at, str(outcome))
        articles += rows
        stored.fetches.append(_fetch_row(attempt, outcome, rows, reasons))
        fetched = attempt.spooled.fetched
        wait = retry_after(fetched.retry_after, at) if outcome in (Outcome.HTTP_ERROR, Outcome.HUSHED) else None
        state = after(
            states[feed_id], outcome, at=at, error=attempt.error, wait=wait, ours=ours,
            asked=fetched.url, moved_to=fetched.moved_to,
        )  # fmt: skip
        if told := moved(states[feed_id], state):
            stored.moves.append(f"{stored.titles[feed_id]} {told}")
        if told := news_of(states[feed_id], state):
            stored.changes.append(f"{stored.titles[feed_id]}: {masked_text(told)}")
        stored.waits[feed_id] = until(state.next_fetch_at, state.failures, at)
        whole = Reason.TOO_MANY_REVISIONS not in reasons
        states[feed_id] = _with_validators(state, attempt, outcome, whole=whole)
    stored.asleep = _asleep(states.values(), now)
    asked = dict.fromkeys(a.spooled.fetched.feed_id for a in attempts)
    if again:
        # By what a feed is known was learned on the way, unless this store has asked it and knows better.
        fresh = [feed_id for feed_id in asked if feeds[feed_id].state.last_fetch_at is None]
        changed = [{"feed_id": feed_id} | _identity_row(identities[feed_id]) for feed_id in fresh]
        states_of = pa.schema([_STATES.field("feed_id"), *(f for f in _STATES if f.name.startswith("identity"))])
    else:
        changed = [vars(states[feed_id]) | _identity_row(identities[feed_id]) for feed_id in asked]
        states_of = _STATES
    articles = without(tx.con, articles)
    tx.insert_new("articles", pa.Table.from_pylist(articles, _ROWS), ["article_id", "revision"])
    tx.upsert("feeds", pa.Table.from_pylist(changed, states_of), ["feed_id"])
    tx.insert_new("fetches", pa.Table.from_pylist(stored.fetches, _FETCHES), ["fetch_id"])
    return stored


def _asleep(states: Iterable[FeedState], now: datetime) -> int:
    return sum(s.status == "active" and bool(until(s.next_fetch_at, s.failures, now)) for s in states)


def _with_validators(state: FeedState, attempt: _Attempt, outcome: Outcome, *, whole: bool) -> FeedState:
    """Remember the body's validators only if all of it was read: else a 304 would hide what was lost.

    `whole`: every entry of it was taken in, none put off to another day.
    """
    fetched = attempt.spooled.fetched
    if fetched.outcome is Outcome.SAME_BODY and fetched.body_sha256 == state.body_sha256:
        return replace(state, etag=fetched.etag, last_modified=fetched.last_modified)
    if fetched.outcome is Outcome.SAME_BODY:
        # Another load took in another body meanwhile: the next request is for all of it.
        return replace(state, etag=None, last_modified=None, body_sha256=None)
    if fetched.outcome is not None:
        return state
    if attempt.parsed is None and attempt.sha256 != state.body_sha256:
        # It was the feed's last body when this load began, and another of the same load has come between.
        return replace(state, etag=None, last_modified=None, body_sha256=None)
    if whole and outcome in SUCCESSES and (attempt.parsed is None or attempt.parsed.complete):
        return replace(state, etag=fetched.etag, last_modified=fetched.last_modified, body_sha256=attempt.sha256)
    return replace(state, etag=None, last_modified=None, body_sha256=None)


def _candidates(attempt: _Attempt) -> list[Candidate]:
    return [
        Candidate(
            e.article_id,
            e.content_sha256,
            e.link_key,
            e.title,
            e.guided,
            fixed=e.kind == "filing",
            day=_day(e.dated),
            page=e.page,
            by_title=e.by_title,
            url=e.url,
        )
        for e in (attempt.parsed.entries if attempt.parsed else ())
    ]


def _day(dated: Dated) -> date | None:
    return dated.published_at.astimezone(UTC).date() if dated.published_at and not dated.flag else None


def _article_rows(
    attempt: _Attempt, feed: Feed, identity: Identity, memory: Memory
) -> tuple[list[dict[str, Any]], list[Reason], Identity]:
    """The rows of one attempt, why, and by what its feed is known now; what is new goes into `memory`."""
    parsed = attempt.parsed
    if parsed is None:
        return [], [], identity
    feed_id, at, candidates = feed.state.feed_id, attempt.spooled.fetched_at, _candidates(attempt)
    resolved = resolve(identity, feed_id, candidates, memory, at.date())
    identity = learned(identity, feed_id, candidates, resolved, memory, at)
    candidates = [replace(c, article_id=r.article_id) for c, r in zip(candidates, resolved, strict=True)]
    decisions = decide(memory.ids, candidates, at)
    rows = []
    for entry, candidate, decision in zip(parsed.entries, candidates, decisions, strict=True):
        have = memory.ids.get(decision.article_id)
        if not decision.reason.stores or _outdated(attempt, have):
            continue
        first_seen = have.first_seen_at if have else at
        known = Known(
            decision.revision, entry.content_sha256, first_seen, at, entry.title, entry.link_key, _day(entry.dated),
            entry.url,
        )  # fmt: skip
        link_key = link_key_of(candidate, decision.article_id)
        memory.learn(feed_id, replace(known, link_key=link_key), decision.article_id)
        row = _article_row(entry, decision, first_seen, feed, parsed.language or feed.language)
        rows.append(row | {"link_key": link_key, "known_at": attempt.spooled.known_at})
    return rows, [decision.reason for decision in decisions], identity


def _outdated(attempt: _Attempt, have: Known | None) -> bool:
    """Whether the store has had what is taken in again, or what came after it."""
    since = attempt.spooled.known_at
    return have is not None and since is not None and have.changed_at >= since


def _identity_row(identity: Identity) -> dict[str, Any]:
    return {
        "identity": str(identity.policy),
        "identity_reason": str(identity.cause) if identity.cause else None,
        "identity_at": identity.since,
        "identity_hint": identity.hint or None,
    }


def _article_row(
    entry: Entry, decision: Decision, first_seen: datetime, feed: Feed, language: str | None
) -> dict[str, Any]:
    return {
        "article_id": decision.article_id,
        "revision": decision.revision,
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


def _fetch_row(
    attempt: _Attempt, outcome: Outcome, rows: list[dict[str, Any]], reasons: list[Reason]
) -> dict[str, Any]:
    spooled, parsed = attempt.spooled, attempt.parsed
    warnings = list(parsed.warnings) if parsed else []
    if storm := reasons.count(Reason.TOO_MANY_REVISIONS):
        warnings.append(f"{storm} entries change their text all the time; one revision a day of them is kept")
    first = sum(row["revision"] == 1 for row in rows)
    return {
        "fetch_id": spooled.fetch_id,
        "feed_id": spooled.fetched.feed_id,
        "url": masked(spooled.fetched.url),
        "fetched_at": spooled.fetched_at,
        "known_at": spooled.known_at,
        "outcome": str(outcome),
        "status_code": spooled.fetched.status,
        "bytes": attempt.size,
        "seconds": spooled.fetched.seconds,
        "entries": len(parsed.entries) if parsed else 0,
        "new_articles": first,
        "new_revisions": len(rows) - first,
        "warning": "; ".join(warnings) or None,
        "error": attempt.error or (sentence(outcome) if outcome not in SUCCESSES else None),
    }
