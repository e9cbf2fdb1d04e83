"""When a feed is asked again, and where it stands after an attempt: back-off that grows and never ends. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pipeline.ingest.addresses import same_house
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked
from pipeline.retry_after import asked_wait
from pipeline.waiting import LONGEST_WAIT

__all__ = [
    "LOCAL_FAULTS",
    "MOVE_POLLS",
    "MOVE_TIME",
    "FeedState",
    "after",
    "moved",
    "news_of",
    "retry_after",
    "until",
]

_FIRST_WAIT = timedelta(minutes=5)
_LONGEST_BACK_OFF = timedelta(hours=6)
_RETRY_LEAST = timedelta(minutes=1)
# A permanent redirect counts when so many good polls named the same address over so long a time: servers err, too.
MOVE_POLLS, MOVE_TIME = 3, timedelta(hours=24)
# After so many failures in a row at the new address the old one is asked again.
_MOVE_FAILURES = 3
# What a failed network of ours looks like; of these a feed is not to blame when all feeds have them at once.
LOCAL_FAULTS = frozenset({Outcome.NETWORK, Outcome.TIMEOUT})


@dataclass(frozen=True)
class FeedState:
    """The columns of `feeds` that an attempt changes.

    `status` is active, gone or removed; `next_fetch_at` is None for a feed that is due at every run. `moved_to`,
    `moved_at`, `moved_polls`: the permanent address its server names now, since when, and how often it was named;
    `fetch_url`: the one that is asked since that was confirmed, which then was at `moved_at`.
    """

    feed_id: str
    status: str = "active"
    etag: str | None = None
    last_modified: str | None = None
    body_sha256: str | None = None
    last_fetch_at: datetime | None = None
    last_success_at: datetime | None = None
    last_new_at: datetime | None = None
    next_fetch_at: datetime | None = None
    failures: int = 0
    last_outcome: str | None = None
    last_error: str | None = None
    moved_to: str | None = None
    moved_at: datetime | None = None
    moved_polls: int | None = None
    fetch_url: str | None = None


def after(
    state: FeedState,
    outcome: Outcome,
    *,
    at: datetime,
    error: str = "",
    wait: datetime | None = None,
    ours: bool = False,
    asked: str = "",
    moved_to: str | None = None,
) -> FeedState:
    """The state after an attempt at `at` to fetch `asked`, which `moved_to` says has moved.

    `wait` is what the server asked for; `ours`: every feed failed, so did we.
    """
    state = replace(state, last_fetch_at=at, last_outcome=str(outcome), last_error=error or None)
    if outcome in SUCCESSES:
        new = at if outcome is Outcome.NEW else state.last_new_at
        state = replace(state, last_success_at=at, last_new_at=new, failures=0, next_fetch_at=wait)
        return _moving(state, asked, moved_to, at)
    if outcome is Outcome.GONE and not state.fetch_url:
        # Whoever adds it again begins where the OPML file says.
        return replace(state, status="gone", failures=state.failures + 1, next_fetch_at=None, fetch_url=None)
    if ours:
        return replace(state, next_fetch_at=None)
    if outcome is Outcome.HUSHED:
        # It was not asked, so it has not failed: another feed of its host was told to wait.
        return replace(state, next_fetch_at=wait or at + _FIRST_WAIT)
    failures = state.failures + 1
    # Gone at the address it had moved to: the one that people gave must say so, too.
    if state.fetch_url and (failures >= _MOVE_FAILURES or outcome is Outcome.GONE):
        error = f"{error} The address of the OPML file is asked again."
        state = replace(state, fetch_url=None, etag=None, last_modified=None, body_sha256=None, last_error=error)
    return replace(state, failures=failures, next_fetch_at=wait or at + _back_off(state.feed_id, failures))


def moved(before: FeedState, now: FeedState) -> str:
    """What to tell a person about a move that the last attempt confirmed, '' for nothing; each is told once."""
    if now.fetch_url and now.fetch_url != before.fetch_url:
        return f"has moved to {masked(now.fetch_url)}, which is asked from now on"
    # Only the poll that confirms a move lets the count of `_moving` stand at the number wanted.
    if now.moved_polls == MOVE_POLLS and now.moved_polls != before.moved_polls and now.moved_to:
        where = masked(now.moved_to)
        return f"says that it has moved to {where}, another site: if that is right, change it in the OPML file"
    return ""


def until(due: datetime | None, failures: int, now: datetime) -> str:
    """When a feed that waits is asked again, and after what; '' for one that is due.

    Nobody waits longer than a day: such a time was set by a clock that has been put back since.
    """
    if due is None or due <= now or due - now > LONGEST_WAIT:
        return ""
    due, now = due.astimezone(UTC), now.astimezone(UTC)
    when = f"{due:%H:%M}" if due.date() == now.date() else f"{due:%Y-%m-%d %H:%M}"
    after = f", after {failures} failure{'s' * (failures > 1)}" if failures else ""
    return f"asked again at {when} UTC{after}"


def news_of(before: FeedState, now: FeedState) -> str:
    """What the last attempt changed about how a feed is asked: told when its wait grows, and when it is well again.

    '' where nothing changed: a feed that goes on failing at the longest wait is told no more.
    """
    if now.status == "gone" and before.status != "gone":
        return f"gone, not asked any more: {now.last_error or ''}"
    if before.failures and not now.failures:
        return f"well again, after {before.failures} failure{'s' * (before.failures > 1)}"
    if (
        now.next_fetch_at
        and now.last_fetch_at
        and now.failures > before.failures
        and _doubled(now.failures) > _doubled(before.failures)
    ):
        return f"{until(now.next_fetch_at, now.failures, now.last_fetch_at)}: {now.last_error or ''}"
    return ""


def retry_after(header: str | None, at: datetime) -> datetime | None:
    """The time a Retry-After names (seconds or a date), kept within a minute and a day; None if it names none."""
    asked = asked_wait(header, at)
    return None if asked is None else at + min(max(asked, _RETRY_LEAST), LONGEST_WAIT)


def _moving(state: FeedState, asked: str, moved_to: str | None, at: datetime) -> FeedState:
    """Count the polls that name the same permanent address; keep it once they are enough and it is the same house."""
    if not moved_to or moved_to == asked:
        return replace(state, moved_to=None, moved_at=state.moved_at if state.fetch_url else None, moved_polls=None)
    if moved_to != state.moved_to or state.moved_at is None:
        return replace(state, moved_to=moved_to, moved_at=at, moved_polls=1)
    polls = (state.moved_polls or 0) + 1
    if polls < MOVE_POLLS or at - state.moved_at < MOVE_TIME or not same_house(asked, moved_to):
        return replace(state, moved_polls=polls)
    return replace(state, fetch_url=moved_to, moved_to=None, moved_polls=None, moved_at=at)


def _back_off(feed_id: str, failures: int) -> timedelta:
    # Jitter of ±20% that repeats, so that feeds which failed together do not all come back together.
    digest = hashlib.sha256(f"{feed_id}:{failures}".encode()).digest()
    return _doubled(failures) * (0.8 + 0.4 * digest[0] / 255)


def _doubled(failures: int) -> timedelta:
    return min(_FIRST_WAIT * 2 ** min(failures - 1, 16), _LONGEST_BACK_OFF) if failures else timedelta(0)
