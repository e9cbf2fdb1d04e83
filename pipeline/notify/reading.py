"""What this stage reads from the store: unread events, incidents, what was told, silences, evidence."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import duckdb

from pipeline.incidents import Action, Event, Severity
from pipeline.incidents import Reason as Cause
from pipeline.notify.records import (
    DeadRow,
    Evidence,
    Facts,
    IncidentRow,
    OutboxRow,
    Reason,
    Silence,
    State,
    Status,
    Told,
)

__all__ = ["events_of", "evidence_of", "incidents_of", "open_rows", "outlines_of", "state", "waiting"]

logger = logging.getLogger(__name__)

_UNREAD = (
    "SELECT * FROM incident_events e ANTI JOIN"
    " (SELECT DISTINCT unnest(event_ids) AS event_id FROM notifications) n ON e.event_id = n.event_id"
)
_EVENT = (
    "event_id, incident_id, seq, happened_at, action, reason, coalesce(severity, ''), coalesce(actor, ''),"
    " coalesce(detail, '{}')"
)


def state(con: duckdb.DuckDBPyConnection, now: datetime) -> State:
    """Everything `decide.plan` looks at, in one snapshot.

    The events are found by asking which of them stand in no notification, over the whole table: a look-back window
    would lose what was committed late.
    """
    unread = _events(con.execute(f"SELECT {_EVENT} FROM ({_UNREAD})").fetchall())
    outbox = open_rows(con)
    needed = {e.incident_id for e in unread}.union(*(row.incident_ids for row in outbox if row.held(now)))
    needed |= _unsaid(con)
    incidents = incidents_of(con, sorted(needed), alive=True)
    told = _told(con, list(incidents))
    return State(unread, incidents, told, _silences(con, now), outbox, _groups(con, now), _dead(con))


def _unsaid(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Incidents whose end somebody was not told of because of a blind spot."""
    rows = con.execute(
        "SELECT DISTINCT unnest(incident_ids) FROM notifications AS b WHERE b.reason = 'blind_spot' AND NOT EXISTS"
        " (SELECT 1 FROM notifications AS l WHERE l.receiver = b.receiver AND l.reason = 'resolved'"
        "  AND l.created_at >= b.created_at AND list_has_any(l.incident_ids, b.incident_ids))"
    ).fetchall()
    return {row[0] for row in rows}


def _groups(con: duckdb.DuckDBPyConnection, now: datetime) -> dict[tuple[str, str], datetime]:
    """When each group last spoke to each address, within the longest `group_interval`."""
    rows = con.execute(
        "SELECT receiver, regexp_replace(group_key, '\\|(firing|resolved)$', ''), max(coalesce(sent_at, created_at))"
        " FROM notifications WHERE status <> 'skipped' AND created_at > ? GROUP BY ALL",
        [now - timedelta(days=3)],
    ).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}


def _dead(con: duckdb.DuckDBPyConnection) -> list[DeadRow]:
    """Given up and nobody told; a message about dead letters that dies itself is told in the report only."""
    rows = con.execute(
        "SELECT notification_id, receiver, severity, coalesce(title, ''), coalesce(error, ''), incident_ids"
        " FROM notifications WHERE status = 'dead' AND reason <> 'dead_letter' AND notification_id NOT IN"
        " (SELECT unnest(concerns) FROM notifications WHERE concerns IS NOT NULL) ORDER BY notification_id"
    ).fetchall()
    return [DeadRow(r[0], r[1], r[2], r[3], r[4], tuple(r[5])) for r in rows]


def _events(rows: Iterable[Sequence[Any]]) -> list[Event]:
    return [
        Event(r[0], r[1], r[2], r[3], Action(r[4]), Cause(r[5]), Severity(r[6]), actor=r[7], detail=r[8]) for r in rows
    ]


def events_of(con: duckdb.DuckDBPyConnection, incident_id: str) -> list[Event]:
    """The events of one incident, in order."""
    query = f"SELECT {_EVENT} FROM incident_events WHERE incident_id = ? ORDER BY seq"
    return _events(con.execute(query, [incident_id]).fetchall())


def incidents_of(con: duckdb.DuckDBPyConnection, ids: Sequence[str], *, alive: bool = False) -> dict[str, IncidentRow]:
    """The incidents with these ids, and with `alive` all that fire or are acknowledged."""
    rows = con.execute(
        "SELECT incident_id, rule, kind, scope, key, coalesce(label, ''), severity, state, coalesce(summary, ''),"
        " coalesce(model_version, ''), coalesce(single_source, false), opened_at, fired_at, acknowledged_at,"
        " acknowledged_by, resolved_at, coalesce(a.event_id, ''), last_seen_at, suppressed_by FROM incidents i"
        " LEFT JOIN"
        " (SELECT incident_id AS of, max_by(event_id, seq) AS event_id FROM incident_events"
        "  WHERE action IN ('fire', 'reopen', 'escalate') GROUP BY ALL) a ON a.of = i.incident_id"
        " WHERE i.incident_id IN (SELECT unnest($1::VARCHAR[])) OR ($2 AND i.state IN ('firing', 'acknowledged'))"
        " ORDER BY i.incident_id",
        [list(ids), alive],
    ).fetchall()
    outlines = _evidence(con, [row[0] for row in rows], ("decision",))
    return {row[0]: replace(IncidentRow(*row), facts=_facts(outlines.get(row[0], Evidence()).decision)) for row in rows}


