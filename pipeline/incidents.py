"""The life of an incident: one pure fold over its events, used by `detect` and `notify`.

    pending ──fire──▶ firing ──acknowledge──▶ acknowledged ──resolve──▶ resolved
       │                └──────────resolve──────────────────────────────▶   │
       └─withdraw (never fired: nobody is told)                 reopen ◀────┘ (inside the cooldown)

There is at most one open incident for a dedup key (rule | scope | key). Ids are hashes of what identifies the thing,
so that a run that is killed and repeated writes the same rows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

__all__ = [
    "Action",
    "Detection",
    "Event",
    "Incident",
    "Policy",
    "Reason",
    "Severity",
    "State",
    "advance",
    "by_person",
    "dedup_key",
    "fold",
    "hash_id",
    "step",
]


class State(StrEnum):
    """Where an incident stands. Suppression is a field beside it, not a state."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Action(StrEnum):
    """What an event did."""

    OPEN = "open"
    FIRE = "fire"
    ESCALATE = "escalate"
    EXTEND = "extend"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    WITHDRAW = "withdraw"


class Reason(StrEnum):
    """Why it did, and why a message was or was not sent."""

    FIRST = "first"
    PENDING = "pending"
    REPEAT = "repeat"
    ESCALATED = "escalated"
    WORSENED = "worsened"
    CORROBORATED = "corroborated"
    RESOLVED = "resolved"
    FADED = "faded"
    PERSON = "person"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    COOLDOWN = "cooldown"


class Severity(StrEnum):
    """In PagerDuty's words, mildest first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (info) to 3 (critical)."""
        return list(Severity).index(self)


OPEN_STATES = (State.PENDING, State.FIRING, State.ACKNOWLEDGED)


class Policy(Protocol):
    """What the life of an incident takes from its rule."""

    @property
    def pending_for(self) -> timedelta: ...
    @property
    def keep_firing_for(self) -> timedelta: ...
    @property
    def cooldown(self) -> timedelta: ...


@dataclass(frozen=True)
class Detection:
    """One finding of one rule on one series.

    `seen_until`: the end of what was judged (the end of a bucket, the time of the newest article); keeping alive is
    counted from there, so that it does not depend on how often we run. `subjects`: what must not alarm twice (story
    ids of an event, the start of a silence); empty for statistics, whose buckets only move forward. `size`: the
    number that makes it worse when it doubles. `owners`: independent sources; of an event, each doubling is told.
    """

    rule: str
    kind: str
    scope: str
    key: str
    label: str
    severity: Severity
    summary: str
    bucket_start: datetime
    seen_until: datetime
    model_version: str = ""
    size: int = 0
    owners: int = 0
    single_source: bool = False
    subjects: frozenset[str] = frozenset()

    @property
    def dedup_key(self) -> str:
        """rule | scope | key."""
        return dedup_key(self.rule, self.scope, self.key)


@dataclass(frozen=True)
class Event:
    """One step in a life: a row of `incident_events`. `detail` is JSON with sorted keys."""

    event_id: str
    incident_id: str
    seq: int
    happened_at: datetime
    action: Action
    reason: Reason
    severity: Severity
    actor: str = ""
    detail: str = "{}"

    def told(self) -> dict[str, Any]:
        """The detail, read."""
        known: dict[str, Any] = json.loads(self.detail)
        return known


@dataclass(frozen=True)
class Incident:
    """The fold of its events: a row of `incidents`, and what the next step needs to know."""

    incident_id: str
    dedup_key: str
    rule: str
    kind: str
    scope: str
    key: str
    label: str
    severity: Severity
    state: State
    summary: str
    model_version: str
    single_source: bool
    opened_at: datetime
    bucket_start: datetime
    last_seen_at: datetime
    fired_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    size: int = 0
    owners: int = 0
    subjects: frozenset[str] = field(default_factory=frozenset)
    events: int = 0

    @property
    def is_open(self) -> bool:
        """Not resolved yet."""
        return self.state in OPEN_STATES


