"""`barograph incidents …`: see, acknowledge, resolve and judge what fired; say what was missed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.people import AsOption, request_action
from cli.times import moment
from pipeline.context import Context
from pipeline.errors import InputError

__all__ = ["register"]

_LIST = (
    "SELECT incident_id, state, severity, rule, scope, key, label, summary, single_source, opened_at, fired_at,"
    " acknowledged_at, acknowledged_by, resolved_at, last_seen_at, suppressed_by FROM incidents"
    " WHERE ($1 IS NULL OR state = $1) ORDER BY coalesce(fired_at, opened_at) DESC, incident_id LIMIT $2"
)
_SENT = (
    "SELECT notification_id, receiver, status, reason, title, created_at, sent_at, attempt, error FROM notifications"
    " WHERE list_contains(incident_ids, ?) ORDER BY created_at, receiver"
)

_VERDICTS = "SELECT recorded_at, verdict, author, note FROM verdicts WHERE incident_id = ? ORDER BY recorded_at"

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or its first letters.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, kept with it.")]


class StateName(StrEnum):
    """What --state takes."""

    pending = "pending"
    firing = "firing"
    acknowledged = "acknowledged"
    resolved = "resolved"


def register(app: typer.Typer) -> None:
    """Add the group `incidents`."""
    incidents = typer.Typer(no_args_is_help=True, help="What fired, on what evidence; acknowledge, resolve, judge it.")
    incidents.command("list")(_list)
    incidents.command("show")(_show)
    incidents.command("ack")(_ack)
    incidents.command("resolve")(_resolve)
    incidents.command("verdict")(_verdict)
    incidents.command("missed")(_missed)
    app.add_typer(incidents, name="incidents")


def _list(
    state: Annotated[StateName | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List incidents, newest first.

    Example: barograph incidents list --state firing
    """
    with opened(config) as context:
        rows = _rows(context, _LIST, [state.value if state else None, limit])
        if context.settings.demo and not as_json:
            out.print("DEMO: invented data")
        rows = [row | {"demo": context.settings.demo} for row in rows]
        muted = {True: " (muted)", False: ""}
        shown = [
            row | {"incident": str(row["incident_id"])[:12], "state": row["state"] + muted[bool(row["suppressed_by"])]}
            for row in rows
        ]
        columns = ("incident", "state", "severity", "label", "summary", "fired_at")
        emit(rows if as_json else shown, columns, as_json=as_json, empty="no incidents")


def _show(incident: IdArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show one incident as its message tells it, then its history and what was sent.

    Example: barograph incidents show 3fa1
    """
    from pipeline.notify import reading
    from pipeline.notify.message import compose
    from pipeline.notify.records import Announcement, Evidence, Reason

    with opened(config) as context:
        incident_id = _full_id(context, incident)
        with context.warehouse.read() as con:
            row = reading.incidents_of(con, [incident_id])[incident_id]
            events = reading.events_of(con, incident_id)
            evidence = reading.evidence_of(con, [incident_id]).get(incident_id, Evidence())
        sent = _rows(context, _SENT, [incident_id])
        verdicts = _rows(context, _VERDICTS, [incident_id])
    if as_json:
        everything = {
            "incident": asdict(row),
            "events": [asdict(event) for event in events],
            "evidence": asdict(evidence),
            "notifications": sent,
            "verdicts": verdicts,
            "demo": context.settings.demo,
        }
        sys.stdout.write(json.dumps(everything, default=str, ensure_ascii=False, indent=2) + "\n")
        return
    announced = Announcement(row, Reason.RESOLVED if row.state == "resolved" and row.fired_at else Reason.FIRST)
    mentioned = ", ".join(str(n["notification_id"]) for n in sent if n["status"] != "skipped") or "none sent"
    message = compose([announced], {incident_id: evidence}, notification_id=mentioned, demo=context.settings.demo)
    out.print(message.title, markup=False, style="bold")
    out.print(message.body, markup=False)
    out.print("\nHistory", style="bold")
    history = [{"when": e.happened_at, "what": e.action, "why": e.reason, "who": e.actor} for e in events]
    emit(history, ("when", "what", "why", "who"), as_json=False)
    out.print("\nMessages", style="bold")
    emit(sent, ("created_at", "receiver", "status", "reason", "attempt", "error"), as_json=False, empty="none")
    if verdicts:
        out.print("\nVerdicts", style="bold")
        emit(verdicts, ("recorded_at", "verdict", "author", "note"), as_json=False)


def _ack(incident: IdArgument, who: AsOption = None, note: NoteOption = "", config: ConfigOption = None) -> None:
    """Acknowledge a firing incident: somebody has it, and reminders stop.

    Example: barograph incidents ack 3fa1 --note "calling the desk"
    """
    _request("acknowledge", incident, who, note, config)


def _resolve(incident: IdArgument, who: AsOption = None, note: NoteOption = "", config: ConfigOption = None) -> None:
    """Resolve an incident by hand; who was told of it is told that it is over.

    Example: barograph incidents resolve 3fa1
    """
    _request("resolve", incident, who, note, config)


def _verdict(
    incident: IdArgument,
    verdict: Annotated[
        str, typer.Argument(help="right, not-material, wrong-company, wrong-polarity, duplicate, stale or too-late.")
    ],
    who: AsOption = None,
    note: NoteOption = "",
    config: ConfigOption = None,
) -> None:
    """Say whether an alert was right, and if not, what was wrong with it. Verdicts are kept for training.

    Example: barograph incidents verdict 3fa1 wrong-company --note "the other Northgate"
    """
    from pipeline.actions import Kind, Verdict

    words = [v for v in Verdict if v is not Verdict.MISSED_EVENT]
    said = verdict.strip().lower().replace("-", " ").replace("_", " ")
    if said not in words:
        known = ", ".join(word.replace(" ", "-") for word in words)
        raise InputError(f"no verdict is named {verdict!r}; they are {known}.")
    _request(Kind.VERDICT, incident, who, note, config, verdict=Verdict(said))


def _missed(
    about: Annotated[str, typer.Argument(help="What happened, and to whom.")],
    when: Annotated[str | None, typer.Option("--at", help="When, ISO: 2026-03-02T08:00+00:00.")] = None,
    who: AsOption = None,
    note: NoteOption = "",
    config: ConfigOption = None,
) -> None:
    """Say that something happened and nobody was told. It is kept beside the verdicts.

    Example: barograph incidents missed "Northgate Bank stopped payments" --at 2026-03-02T08:00+00:00
    """
    from pipeline.actions import Kind

    with opened(config) as context:
        request_action(context, Kind.MISSED, who, note, about=about[:500], happened_at=moment(when) if when else None)
    out.print("noted: missed event. It is kept with the next `barograph notify` (or `run`).")


def _request(action: Any, incident: str, who: str | None, note: str, config: Any, **more: Any) -> None:
    with opened(config) as context:
        incident_id = _full_id(context, incident)
        request_action(context, action, who, note, incident_id=incident_id, **more)
    out.print(f"noted: {action} {incident_id[:12]}. It takes effect with the next `barograph notify` (or `run`).")


def _full_id(context: Context, start: str) -> str:
    from pipeline.audit.reading import full_id

    with context.warehouse.read() as con:
        return full_id(con, start)


def _rows(context: Context, query: str, values: list[Any]) -> list[dict[str, Any]]:
    with context.warehouse.read() as con:
        found = con.execute(query, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
