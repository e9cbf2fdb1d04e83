"""All that is kept of one incident: its life, its evidence, what was in force, and what was said of it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.incidents import Action, Event, Reason, Severity

__all__ = ["Case", "Configuration", "Notification", "Piece", "cited", "of_rows"]


@dataclass(frozen=True)
class Piece:
    """One row of `evidence`."""

    incident_id: str
    event_id: str
    seq: int
    kind: str
    payload: str
    sha256: str
    previous_sha256: str
    recorded_at: datetime

    def told(self) -> dict[str, Any]:
        """The payload, read."""
        known: dict[str, Any] = json.loads(self.payload)
        return known

    @property
    def removed(self) -> Mapping[str, Any] | None:
        """Who removed it, when and why; None while it is there."""
        if not self.payload.startswith('{"removed":'):
            return None
        try:
            told = self.told()["removed"]
        except ValueError:
            return None
        # Anything else was not written by `forget`: then the chain tells that it was changed.
        return told if isinstance(told, dict) and told.keys() == {"at", "by", "why"} else None


@dataclass(frozen=True)
class Configuration:
    """A text that evidence cites by its sha256, and since when it was in force."""

    kind: str
    name: str
    sha256: str
    content: str
    author: str
    recorded_at: datetime


@dataclass(frozen=True)
class Notification:
    """A message of the outbox. `basis` None: of before messages could be composed again, or one without words."""

    notification_id: str
    receiver: str
    incident_ids: tuple[str, ...]
    event_ids: tuple[str, ...]
    status: str
    reason: str
    title: str
    body: str
    created_at: datetime
    sent_at: datetime | None
    basis: str | None


@dataclass(frozen=True)
class Case:
    """One incident. `evidence`: its own rows in the order of the chain; `beside`: those of incidents told with it.

    `place`: what its rows were read from.
    """

    incident: Mapping[str, Any]
    events: Sequence[Event]
    evidence: Sequence[Piece]
    beside: Sequence[Piece]
    configurations: Mapping[str, Configuration]
    notifications: Sequence[Notification]
    demo: bool = False
    place: str = "the store"

    @property
    def incident_id(self) -> str:
        """Its id."""
        return str(self.incident["incident_id"])

    def step(self, event_id: str) -> list[Piece]:
        """The pieces of one step, of this incident or of one told with it, in order."""
        return [piece for piece in (*self.evidence, *self.beside) if piece.event_id == event_id]


def of_rows(
    incident: Mapping[str, Any],
    events: Iterable[Mapping[str, Any]],
    evidence: Iterable[Mapping[str, Any]],
    configurations: Iterable[Mapping[str, Any]],
    notifications: Sequence[Notification] = (),
    *,
    demo: bool = False,
    place: str = "the store",
) -> Case:
    """The case that rows make, in whatever order they come: those of the questions in `pipeline.audit.reading`.

    Raises:
        ValueError: an action, reason or severity is none that this version knows.
    """
    steps = sorted((_event(row) for row in events), key=lambda one: one.seq)
    order = {event.event_id: event.seq for event in steps}
    pieces = [Piece(**row) for row in evidence]
    own = [one for one in pieces if one.incident_id == incident["incident_id"]]
    beside = [one for one in pieces if one.incident_id != incident["incident_id"]]
    texts: dict[str, Configuration] = {}
    for row in sorted(configurations, key=lambda row: (row["recorded_at"], row["kind"])):
        # The first time that a text came into force stands for the later ones.
        texts.setdefault(row["sha256"], Configuration(**row))
    return Case(
        incident,
        steps,
        sorted(own, key=lambda one: (order.get(one.event_id, -1), one.seq)),
        sorted(beside, key=lambda one: (one.incident_id, one.event_id, one.seq)),
        texts,
        notifications,
        demo,
        place,
    )


def cited(evidence: Iterable[Mapping[str, Any]]) -> list[str]:
    """The sha256 of every configuration that decisions among these rows rest on."""
    found: set[str] = set()
    for row in evidence:
        if row["kind"] != "decision":
            continue
        try:
            told = json.loads(row["payload"])["configurations"].values()
            found.update(one for one in told if isinstance(one, str))
        except (AttributeError, LookupError, TypeError, ValueError):
            # Of an older version, or damaged: `replay` says which.
            continue
    return sorted(found)


def _event(row: Mapping[str, Any]) -> Event:
    known = {"action": Action(row["action"]), "reason": Reason(row["reason"]), "severity": Severity(row["severity"])}
    return Event(**{**row, **known})
