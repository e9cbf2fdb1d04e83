"""Which rows of the outbox may be sent now, and how long a failed one waits: pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.notify.records import OutboxRow, Reason, Status, severity_rank

__all__ = ["CLAIM_FOR", "MAX_ATTEMPTS", "MAX_UNSURE", "Claims", "backoff", "bounded", "claims"]

CLAIM_FOR = timedelta(minutes=2)
MAX_ATTEMPTS = 8
# A channel that takes a message and does not say so would show each try to people.
MAX_UNSURE = 3
_FIRST_DELAY, _LONGEST_DELAY = 60.0, 3600.0
# What lies further ahead than this was written before our clock was set back.
_AHEAD = timedelta(minutes=20)


@dataclass(frozen=True)
class Claims:
    """Which rows may be tried now, and which have been tried too often (each killed in the middle of sending)."""

    take: tuple[OutboxRow, ...]
    dead: tuple[OutboxRow, ...]


def claims(
    rows: Iterable[OutboxRow],
    now: datetime,
    broken: AbstractSet[str],
    limit: int,
    gone: AbstractSet[str] = frozenset(),
) -> Claims:
    """At most `limit` rows that are due, the most severe first, then the oldest.

    A row waits while an earlier one to the same receiver about the same incident has not gone out, so that nobody
    reads "resolved" before "firing". `broken` are receivers that failed in this run, `gone` senders known to be dead.
    """
    take: list[OutboxRow] = []
    dead: list[OutboxRow] = []
    ahead: set[tuple[str, str]] = set()
    for row in _in_order(rows):
        until = row.claim_expires_at
        over = until is None or not now < until <= now + _AHEAD or row.claimed_by in gone
        expired = row.status is Status.SENDING and over
        if expired and row.attempt >= MAX_ATTEMPTS:
            dead.append(row)
            continue
        about = {(row.receiver, incident_id) for incident_id in row.incident_ids}
        timely = row.not_before <= now or row.created_at > now + _AHEAD
        due = expired or (row.status is not Status.SENDING and timely)
        if due and row.receiver not in broken and not about & ahead and len(take) < limit:
            take.append(row)
        else:
            ahead |= about
    return Claims(tuple(take), tuple(dead))


def _in_order(rows: Iterable[OutboxRow]) -> list[OutboxRow]:
    """By severity, then time; a row is as urgent as any later one that waits for it."""
    by_time = sorted(rows, key=lambda r: (r.created_at, r.reason is Reason.RESOLVED, r.notification_id))
    urgency: dict[tuple[str, str], int] = {}
    ranked: list[tuple[int, int, OutboxRow]] = []
    for place, row in reversed(list(enumerate(by_time))):
        about = [(row.receiver, incident_id) for incident_id in row.incident_ids]
        rank = max([severity_rank(row.severity), *(urgency.get(key, 0) for key in about)])
        urgency.update(dict.fromkeys(about, rank))
        ranked.append((-rank, place, row))
    return [row for _, _, row in sorted(ranked, key=lambda r: r[:2])]


def backoff(notification_id: str, attempt: int) -> timedelta:
    """How long to wait after the `attempt`-th failure: 1, 2, 4 … 60 minutes, give or take a quarter.

    The jitter comes from the id, so that many messages that failed together do not come back together, and a test
    can say when. Eight attempts span about two hours.
    """
    share = int(hashlib.sha256(f"{notification_id}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return timedelta(seconds=min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1)) * (0.75 + 0.5 * share))


def bounded(asked: timedelta) -> timedelta:
    """What a receiver asked to wait (Retry-After), an hour at most: an alert that comes a day late is none."""
    return min(max(asked, timedelta(0)), timedelta(seconds=_LONGEST_DELAY))
