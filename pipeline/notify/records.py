"""What the decisions of this stage are made of: events, incidents, silences, outbox rows and drafts, all frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.incidents import Event, Severity, hash_id

__all__ = [
    "Announcement",
    "Draft",
    "Evidence",
    "IncidentRow",
    "OutboxRow",
    "Outgoing",
    "Reason",
    "Silence",
    "State",
    "Status",
    "Told",
    "severity_rank",
]


class Status(StrEnum):
    """Where a notification stands. `failed` is tried again; `sent`, `dead` and `skipped` are ends."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a message is sent, or (from SILENCED on) why none is."""

    FIRST = "first"
    ESCALATED = "escalated"
    REPEAT = "repeat"
    SILENCE_ENDED = "silence_ended"
    RESOLVED = "resolved"
    SILENCED = "silenced"
    NO_RECEIVER = "no_receiver"
    NO_RESOLVED = "no_resolved"
    NEVER_TOLD = "never_told"
    UNREMARKABLE = "unremarkable"


@dataclass(frozen=True)
class IncidentRow:
    """An incident as it stands (a row of `incidents`); `announce_id` is its newest event that deserved a message."""

    incident_id: str
    rule: str
    kind: str
    scope: str
    key: str
    label: str
    severity: str
    state: str
    summary: str = ""
    model_version: str = ""
    single_source: bool = False
    opened_at: datetime | None = None
    fired_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    resolved_at: datetime | None = None
    announce_id: str = ""

    def labels(self) -> dict[str, str]:
        """What matchers of routes and silences look at."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "scope": self.scope,
            "key": self.key,
            "severity": self.severity,
            "incident_id": self.incident_id,
        }


@dataclass(frozen=True)
class Evidence:
    """What an incident rests on: the decision, the counted articles and the feeds, as kept at firing."""

    decision: Mapping[str, Any] = field(default_factory=dict)
    articles: Sequence[Mapping[str, Any]] = ()
    feeds: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Silence:
    """Matchers (label -> accepted values) and the time they hold."""

    silence_id: str
    matchers: Mapping[str, Sequence[str]]
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Told:
    """What a receiver has been told of an incident so far: its newest message, and how many there were."""

    last_at: datetime
    last_reason: Reason
    messages: int
    unsent: bool


@dataclass(frozen=True)
class OutboxRow:
    """A notification that is not at its end yet."""

    notification_id: str
    receiver: str
    group_key: str
    event_ids: tuple[str, ...]
    incident_ids: tuple[str, ...]
    status: Status
    reason: Reason
    severity: str
    created_at: datetime
    not_before: datetime
    attempt: int
    claimed_by: str | None = None
    claim_expires_at: datetime | None = None

    def held(self, now: datetime) -> bool:
        """Still waiting out its `group_wait`: what comes now can join it."""
        return self.status is Status.PENDING and not self.attempt and self.not_before > now


@dataclass(frozen=True)
class State:
    """What the store knew when the plan was made."""

    unread: Sequence[Event]
    incidents: Mapping[str, IncidentRow]
    told: Mapping[tuple[str, str], Told]
    silences: Sequence[Silence]
    outbox: Sequence[OutboxRow]


@dataclass(frozen=True)
class Announcement:
    """One incident within a message, and why it is there."""

    incident: IncidentRow
    reason: Reason
    event: Event | None = None


@dataclass(frozen=True)
class Draft:
    """A notification before it is saved.

    `fresh` are the events that nobody had been told of; `ordinal` counts reminders; `replaces` are held rows it takes
    the place of.
    """

    receiver: str
    group_key: str
    event_ids: tuple[str, ...]
    incident_ids: tuple[str, ...]
    status: Status
    reason: Reason
    severity: str
    created_at: datetime
    not_before: datetime
    fresh: tuple[str, ...] = ()
    ordinal: int = 0
    replaces: tuple[str, ...] = ()
    announcements: tuple[Announcement, ...] = ()

    @property
    def notification_id(self) -> str:
        """The same for the same events to the same receiver, however often it is made or sent."""
        reminder = [f"reminder {self.ordinal}"] if self.ordinal else []
        return hash_id(self.receiver, *sorted(self.event_ids), *reminder)


@dataclass(frozen=True)
class Outgoing:
    """What a channel is handed."""

    notification_id: str
    receiver: str
    reason: Reason
    severity: str
    title: str
    body: str
    event_ids: tuple[str, ...] = ()
    incident_ids: tuple[str, ...] = ()


def severity_rank(severity: str) -> int:
    """0 for `info` to 3 for `critical`; a word we do not know counts as `warning`."""
    return Severity(severity).rank if severity in set(Severity) else Severity.WARNING.rank
