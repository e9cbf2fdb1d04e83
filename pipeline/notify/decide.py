"""Which events make which messages: pure, each decision with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.incidents import Action, Event
from pipeline.incidents import State as Life
from pipeline.notify.grouping import SILENT, Step, grouped
from pipeline.notify.inhibit import blind, suppressions
from pipeline.notify.labels import matches
from pipeline.notify.records import (
    Announcement,
    DeadRow,
    Draft,
    IncidentRow,
    Reason,
    Silence,
    State,
    Status,
    Told,
    severity_rank,
)
from pipeline.notify.routes import Match, Routes

__all__ = ["plan", "silenced"]

_SPEAKS = {
    Action.FIRE: Reason.FIRST,
    Action.REOPEN: Reason.FIRST,
    Action.ESCALATE: Reason.ESCALATED,
    Action.RESOLVE: Reason.RESOLVED,
}
# What a receiver was not told because something muted it, and why it is told when that is over.
_MUTED = {Reason.SILENCED: Reason.SILENCE_ENDED, Reason.INHIBITED: Reason.INHIBITION_ENDED}


def plan(state: State, routes: Routes, now: datetime) -> list[Draft]:
    """The notifications that unread events, reminders, what is muted no more, and dead letters call for.

    Every unread event ends up in a draft: to be sent, or skipped with the reason. One message per receiver and group.
    """
    mute = _Mute(state, routes, now)
    steps: list[Step] = []
    told = dict(state.told)
    unread = sorted(state.unread, key=lambda e: (e.incident_id, e.seq))
    fired_again = {e.incident_id: e.seq for e in unread if e.action is Action.REOPEN}
    for event in unread:
        # Fired again before anybody heard that it was over: "resolved" would be news of yesterday.
        over = event.action is Action.RESOLVE and fired_again.get(event.incident_id, -1) > event.seq
        incident = None if over else state.incidents.get(event.incident_id)
        for step in _steps_of(event, incident, told, mute, routes):
            steps.append(step)
            if step.reason not in SILENT:
                told[step.address, event.incident_id] = Told(now, step.reason, 1, unsent=True)
    spoken = {(s.address, s.announcement.incident.incident_id) for s in steps}
    later = [*_reminders(state, mute, routes, now), *_all_clear(state, mute, routes)]
    steps += [s for s in later if (s.address, s.announcement.incident.incident_id) not in spoken]
    drafts = grouped(_named(steps, state, mute), state, now)
    return [*drafts, *_silenced_meanwhile(drafts, state, now), *_dead_letters(state.dead, routes, now)]


class _Mute:
    """What keeps a message back now: silences, something wider, a blind spot."""

    def __init__(self, state: State, routes: Routes, now: datetime) -> None:
        self._silences, self._routes, self._now = state.silences, routes, now
        self._incidents = state.incidents
        self.parts = suppressions(state.incidents.values()) if routes.inhibit else {}
        self.blind = routes.inhibit and blind(state.incidents)

    def reason(self, incident: IncidentRow, reason: Reason, address: str) -> Reason | None:
        """Why this address is not told of this; None where it is."""
        if silenced(incident.labels(), self._silences, self._now):
            return Reason.SILENCED
        if reason is Reason.RESOLVED:
            return Reason.BLIND_SPOT if self.blind and incident.kind != "health" else None
        above = self._incidents.get(self.parts.get(incident.incident_id, ""))
        return Reason.INHIBITED if above is not None and self._hears(address, above) else None

    def _hears(self, address: str, above: IncidentRow) -> bool:
        """Who is not told of the whole must be told of its parts."""
        labels = above.labels()
        told = any(m.address == address for m in self._routes.matching(labels))
        return told and not silenced(labels, self._silences, self._now)


def _steps_of(
    event: Event,
    incident: IncidentRow | None,
    told: Mapping[tuple[str, str], Told],
    mute: _Mute,
    routes: Routes,
) -> Iterable[Step]:
    reason = _SPEAKS.get(event.action, Reason.UNREMARKABLE)
    if incident is None or reason is Reason.UNREMARKABLE:
        known = incident or IncidentRow(event.incident_id, "", "", "", "", "", event.severity, "")
        yield Step(Announcement(known, Reason.UNREMARKABLE, event), "", Reason.UNREMARKABLE, event.event_id)
        return
    # The step is told with the severity it had, also when several steps are read at once.
    then = replace(incident, severity=event.severity or incident.severity)
    found = routes.matching(then.labels())
    if not found:
        yield Step(Announcement(then, reason, event), "", Reason.NO_RECEIVER, event.event_id)
    for match in found:
        decided = _decided(reason, then, match, told.get((match.address, event.incident_id)), mute)
        yield Step(Announcement(then, reason, event), match.address, decided, event.event_id, match.route)


def _decided(reason: Reason, incident: IncidentRow, match: Match, told: Told | None, mute: _Mute) -> Reason:
    if reason is Reason.RESOLVED:
        if told is None or not told.messages or told.last_reason is Reason.RESOLVED:
            return Reason.NEVER_TOLD
        if not match.route.send_resolved:
            return Reason.NO_RESOLVED
    return mute.reason(incident, reason, match.address) or reason


def _reminders(state: State, mute: _Mute, routes: Routes, now: datetime) -> Iterable[Step]:
    for incident in state.incidents.values():
        if incident.state != Life.FIRING or not incident.announce_id:
            continue
        for match in routes.matching(incident.labels()):
            told = state.told.get((match.address, incident.incident_id))
            # While the last message has not gone out a reminder would only lengthen the queue.
            if told is None or told.unsent or mute.reason(incident, Reason.REPEAT, match.address):
                continue
            reason = _due(told, match.route.repeat_interval, now)
            if reason:
                announcement = Announcement(incident, reason)
                ordinal = told.messages + 1
                yield Step(announcement, match.address, reason, incident.announce_id, match.route, ordinal)


def _due(told: Told, every: timedelta | None, now: datetime) -> Reason | None:
    if told.last_reason in _MUTED:
        return _MUTED[told.last_reason]
    over = told.last_reason in (Reason.RESOLVED, Reason.BLIND_SPOT)
    if every is not None and not over and now - told.last_at >= every:
        return Reason.REPEAT
    return None


def _all_clear(state: State, mute: _Mute, routes: Routes) -> Iterable[Step]:
    """ "It is over" for what ended while we could not see."""
    for incident in state.incidents.values():
        if mute.blind or incident.state != Life.RESOLVED:
            continue
        for match in routes.matching(incident.labels()):
            told = state.told.get((match.address, incident.incident_id))
            if told is None or told.unsent or told.last_reason is not Reason.BLIND_SPOT:
                continue
            announcement = Announcement(incident, Reason.RESOLVED)
            yield Step(
                announcement, match.address, Reason.RESOLVED, incident.announce_id, match.route, told.messages + 1
            )


def _named(steps: Sequence[Step], state: State, mute: _Mute) -> list[Step]:
    """The steps, each market-wide incident with the names of the parts that are muted because of it."""
    labels: dict[str, set[str]] = {}
    for part, above in mute.parts.items():
        labels.setdefault(above, set()).add(state.incidents[part].label)
    named = []
    for step in steps:
        muted = labels.get(step.announcement.incident.incident_id, ())
        told = replace(step.announcement, muted=tuple(sorted(muted)))
        named.append(replace(step, announcement=told) if muted and step.reason is not Reason.RESOLVED else step)
    return named


def silenced(labels: Mapping[str, str], silences: Iterable[Silence], now: datetime) -> bool:
    """Whether a silence that holds now matches. A silence without a matcher silences nothing."""
    return any(s.matchers and s.starts_at <= now < s.ends_at and matches(s.matchers, labels) for s in silences)


def _silenced_meanwhile(drafts: Sequence[Draft], state: State, now: datetime) -> list[Draft]:
    """Held messages that a silence has come to cover altogether are not sent; the end of the silence tells them."""
    joined = {row for draft in drafts for row in draft.replaces}
    found = []
    for row in state.outbox:
        incidents = [state.incidents[i] for i in row.incident_ids if i in state.incidents]
        covered = incidents and all(silenced(i.labels(), state.silences, now) for i in incidents)
        if covered and row.held(now) and row.notification_id not in joined:
            found.append(
                Draft(
                    receiver=row.receiver,
                    group_key=row.group_key,
                    event_ids=row.event_ids,
                    incident_ids=row.incident_ids,
                    status=Status.SKIPPED,
                    reason=Reason.SILENCED,
                    severity=row.severity,
                    created_at=row.created_at,
                    not_before=row.not_before,
                    replaces=(row.notification_id,),
                )
            )
    return found


def _dead_letters(dead: Sequence[DeadRow], routes: Routes, now: datetime) -> list[Draft]:
    """One message on another channel for all that one receiver did not take."""
    by_receiver: dict[str, list[DeadRow]] = {}
    for row in sorted(dead, key=lambda r: r.notification_id):
        by_receiver.setdefault(row.receiver, []).append(row)
    return [
        Draft(
            receiver=routes.other_than(receiver),
            group_key=f"dead_letter|{receiver}",
            event_ids=(),
            incident_ids=tuple(sorted({i for row in rows for i in row.incident_ids})),
            status=Status.PENDING,
            reason=Reason.DEAD_LETTER,
            severity=max((row.severity for row in rows), key=severity_rank),
            created_at=now,
            not_before=now,
            dead=tuple(rows),
        )
        for receiver, rows in by_receiver.items()
    ]
