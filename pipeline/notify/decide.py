"""Which events make which messages, and which rows of the outbox may be sent now: pure, each with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.incidents import Action, Event
from pipeline.incidents import State as Life
from pipeline.notify.records import (
    Announcement,
    Draft,
    IncidentRow,
    OutboxRow,
    Reason,
    Silence,
    State,
    Status,
    Told,
    severity_rank,
)
from pipeline.notify.routes import Match, Routes, matches

__all__ = ["CLAIM_FOR", "MAX_ATTEMPTS", "Claims", "backoff", "claims", "plan", "silenced"]

CLAIM_FOR = timedelta(minutes=2)
MAX_ATTEMPTS = 8
_FIRST_DELAY, _LONGEST_DELAY = 60.0, 3600.0

_SPEAKS = {
    Action.FIRE: Reason.FIRST,
    Action.REOPEN: Reason.FIRST,
    Action.ESCALATE: Reason.ESCALATED,
    Action.RESOLVE: Reason.RESOLVED,
}
# In a message of several steps the first of these gives the reason.
_WEIGHT = (Reason.FIRST, Reason.SILENCE_ENDED, Reason.ESCALATED, Reason.REPEAT, Reason.RESOLVED)
_SILENT = frozenset({Reason.SILENCED, Reason.NO_RECEIVER, Reason.NO_RESOLVED, Reason.NEVER_TOLD, Reason.UNREMARKABLE})


@dataclass(frozen=True)
class _Step:
    """One decision: this incident, at this address (or none), for this reason."""

    announcement: Announcement
    address: str
    reason: Reason
    event_id: str
    wait: timedelta = timedelta(0)
    ordinal: int = 0


def plan(state: State, routes: Routes, now: datetime) -> list[Draft]:
    """The notifications that unread events, reminders and ended silences call for.

    Every unread event ends up in a draft: to be sent, or skipped with the reason. One message per receiver for all
    that happened under the same rule and scope.
    """
    steps: list[_Step] = []
    told = dict(state.told)
    unread = sorted(state.unread, key=lambda e: (e.incident_id, e.seq))
    fired_again = {e.incident_id: e.seq for e in unread if e.action is Action.REOPEN}
    for event in unread:
        # Fired again before anybody heard that it was over: "resolved" would be news of yesterday.
        over = event.action is Action.RESOLVE and fired_again.get(event.incident_id, -1) > event.seq
        incident = None if over else state.incidents.get(event.incident_id)
        for step in _steps_of(event, incident, told, state.silences, routes, now):
            steps.append(step)
            if step.reason not in _SILENT:
                told[step.address, event.incident_id] = Told(now, step.reason, 1, unsent=True)
    spoken = {(s.address, s.announcement.incident.incident_id) for s in steps}
    steps += [
        s for s in _reminders(state, routes, now) if (s.address, s.announcement.incident.incident_id) not in spoken
    ]
    return _grouped(steps, state, now)


def _steps_of(
    event: Event,
    incident: IncidentRow | None,
    told: Mapping[tuple[str, str], Told],
    silences: Sequence[Silence],
    routes: Routes,
    now: datetime,
) -> Iterable[_Step]:
    reason = _SPEAKS.get(event.action, Reason.UNREMARKABLE)
    if incident is None or reason is Reason.UNREMARKABLE:
        known = incident or IncidentRow(event.incident_id, "", "", "", "", "", event.severity, "")
        yield _Step(Announcement(known, Reason.UNREMARKABLE, event), "", Reason.UNREMARKABLE, event.event_id)
        return
    # The step is told with the severity it had, also when several steps are read at once.
    then = replace(incident, severity=event.severity or incident.severity)
    found = routes.matching(then.labels())
    if not found:
        yield _Step(Announcement(then, reason, event), "", Reason.NO_RECEIVER, event.event_id)
    muted = silenced(then.labels(), silences, now)
    for match in found:
        decided = _decided(reason, match, told.get((match.address, event.incident_id)), muted)
        yield _Step(Announcement(then, reason, event), match.address, decided, event.event_id, match.route.group_wait)


def _decided(reason: Reason, match: Match, told: Told | None, muted: bool) -> Reason:
    if reason is Reason.RESOLVED:
        if told is None or told.last_reason in (Reason.RESOLVED, Reason.SILENCED):
            return Reason.NEVER_TOLD
        if not match.route.send_resolved:
            return Reason.NO_RESOLVED
    return Reason.SILENCED if muted else reason


def _reminders(state: State, routes: Routes, now: datetime) -> Iterable[_Step]:
    for incident in state.incidents.values():
        if incident.state != Life.FIRING or not incident.announce_id:
            continue
        if silenced(incident.labels(), state.silences, now):
            continue
        for match in routes.matching(incident.labels()):
            told = state.told.get((match.address, incident.incident_id))
            # While the last message has not gone out a reminder would only lengthen the queue.
            if told is None or told.unsent:
                continue
            reason = _due(told, match.route.repeat_interval, now)
            if reason:
                yield _Step(
                    Announcement(incident, reason),
                    match.address,
                    reason,
                    incident.announce_id,
                    ordinal=told.messages + 1,
                )


def _due(told: Told, every: timedelta | None, now: datetime) -> Reason | None:
    if told.last_reason is Reason.SILENCED:
        return Reason.SILENCE_ENDED
    if every is not None and told.last_reason is not Reason.RESOLVED and now - told.last_at >= every:
        return Reason.REPEAT
    return None


def silenced(labels: Mapping[str, str], silences: Iterable[Silence], now: datetime) -> bool:
    """Whether a silence that holds now matches. A silence without a matcher silences nothing."""
    return any(s.matchers and s.starts_at <= now < s.ends_at and matches(s.matchers, labels) for s in silences)


def _grouped(steps: Sequence[_Step], state: State, now: datetime) -> list[Draft]:
    groups: dict[tuple[str, str, bool], list[_Step]] = {}
    for step in steps:
        groups.setdefault((step.address, _group_key(step), step.ordinal > 0), []).append(step)
    held = {(row.receiver, row.group_key): row for row in state.outbox if row.held(now)}
    drafts = []
    for (address, key, reminder), members in groups.items():
        draft = _draft(address, key, members, now)
        row = None if reminder else held.get((address, key))
        drafts.append(_joined(draft, row, state.incidents) if row else draft)
    return drafts


def _group_key(step: _Step) -> str:
    if step.reason in _SILENT:
        return f"skipped|{step.reason}"
    incident = step.announcement.incident
    phase = "resolved" if step.reason is Reason.RESOLVED else "firing"
    return f"{incident.rule}|{incident.scope}|{phase}"


def _draft(address: str, key: str, members: Sequence[_Step], now: datetime) -> Draft:
    reasons = {m.reason for m in members}
    skipped = reasons <= _SILENT
    reason = members[0].reason if skipped else next(r for r in _WEIGHT if r in reasons)
    return Draft(
        receiver=address,
        group_key=key,
        fresh=() if members[0].ordinal else tuple(sorted({m.event_id for m in members})),
        event_ids=tuple(sorted({m.event_id for m in members})),
        incident_ids=tuple(sorted({m.announcement.incident.incident_id for m in members})),
        status=Status.SKIPPED if skipped else Status.PENDING,
        reason=reason,
        severity=max((m.announcement.incident.severity for m in members), key=severity_rank),
        created_at=now,
        not_before=now + min(m.wait for m in members),
        ordinal=max(m.ordinal for m in members),
        announcements=() if skipped else _latest(m.announcement for m in members),
    )


def _latest(announcements: Iterable[Announcement]) -> tuple[Announcement, ...]:
    """One per incident: what is so now, under the weightiest reason."""
    by_incident: dict[str, Announcement] = {}
    for new in announcements:
        old = by_incident.get(new.incident.incident_id)
        weightier = old and _WEIGHT.index(old.reason) < _WEIGHT.index(new.reason)
        by_incident[new.incident.incident_id] = replace(new, reason=old.reason) if old and weightier else new
    return tuple(by_incident.values())


def _joined(draft: Draft, row: OutboxRow, incidents: Mapping[str, IncidentRow]) -> Draft:
    """The draft takes the place of a row that is still held by `group_wait` and was never tried."""
    held = [Announcement(incidents[i], row.reason) for i in row.incident_ids if i in incidents]
    return replace(
        draft,
        event_ids=tuple(sorted({*draft.event_ids, *row.event_ids})),
        incident_ids=tuple(sorted({*draft.incident_ids, *row.incident_ids})),
        reason=min(draft.reason, row.reason, key=_WEIGHT.index),
        severity=max(draft.severity, row.severity, key=severity_rank),
        created_at=row.created_at,
        not_before=row.not_before,
        replaces=(row.notification_id,),
        announcements=_latest([*held, *draft.announcements]),
    )


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
    """At most `limit` rows that are due, oldest first.

    A row waits while an earlier one to the same receiver about the same incident has not gone out, so that nobody
    reads "resolved" before "firing". `broken` are receivers that failed in this run, `gone` senders known to be dead.
    """
    take: list[OutboxRow] = []
    dead: list[OutboxRow] = []
    ahead: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda r: (r.created_at, r.reason is Reason.RESOLVED, r.notification_id)):
        over = row.claim_expires_at is None or row.claim_expires_at <= now or row.claimed_by in gone
        expired = row.status is Status.SENDING and over
        if expired and row.attempt >= MAX_ATTEMPTS:
            dead.append(row)
            continue
        about = {(row.receiver, incident_id) for incident_id in row.incident_ids}
        due = expired or (row.status is not Status.SENDING and row.not_before <= now)
        if due and row.receiver not in broken and not about & ahead and len(take) < limit:
            take.append(row)
        else:
            ahead |= about
    return Claims(tuple(take), tuple(dead))


def backoff(notification_id: str, attempt: int) -> timedelta:
    """How long to wait after the `attempt`-th failure: 1, 2, 4 … 60 minutes, give or take a quarter.

    The jitter comes from the id, so that many messages that failed together do not come back together, and a test
    can say when. Eight attempts span about two hours.
    """
    share = int(hashlib.sha256(f"{notification_id}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return timedelta(seconds=min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** (attempt - 1)) * (0.75 + 0.5 * share))
