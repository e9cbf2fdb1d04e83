"""`barograph incidents …` and `barograph routes test`: see, acknowledge and resolve what fired; try who is told."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
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

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, or its first letters.")]
AsOption = Annotated[str | None, typer.Option("--as", help="Who does it; your login name, if left out.")]
NoteOption = Annotated[str, typer.Option("--note", help="Why, kept with it.")]


class StateName(StrEnum):
    """What --state takes."""

    pending = "pending"
    firing = "firing"
    acknowledged = "acknowledged"
    resolved = "resolved"


def register(app: typer.Typer) -> None:
    """Add the groups `incidents` and `routes`."""
    incidents = typer.Typer(no_args_is_help=True, help="What fired, on what evidence; acknowledge and resolve it.")
    incidents.command("list")(_list)
    incidents.command("show")(_show)
    incidents.command("ack")(_ack)
    incidents.command("resolve")(_resolve)
    app.add_typer(incidents, name="incidents")
    routes = typer.Typer(no_args_is_help=True, help="Who is told: routes.toml.")
    routes.command("test")(_test)
    app.add_typer(routes, name="routes")


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
        shown = [row | {"incident": str(row["incident_id"])[:12]} for row in rows]
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
    if as_json:
        everything = {
            "incident": asdict(row),
            "events": [asdict(event) for event in events],
            "evidence": asdict(evidence),
            "notifications": sent,
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


def _request(action: Any, incident: str, who: str | None, note: str, config: Any) -> None:
    from pipeline.notify.spool import PersonAction, request

    with opened(config) as context:
        incident_id = _full_id(context, incident)
        known = PersonAction(
            action=action,
            incident_id=incident_id,
            actor=(who or getpass.getuser())[:200],
            note=note[:2000],
            requested_at=context.clock(),
        )
        request(context.settings.store.published, known)
    out.print(f"noted: {action} {incident_id[:12]}. It takes effect with the next `barograph notify` (or `run`).")


def _test(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check routes.toml and send a message marked as a test to every receiver.

    Example: barograph routes test
    """
    from pipeline.errors import DeliveryFailed
    from pipeline.notify.channels import channels_for
    from pipeline.notify.records import Outgoing, Reason
    from pipeline.notify.routes import load
    from pipeline.settings import file_or_default

    with opened(config) as context:
        path = file_or_default(context.settings.notify.routes)
        channels = channels_for(load(path), context.settings.store.published.parent, path)
        demo = "DEMO " if context.settings.demo else ""
        rows: list[dict[str, Any]] = []
        for address, channel in channels.items():
            message = Outgoing(
                f"test-{context.run_id}",
                address,
                Reason.FIRST,
                "info",
                f"{demo}[TEST] Barograph can reach {address}",
                f"{demo}TEST: sent by `barograph routes test`. Nothing has happened.",
            )
            error = None
            try:
                channel.send(message)
            except DeliveryFailed as failed:
                error = str(failed)
            answer = {"receiver": address, "address": channel.describe(), "ok": error is None, "error": error}
            rows.append(answer)
    emit(rows, ("receiver", "address", "ok", "error"), as_json=as_json, empty=f"{path}: no receivers")
    if not all(row["ok"] for row in rows):
        raise DeliveryFailed(f"{path}: a receiver did not take the test message. Mend its address, then test again.")


def _full_id(context: Context, start: str) -> str:
    """The one incident id that begins so.

    Raises:
        InputError: none does, or more than one.
    """
    query = "SELECT incident_id FROM incidents WHERE starts_with(incident_id, ?) ORDER BY 1 LIMIT 2"
    found = _rows(context, query, [start.strip().lower()]) if start.strip() else []
    if not found:
        raise InputError(f"no incident begins with {start!r}. `barograph incidents list` shows them.")
    if len(found) > 1:
        raise InputError(f"more than one incident begins with {start!r}. Give more letters of its id.")
    return str(found[0]["incident_id"])


def _rows(context: Context, query: str, values: list[Any]) -> list[dict[str, Any]]:
    with context.warehouse.read() as con:
        found = con.execute(query, values)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
