"""What the decisions of this stage are made of: events, incidents, silences, outbox rows and drafts, all frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pipeline.incidents import Event, Severity, hash_id
from pipeline.incidents import State as Life
from pipeline.notify.document import Link

__all__ = [
    "Announcement",
    "DeadRow",
    "Draft",
    "Evidence",
    "Facts",
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
    INHIBITION_ENDED = "inhibition_ended"
    RESOLVED = "resolved"
    DEAD_LETTER = "dead_letter"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    BLIND_SPOT = "blind_spot"
    NO_RECEIVER = "no_receiver"
    NO_RESOLVED = "no_resolved"
    NEVER_TOLD = "never_told"
    UNREMARKABLE = "unremarkable"


@dataclass(frozen=True)
class Facts:
    """What the newest decision of an incident says beyond its row.

    `excess_p`: how likely so much more than the market's own share is by chance; None where detect has not recorded
    it. `coverage` of a health incident: it is a blind spot. `labels`: those of the rule.
    """

    tier: int | None = None
    excess_p: float | None = None
    p_limit: float | None = None
    bucket_start: datetime | None = None
    coverage: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


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
    last_seen_at: datetime | None = None
    suppressed_by: str | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def is_open(self) -> bool:
        """Fired and not over."""
        return self.state in (Life.FIRING, Life.ACKNOWLEDGED)

    def labels(self) -> dict[str, str]:
        """What matchers of routes and silences look at."""
        return {
            "kind": self.kind,
            "rule": self.rule,
            "scope": self.scope,
            "key": self.key,
            "severity": self.severity,
            "tier": "" if self.facts.tier is None else str(self.facts.tier),
            "incident_id": self.incident_id,
            **{f"label.{name}": value for name, value in self.facts.labels.items()},
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
    # (address, group without its phase) -> when its newest message left, or was saved.
    groups: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    dead: Sequence[DeadRow] = ()


@dataclass(frozen=True)
class DeadRow:
    """A notification that was given up and of which nobody was told yet."""

    notification_id: str
    receiver: str
    severity: str
    title: str
    error: str
    incident_ids: tuple[str, ...]


@dataclass(frozen=True)
class Announcement:
    """One incident within a message, and why it is there. `muted`: the parts that it keeps quiet, by name."""

    incident: IncidentRow
    reason: Reason
    event: Event | None = None
    muted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A notification before it is saved.

    `fresh` are the events that nobody had been told of; `ordinal` counts reminders; `replaces` are held rows it takes
    the place of; `dead` are the given-up notifications that a message about dead letters tells of.
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
    dead: tuple[DeadRow, ...] = ()

    @property
    def spoken(self) -> bool:
        """Whether it has words to be sent."""
        return bool(self.announcements or self.dead)

    @property
    def notification_id(self) -> str:
        """The same for the same events to the same receiver, however often it is made or sent."""
        reminder = [f"reminder {self.ordinal}"] if self.ordinal else []
        return hash_id(self.receiver, *sorted(self.event_ids), *reminder, *(row.notification_id for row in self.dead))


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
    document: str = "{}"
    attempt: int = 1
    created_at: datetime | None = None
    links: tuple[Link, ...] = ()


def severity_rank(severity: str) -> int:
    """0 for `info` to 3 for `critical`; a word we do not know counts as `warning`."""
    return Severity(severity).rank if severity in set(Severity) else Severity.WARNING.rank