def hash_id(*parts: object) -> str:
    """First 32 hex of sha256 over the parts, joined by a character that none of them holds."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]


def dedup_key(rule: str, scope: str, key: str) -> str:
    """What makes two detections the same cause."""
    return f"{rule}|{scope}|{key}"


def fold(events: Iterable[Event]) -> Incident:
    """The incident that its events add up to; the same for any order and any repetition of them.

    Raises:
        ValueError: no event, events of two incidents, or the first of them does not open it.
    """
    ordered = sorted({event.event_id: event for event in events}.values(), key=lambda event: event.seq)
    if not ordered or ordered[0].action is not Action.OPEN:
        raise ValueError("an incident begins with the event that opens it")
    if len({event.incident_id for event in ordered}) != 1:
        raise ValueError("these events belong to more than one incident")
    return advance(_opened(ordered[0]), ordered[1:])


def advance(incident: Incident, events: Iterable[Event]) -> Incident:
    """The incident after further events of its own, in order."""
    for event in events:
        incident = _after(incident, event)
    return incident


def step(
    incident: Incident | None,
    detection: Detection | None,
    now: datetime,
    policy: Policy,
    known: Sequence[Incident] = (),
) -> list[Event]:
    """What happens to the key's newest incident (None: it has none) now that its series was judged.

    `detection` None: nothing unusual. `known`: older incidents of the key, whose subjects must not alarm again.
    Answers no event where nothing changed, so that a repeated run adds nothing.
    """
    if detection is None:
        return _calm(incident, now, policy)
    if incident is not None and incident.is_open:
        return _again(incident, detection, now, policy)
    past = [*known, *([incident] if incident else [])]
    if not _is_news(detection, past):
        return []
    if incident and _cooling(incident, now, policy):
        return [_next(incident, Action.REOPEN, Reason.COOLDOWN, now, detection)]
    return _open(detection, now, policy, past)


def by_person(incident: Incident, action: Action, actor: str, now: datetime, note: str = "") -> list[Event]:
    """What a person's acknowledge or resolve does; nothing where it changes nothing."""
    if action not in (Action.ACKNOWLEDGE, Action.RESOLVE):
        raise ValueError(f"a person cannot {action} an incident")
    allowed = (State.FIRING,) if action is Action.ACKNOWLEDGE else (State.FIRING, State.ACKNOWLEDGED)
    if incident.state not in allowed:
        return []
    return [_event(incident, action, Reason.PERSON, now, incident.severity, {"note": note} if note else {}, actor)]


def _cooling(incident: Incident, now: datetime, policy: Policy) -> bool:
    """Whether it fired, was resolved, and its cooldown has not run out. A clock that jumped back makes none longer."""
    if incident.fired_at is None or incident.resolved_at is None:
        return False
    return max(now - incident.resolved_at, timedelta(0)) < policy.cooldown


def _open(detection: Detection, now: datetime, policy: Policy, past: Sequence[Incident]) -> list[Event]:
    identity = "|".join(sorted(detection.subjects)) or detection.bucket_start.isoformat()
    incident_id = hash_id(detection.dedup_key, identity)
    # A run of buckets may begin where an earlier incident began and reach further: another life, another id.
    taken = {incident.incident_id for incident in past}
    while incident_id in taken:
        incident_id = hash_id(incident_id, "again")
    reason = Reason.PENDING if policy.pending_for else Reason.FIRST
    opening = Event(
        hash_id(incident_id, 0),
        incident_id,
        0,
        now,
        Action.OPEN,
        reason,
        detection.severity,
        "",
        _told(detection, full=True),
    )
    if policy.pending_for:
        return [opening]
    return [opening, _next(_opened(opening), Action.FIRE, Reason.FIRST, now, detection)]


def _again(incident: Incident, detection: Detection, now: datetime, policy: Policy) -> list[Event]:
    if detection.seen_until < incident.last_seen_at and detection.subjects <= incident.subjects:
        # An older bucket, which may lie before this life began: buckets only move forward.
        return []
    if incident.state is State.PENDING:
        if now - incident.opened_at >= policy.pending_for:
            return [_next(incident, Action.FIRE, Reason.FIRST, now, detection)]
        return _extended(incident, detection, now)
    if detection.severity.rank > incident.severity.rank:
        return [_next(incident, Action.ESCALATE, Reason.ESCALATED, now, detection)]
    if _corroborated(incident, detection):
        return [_next(incident, Action.ESCALATE, Reason.CORROBORATED, now, detection)]
    if incident.size and detection.size >= 2 * incident.size:
        return [_next(incident, Action.ESCALATE, Reason.WORSENED, now, detection)]
    return _extended(incident, detection, now)


def _corroborated(incident: Incident, detection: Detection) -> bool:
    """A second independent source of what had one; then each doubling of them, where sources are what is counted.

    The owners of a statistic's bucket grow with the day, whatever they write: there only its negatives make it worse.
    """
    if incident.single_source and detection.owners >= 2:
        return True
    return bool(detection.subjects and incident.owners and detection.owners >= 2 * incident.owners)


def _extended(incident: Incident, detection: Detection, now: datetime) -> list[Event]:
    newer = detection.seen_until > incident.last_seen_at or not detection.subjects <= incident.subjects
    return [_next(incident, Action.EXTEND, Reason.REPEAT, now, detection)] if newer else []


