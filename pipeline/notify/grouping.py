"""From decisions to drafts: one message for one address and group, and until when it is held. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.notify.quiet import quiet_until
from pipeline.notify.records import (
    Announcement,
    Draft,
    IncidentRow,
    OutboxRow,
    Reason,
    State,
    Status,
    severity_rank,
)
from pipeline.notify.routes import Route

__all__ = ["SILENT", "Step", "grouped"]

# In a message of several steps the first of these gives the reason.
_WEIGHT = (
    Reason.FIRST,
    Reason.INHIBITION_ENDED,
    Reason.SILENCE_ENDED,
    Reason.ESCALATED,
    Reason.REPEAT,
    Reason.RESOLVED,
)
SILENT = frozenset(
    {
        Reason.SILENCED,
        Reason.INHIBITED,
        Reason.BLIND_SPOT,
        Reason.NO_RECEIVER,
        Reason.NO_RESOLVED,
        Reason.NEVER_TOLD,
        Reason.UNREMARKABLE,
    }
)
_DEFAULT = Route(receiver="")


@dataclass(frozen=True)
class Step:
    """One decision: this incident, at this address (or none), for this reason; `ordinal` > 0 is a reminder."""

    announcement: Announcement
    address: str
    reason: Reason
    event_id: str
    route: Route = field(default=_DEFAULT)
    ordinal: int = 0

    @property
    def group(self) -> str:
        """The values of `group_by`, without the phase."""
        if self.reason in SILENT:
            return f"skipped|{self.reason}"
        labels = self.announcement.incident.labels()
        return "|".join(labels.get(name, "") for name in self.route.group_by)

    @property
    def key(self) -> str:
        """The group and its phase: "it is over" is a message of its own."""
        if self.reason in SILENT:
            return self.group
        return f"{self.group}|{'resolved' if self.reason is Reason.RESOLVED else 'firing'}"

    @property
    def urgent(self) -> bool:
        """Critical and not over: neither quiet hours nor `group_interval` hold it."""
        return self.announcement.incident.severity == "critical" and self.reason is not Reason.RESOLVED


def grouped(steps: Sequence[Step], state: State, now: datetime) -> list[Draft]:
    """One draft per address, group and phase; each joins what is still held there for the same group."""
    groups: dict[tuple[str, str, bool], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.address, step.key, step.ordinal > 0), []).append(step)
    held = [row for row in state.outbox if row.held(now)]
    taken: set[str] = set()
    drafts = []
    for (address, key, reminder), members in groups.items():
        draft = _draft(address, key, members, state.groups.get((address, members[0].group)), now)
        if not reminder and draft.status is Status.PENDING:
            rows = [r for r in held if r.notification_id not in taken and _joins(r, draft, members)]
            taken.update(r.notification_id for r in rows)
            draft = _joined(draft, rows, state.incidents)
        drafts.append(draft)
    return drafts


def _joins(row: OutboxRow, draft: Draft, members: Sequence[Step]) -> bool:
    if row.receiver != draft.receiver:
        return False
    # What is urgent does not queue behind an earlier, held message about the same incident: it takes that along. And
    # what is over before its first message has left is told once, as over.
    taking = {m.announcement.incident.incident_id for m in members if m.urgent or m.reason is Reason.RESOLVED}
    return row.group_key == draft.group_key or bool(taking & set(row.incident_ids))


def _draft(address: str, key: str, members: Sequence[Step], last: datetime | None, now: datetime) -> Draft:
    reasons = {m.reason for m in members}
    skipped = reasons <= SILENT
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
        not_before=now if skipped else min(_not_before(m, last, now) for m in members),
        ordinal=max(m.ordinal for m in members),
        announcements=() if skipped else _latest(m.announcement for m in members),
    )


def _not_before(step: Step, last: datetime | None, now: datetime) -> datetime:
    """`group_wait` for a group nobody was told of lately, else `group_interval` after its last message; then quiet
    hours. A last message in the future was written before the clock was set back: it holds nothing."""
    route = step.route
    lately = last is not None and last <= now < last + route.group_interval
    if last is not None and lately:
        at = now if step.urgent else last + route.group_interval
    else:
        at = now if step.ordinal else now + route.group_wait
    return at if step.urgent else quiet_until(at, route.quiet_hours) or at


def _latest(announcements: Iterable[Announcement]) -> tuple[Announcement, ...]:
    """One per incident: what is so now, under the weightiest reason."""
    by_incident: dict[str, Announcement] = {}
    for new in announcements:
        old = by_incident.get(new.incident.incident_id)
        weightier = old and _WEIGHT.index(old.reason) < _WEIGHT.index(new.reason)
        by_incident[new.incident.incident_id] = replace(new, reason=old.reason) if old and weightier else new
    return tuple(by_incident.values())


def _joined(draft: Draft, rows: Sequence[OutboxRow], incidents: Mapping[str, IncidentRow]) -> Draft:
    """The draft in the place of rows that are still held and were never tried."""
    if not rows:
        return draft
    new = {a.incident.incident_id for a in draft.announcements}
    firing, over = draft.reason is not Reason.RESOLVED, draft.reason is Reason.RESOLVED
    # A held "it is over" that something urgent takes along is no longer so; nor is a held "it fires" that is over.
    held = [
        Announcement(incidents[i], row.reason)
        for row in rows
        for i in row.incident_ids
        if i in incidents and not (firing and row.reason is Reason.RESOLVED) and not (over and i in new)
    ]
    announcements = _latest([*held, *draft.announcements])
    reason = min((a.reason for a in announcements), key=_WEIGHT.index)
    return replace(
        draft,
        group_key=rows[0].group_key if over and reason is not Reason.RESOLVED else draft.group_key,
        event_ids=tuple(sorted({*draft.event_ids, *(e for row in rows for e in row.event_ids)})),
        incident_ids=tuple(sorted({*draft.incident_ids, *(i for row in rows for i in row.incident_ids)})),
        reason=reason,
        severity=max([draft.severity, *(row.severity for row in rows)], key=severity_rank),
        created_at=min(draft.created_at, *(row.created_at for row in rows)),
        not_before=min(draft.not_before, *(row.not_before for row in rows)),
        replaces=tuple(row.notification_id for row in rows),
        announcements=announcements,
    )
