"""Reading a case: what is asked of the store, and of a published snapshot, about one incident."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from pipeline.audit.case import Case, Notification, cited, of_rows
from pipeline.errors import InputError

__all__ = ["CONFIGURATIONS", "EVENTS", "PIECES", "full_id", "read"]

# The store and a published snapshot answer these alike; `of_rows` makes a case of it.
EVENTS = """
SELECT event_id, incident_id, seq, happened_at, action, reason, severity, coalesce(actor, '') AS actor,
    coalesce(detail, '{}') AS detail FROM incident_events WHERE incident_id = $incident_id"""
PIECES = """
SELECT incident_id, event_id, seq, kind, payload, sha256, previous_sha256, recorded_at FROM evidence
WHERE incident_id IN (SELECT unnest($incident_ids::VARCHAR[]))"""
CONFIGURATIONS = """
SELECT kind, name, sha256, content, coalesce(author, '') AS author, recorded_at FROM configurations
WHERE sha256 IN (SELECT unnest($cited::VARCHAR[]))"""


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
    (incident,) = _rows(con, "SELECT * FROM incidents WHERE incident_id = $incident_id", incident_id=incident_id)
    notifications = _notifications(con, incident_id)
    own = _rows(con, PIECES, incident_ids=[incident_id])
    told_with = sorted(_told_with(notifications) - {incident_id})
    return of_rows(
        incident,
        _rows(con, EVENTS, incident_id=incident_id),
        own + (_rows(con, PIECES, incident_ids=told_with) if told_with else []),
        _rows(con, CONFIGURATIONS, cited=cited(own)),
        notifications,
        demo=demo,
    )


def _rows(con: duckdb.DuckDBPyConnection, sql: str, **values: object) -> list[dict[str, Any]]:
    found = con.execute(sql, values)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


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
