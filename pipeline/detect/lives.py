"""From findings to the events of incidents: pure, so that it can be decided again inside the transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipeline.detect.findings import Finding
from pipeline.detect.rules import Kind, Rule, Rules
from pipeline.incidents import Action, Event, Incident, advance, fold, step

__all__ = ["Move", "decide", "event_rows", "incident_rows"]

_TOLD = (Action.FIRE, Action.ESCALATE, Action.REOPEN)


@dataclass(frozen=True)
class Move:
    """New events of one incident, the incident after them, and the finding behind each event (None: calm)."""

    incident: Incident
    events: tuple[Event, ...]
    findings: tuple[Finding | None, ...]

    def evident(self) -> list[tuple[Event, Finding]]:
        """The events that must carry evidence, with what they rest on."""
        both = zip(self.events, self.findings, strict=True)
        return [(event, finding) for event, finding in both if finding is not None and event.action in _TOLD]


def decide(
    findings: Sequence[Finding], known: Mapping[str, Sequence[Incident]], rules: Rules, now: datetime
) -> list[Move]:
    """What happens to every incident: findings in order of time, then calm where nothing keeps it alive.

    An incident whose rule is no longer in the file stays as it is: a person resolves it.
    """
    by_name = {rule.name: rule for rule in rules.rules}
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.detection.dedup_key, []).append(finding)
    moves: list[Move] = []
    for key in sorted(grouped.keys() | known.keys()):
        found = sorted(grouped.get(key, []), key=lambda one: one.detection.seen_until)
        rule = by_name.get(key.partition("|")[0])
        if rule is not None:
            moves += _of_key(found, list(known.get(key, [])), rule, now)
    return moves


def _of_key(found: Sequence[Finding], known: Sequence[Incident], rule: Rule, now: datetime) -> list[Move]:
    """The moves of one dedup key; `known`: its incidents, at most one of them open."""
    # The open one is the current one, whatever a clock that jumped back says of their order.
    past = sorted(known, key=lambda one: (one.is_open, one.opened_at, one.incident_id))
    current = past.pop() if past else None
    moves: list[Move] = []
    # What health finds is true now; anything else was seen up to some time and keeps the incident alive from there.
    calm: list[Finding | None] = [] if found and rule.kind is Kind.HEALTH else [None]
    for finding in [*found, *calm]:
        events = step(current, finding.detection if finding else None, now, rule, past)
        if not events:
            continue
        new = current is None or events[0].incident_id != current.incident_id
        if new and current is not None:
            past.append(current)
        current = fold(events) if new or current is None else advance(current, events)
        before = moves.pop() if moves and not new and moves[-1].incident.incident_id == current.incident_id else None
        told = tuple(finding for _ in events)
        moves.append(
            Move(current, (*before.events, *events), (*before.findings, *told))
            if before
            else Move(current, tuple(events), told)
        )
    return moves


def event_rows(moves: Sequence[Move]) -> pa.Table:
    """Rows of `incident_events`."""
    events = [event for move in moves for event in move.events]
    return pa.table(
        {
            "event_id": [event.event_id for event in events],
            "incident_id": [event.incident_id for event in events],
            "seq": pa.array([event.seq for event in events], pa.int32()),
            "happened_at": _times(event.happened_at for event in events),
            "action": [event.action.value for event in events],
            "reason": [event.reason.value for event in events],
            "severity": [event.severity.value for event in events],
            "actor": [event.actor for event in events],
            "detail": [event.detail for event in events],
        }
    )


def incident_rows(moves: Sequence[Move]) -> pa.Table:
    """Rows of `incidents`: the fold of each."""
    ours = [move.incident for move in moves]
    texts = ("incident_id", "dedup_key", "rule", "kind", "scope", "key", "label", "summary", "model_version")
    columns: dict[str, pa.Array] = {name: pa.array([getattr(one, name) for one in ours], pa.string()) for name in texts}
    for name in ("opened_at", "fired_at", "acknowledged_at", "resolved_at", "last_seen_at"):
        columns[name] = _times(getattr(one, name) for one in ours)
    columns |= {
        "severity": pa.array([one.severity.value for one in ours], pa.string()),
        "state": pa.array([one.state.value for one in ours], pa.string()),
        "single_source": pa.array([one.single_source for one in ours], pa.bool_()),
        "acknowledged_by": pa.array([one.acknowledged_by or None for one in ours], pa.string()),
        "events": pa.array([one.events for one in ours], pa.int32()),
    }
    return pa.table(columns)


def _times(moments: Iterable[datetime | None]) -> pa.Array:
    return pa.array(list(moments), pa.timestamp("us", tz="UTC"))