def _calm(incident: Incident | None, now: datetime, policy: Policy) -> list[Event]:
    if incident is None or not incident.is_open or now - incident.last_seen_at < policy.keep_firing_for:
        return []
    if incident.state is State.PENDING:
        return [_event(incident, Action.WITHDRAW, Reason.FADED, now, incident.severity, {})]
    return [_event(incident, Action.RESOLVE, Reason.RESOLVED, now, incident.severity, {})]


def _is_news(detection: Detection, past: Sequence[Incident]) -> bool:
    if detection.subjects:
        return not detection.subjects <= frozenset().union(*(incident.subjects for incident in past))
    return all(detection.seen_until > incident.last_seen_at for incident in past)


def _next(incident: Incident, action: Action, reason: Reason, now: datetime, detection: Detection) -> Event:
    return _event(incident, action, reason, now, detection.severity, json.loads(_told(detection, full=False)))


def _event(
    incident: Incident,
    action: Action,
    reason: Reason,
    now: datetime,
    severity: Severity,
    detail: Mapping[str, Any],
    actor: str = "",
) -> Event:
    seq = incident.events
    told = json.dumps(dict(detail), sort_keys=True, ensure_ascii=False)
    return Event(
        hash_id(incident.incident_id, seq), incident.incident_id, seq, now, action, reason, severity, actor, told
    )


def _told(detection: Detection, *, full: bool) -> str:
    known: dict[str, Any] = {
        "bucket_start": detection.bucket_start.isoformat(),
        "owners": detection.owners,
        "seen_until": detection.seen_until.isoformat(),
        "single_source": detection.single_source,
        "size": detection.size,
        "subjects": sorted(detection.subjects),
        "summary": detection.summary,
    }
    if full:
        names = ("rule", "kind", "scope", "key", "label", "model_version")
        known |= {name: getattr(detection, name) for name in names}
    return json.dumps(known, sort_keys=True, ensure_ascii=False)


def _opened(event: Event) -> Incident:
    told = event.told()
    return Incident(
        incident_id=event.incident_id,
        dedup_key=dedup_key(told["rule"], told["scope"], told["key"]),
        rule=told["rule"],
        kind=told["kind"],
        scope=told["scope"],
        key=told["key"],
        label=told["label"],
        severity=event.severity,
        state=State.PENDING,
        summary=told["summary"],
        model_version=told["model_version"],
        single_source=told["single_source"],
        opened_at=event.happened_at,
        bucket_start=datetime.fromisoformat(told["bucket_start"]),
        last_seen_at=datetime.fromisoformat(told["seen_until"]),
        size=told["size"],
        owners=told["owners"],
        subjects=frozenset(told["subjects"]),
        events=1,
    )


def _after(incident: Incident, event: Event) -> Incident:
    told = event.told()
    incident = replace(incident, events=event.seq + 1)
    if "seen_until" in told:
        incident = _seen(incident, event, told)
    match event.action:
        case Action.FIRE:
            return replace(incident, state=State.FIRING, fired_at=event.happened_at)
        case Action.REOPEN:
            return replace(incident, state=State.FIRING, resolved_at=None, acknowledged_at=None, acknowledged_by="")
        case Action.ESCALATE:
            # Worse than what was acknowledged: somebody has to look again.
            return replace(incident, state=State.FIRING)
        case Action.ACKNOWLEDGE:
            return replace(
                incident,
                state=State.ACKNOWLEDGED,
                acknowledged_at=event.happened_at,
                acknowledged_by=event.actor,
            )
        case Action.RESOLVE | Action.WITHDRAW:
            return replace(incident, state=State.RESOLVED, resolved_at=event.happened_at)
        case _:
            return incident


def _seen(incident: Incident, event: Event, told: Mapping[str, Any]) -> Incident:
    worse = event.action in (Action.FIRE, Action.ESCALATE, Action.REOPEN)
    return replace(
        incident,
        # What a message says is what the evidence of its step says, whatever was seen since.
        summary=told["summary"] if worse or incident.state is State.PENDING else incident.summary,
        single_source=incident.single_source and told["single_source"],
        last_seen_at=max(incident.last_seen_at, datetime.fromisoformat(told["seen_until"])),
        subjects=incident.subjects | frozenset(told["subjects"]),
        size=max(incident.size, told["size"]) if worse else incident.size,
        owners=max(incident.owners, told["owners"]) if worse else incident.owners,
        severity=event.severity if event.severity.rank > incident.severity.rank else incident.severity,
    )
