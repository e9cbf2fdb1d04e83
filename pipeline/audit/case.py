"""All that the store keeps of one incident: its life, its evidence, what was in force, and what was said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from pipeline.errors import InputError
from pipeline.incidents import Action, Event, Reason, Severity

__all__ = ["Case", "Configuration", "Notification", "Piece", "full_id", "read"]

_PIECES = (
    "SELECT incident_id, event_id, seq, kind, payload, sha256, previous_sha256, recorded_at FROM evidence"
    " WHERE incident_id IN (SELECT unnest(?::VARCHAR[]))"
)


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
        told: Mapping[str, Any] = self.told()["removed"]
        return told


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
    """One incident. `evidence`: its own rows in the order of the chain; `beside`: those of incidents told with it."""

    incident: Mapping[str, Any]
    events: Sequence[Event]
    evidence: Sequence[Piece]
    beside: Sequence[Piece]
    configurations: Mapping[str, Configuration]
    notifications: Sequence[Notification]
    demo: bool = False

    @property
    def incident_id(self) -> str:
        """Its id."""
        return str(self.incident["incident_id"])

    def step(self, event_id: str) -> list[Piece]:
        """The pieces of one step, of this incident or of one told with it, in order."""
        return [piece for piece in (*self.evidence, *self.beside) if piece.event_id == event_id]


def full_id(con: duckdb.DuckDBPyConnection, start: str) -> str:
    """The one incident id that begins so.

    Raises:
        InputError: none does, or more than one.
    """
    start = start.strip().lower()
    query = "SELECT incident_id FROM incidents WHERE starts_with(incident_id, ?) ORDER BY 1 LIMIT 2"
    found = con.execute(query, [start]).fetchall() if start else []
    if not found:
        raise InputError(f"no incident begins with {start!r}. `barograph incidents list` shows them.")
    if len(found) > 1:
        raise InputError(f"more than one incident begins with {start!r}. Give more letters of its id.")
    return str(found[0][0])


def read(con: duckdb.DuckDBPyConnection, incident_id: str, *, demo: bool = False) -> Case:
    """Everything about one incident, and nothing else but the evidence that its grouped messages also rest on."""
    row = con.execute("SELECT * FROM incidents WHERE incident_id = ?", [incident_id])
    names = [column[0] for column in row.description or ()]
    incident = dict(zip(names, row.fetchone() or (), strict=True))
    notifications = _notifications(con, incident_id)
    told = _told_with(notifications) - {incident_id}
    own = _pieces(con, [incident_id])
    events = _events(con, incident_id)
    order = {event.event_id: event.seq for event in events}
    cited = {sha for piece in own if piece.kind == "decision" for sha in _cited(piece)}
    return Case(
        incident,
        events,
        sorted(own, key=lambda one: (order.get(one.event_id, -1), one.seq)),
        sorted(_pieces(con, sorted(told)), key=lambda one: (one.incident_id, one.event_id, one.seq)),
        _configurations(con, sorted(cited)),
        notifications,
        demo,
    )


def _pieces(con: duckdb.DuckDBPyConnection, incident_ids: Sequence[str]) -> list[Piece]:
    return [Piece(*row) for row in con.execute(_PIECES, [list(incident_ids)]).fetchall()] if incident_ids else []


def _cited(piece: Piece) -> list[str]:
    return list(piece.told().get("configurations", {}).values())


def _events(con: duckdb.DuckDBPyConnection, incident_id: str) -> list[Event]:
    rows = con.execute(
        "SELECT event_id, incident_id, seq, happened_at, action, reason, severity, coalesce(actor, ''),"
        " coalesce(detail, '{}') FROM incident_events WHERE incident_id = ? ORDER BY seq",
        [incident_id],
    ).fetchall()
    return [Event(r[0], r[1], r[2], r[3], Action(r[4]), Reason(r[5]), Severity(r[6]), r[7], r[8]) for r in rows]


def _configurations(con: duckdb.DuckDBPyConnection, cited: Sequence[str]) -> dict[str, Configuration]:
    rows = con.execute(
        "SELECT kind, name, sha256, content, coalesce(author, ''), recorded_at FROM configurations"
        " WHERE sha256 IN (SELECT unnest(?::VARCHAR[])) ORDER BY recorded_at, kind",
        [list(cited)],
    ).fetchall()
    # The first time that a text came into force stands for the later ones.
    found: dict[str, Configuration] = {}
    for row in rows:
        found.setdefault(row[2], Configuration(*row))
    return found


def _notifications(con: duckdb.DuckDBPyConnection, incident_id: str) -> list[Notification]:
    rows = con.execute(
        "SELECT notification_id, receiver, incident_ids, event_ids, status, reason, coalesce(title, ''),"
        " coalesce(body, ''), created_at, sent_at, basis FROM notifications WHERE list_contains(incident_ids, ?)"
        " ORDER BY created_at, notification_id",
        [incident_id],
    ).fetchall()
    return [Notification(row[0], row[1], tuple(row[2]), tuple(row[3]), *row[4:]) for row in rows]


def _told_with(notifications: Sequence[Notification]) -> set[str]:
    return {one for message in notifications if message.basis for one in message.incident_ids}