def _facts(decision: Mapping[str, Any]) -> Facts:
    began = decision.get("bucket_start")
    labels = decision.get("labels")
    return Facts(
        tier=decision.get("tier"),
        excess_p=decision.get("excess_p"),
        p_limit=decision.get("p_limit"),
        bucket_start=datetime.fromisoformat(began) if began else None,
        coverage=decision.get("coverage"),
        labels={str(k): str(v) for k, v in labels.items()} if isinstance(labels, Mapping) else {},
    )


def _told(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[tuple[str, str], Told]:
    # A resolved message made in the same moment as its firing one comes after it.
    rows = con.execute(
        "SELECT receiver, incident_id, max(created_at), max_by(reason, (created_at, reason = 'resolved')),"
        " count(*) FILTER (WHERE status <> 'skipped'), bool_or(status IN ('pending', 'sending', 'failed'))"
        " FROM (SELECT receiver, unnest(incident_ids) AS incident_id, created_at, reason, status FROM notifications"
        "       WHERE status <> 'skipped' OR reason IN ('silenced', 'inhibited', 'blind_spot'))"
        " WHERE incident_id IN (SELECT unnest($1::VARCHAR[])) GROUP BY ALL",
        [list(ids)],
    ).fetchall()
    return {(row[0], row[1]): Told(row[2], Reason(row[3]), row[4], row[5]) for row in rows}


def _silences(con: duckdb.DuckDBPyConnection, now: datetime) -> list[Silence]:
    rows = con.execute(
        "SELECT silence_id, matchers, starts_at, ends_at FROM silences"
        " WHERE starts_at <= $1 AND ends_at > $1 AND (expired_at IS NULL OR expired_at > $1) ORDER BY silence_id",
        [now],
    ).fetchall()
    return [Silence(row[0], _matchers(row[0], row[1]), row[2], row[3]) for row in rows]


def _matchers(silence_id: str, text: str) -> Mapping[str, Sequence[str]]:
    """Label -> accepted values; nothing at all (which silences nothing) where it cannot be read."""
    try:
        known = json.loads(text)
        return {str(k): (v,) if isinstance(v, str) else tuple(map(str, v)) for k, v in known.items()}
    except (ValueError, TypeError, AttributeError):
        logger.warning("silence %s has matchers that cannot be read; it silences nothing", silence_id)
        return {}


def open_rows(con: duckdb.DuckDBPyConnection) -> list[OutboxRow]:
    """Every notification that is not at its end."""
    rows = con.execute(
        "SELECT notification_id, receiver, group_key, event_ids, incident_ids, status, reason, severity, created_at,"
        " not_before, attempt, claimed_by, claim_expires_at FROM notifications"
        " WHERE status IN ('pending', 'sending', 'failed')"
    ).fetchall()
    return [OutboxRow(r[0], r[1], r[2], tuple(r[3]), tuple(r[4]), Status(r[5]), Reason(r[6]), *r[7:]) for r in rows]


def waiting(con: duckdb.DuckDBPyConnection) -> int:
    """How many notifications are not at their end."""
    row = con.execute("SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending', 'failed')").fetchone()
    return int(row[0]) if row else 0


def outlines_of(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Evidence]:
    """Decision and feeds of each incident, without its articles: enough to say which is worst."""
    return _evidence(con, ids, ("decision", "feed"))


def evidence_of(con: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> dict[str, Evidence]:
    """All that was kept for each incident at its newest step that kept anything."""
    return _evidence(con, ids, ("decision", "feed", "article"))


def _evidence(con: duckdb.DuckDBPyConnection, ids: Sequence[str], kinds: Sequence[str]) -> dict[str, Evidence]:
    rows = con.execute(
        "WITH newest AS (SELECT v.incident_id, max_by(v.event_id, e.seq) AS event_id FROM evidence v"
        "  JOIN incident_events e ON e.event_id = v.event_id"
        "  WHERE v.incident_id IN (SELECT unnest($1::VARCHAR[])) AND v.kind = 'decision' GROUP BY ALL)"
        " SELECT v.incident_id, v.kind, v.payload FROM evidence v"
        " JOIN newest n ON n.incident_id = v.incident_id AND n.event_id = v.event_id"
        " WHERE v.kind IN (SELECT unnest($2::VARCHAR[])) ORDER BY v.incident_id, v.seq",
        [list(ids), list(kinds)],
    ).fetchall()
    found: dict[str, dict[str, list[Any]]] = {}
    for incident_id, kind, payload in rows:
        found.setdefault(incident_id, {}).setdefault(kind, []).append(json.loads(payload))
    return {
        incident_id: Evidence(next(iter(kept.get("decision", [{}]))), kept.get("article", []), kept.get("feed", []))
        for incident_id, kept in found.items()
    }
