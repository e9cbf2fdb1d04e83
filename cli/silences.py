"""`barograph silences …`: keep quiet what is known, for a time, with a name and a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.people import AsOption, request_action
from cli.times import moment
from pipeline.errors import InputError

__all__ = ["register"]

_ALL = (
    "SELECT silence_id, matchers, starts_at, ends_at, author, reason, expired_at FROM silences"
    " WHERE $1 OR (ends_at > $2 AND expired_at IS NULL) ORDER BY ends_at DESC, silence_id"
)


def register(app: typer.Typer) -> None:
    """Add the group `silences`."""
    silences = typer.Typer(no_args_is_help=True, help="Keep known alerts quiet for a time.")
    silences.command("add")(_add)
    silences.command("list")(_list)
    silences.command("expire")(_expire)
    app.add_typer(silences, name="silences")


def _add(
    match: Annotated[
        list[str], typer.Option("--match", "-m", help="LABEL=VALUE; again for more. All labels must match, any value.")
    ],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with it.")],
    lasts: Annotated[str | None, typer.Option("--for", help="How long: 30m, 4h, 2d; a year at most.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Or when it ends, ISO; UTC without a zone.")] = None,
    starts: Annotated[str | None, typer.Option("--from", help="When it begins; now, if left out.")] = None,
    who: AsOption = None,
    config: ConfigOption = None,
) -> None:
    """Silence what matches. The incident goes on; only its messages stop, and what still fires at the end is told.

    Labels: kind, rule, scope, key, severity, tier, incident_id, and label.NAME for the labels of a rule.

    Example: barograph silences add --match key=insurers --for 4h --reason "results day"
    """
    from pipeline.actions import Kind
    from pipeline.notify.labels import duration

    matchers = _matchers(match)
    if (lasts is None) == (until is None):
        raise InputError("a silence needs its end: give --for 4h, or --until TIME.")
    with opened(config) as context:
        begins = moment(starts) if starts else context.clock()
        try:
            ends = moment(until) if until else begins + duration(lasts)
        except (ValueError, OverflowError) as error:
            raise InputError(f"--for: {error}.") from error
        silence_id = request_action(
            context, Kind.SILENCE, who, reason, matchers=matchers, starts_at=begins, ends_at=ends
        )
    out.print(
        f"noted: silence {silence_id[:12]} until {ends:%Y-%m-%d %H:%M %Z}."
        " It takes effect with the next `barograph notify` (or `run`)."
    )


def _list(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the silences that hold or will, and those that wait for the next notify.

    Example: barograph silences list
    """
    from pipeline.actions import Kind, pending

    with opened(config) as context:
        now = context.clock()
        with context.warehouse.read() as con:
            found = con.execute(_ALL, [everything, now])
            names = [column[0] for column in found.description or ()]
            rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        waiting = [
            {
                "silence_id": a.action_id(),
                "matchers": json.dumps(a.matchers),
                "starts_at": a.starts_at,
                "ends_at": a.ends_at,
                "author": a.actor,
                "reason": a.note,
                "expired_at": None,
            }
            for a in pending(context.settings.store.published)
            if a.action is Kind.SILENCE
        ]
    for row in [*rows, *waiting]:
        row["state"] = "waiting" if row in waiting else _state(row, now)
        row["matchers"] = json.loads(str(row["matchers"]))
    shown = [*waiting, *rows]
    if not as_json:
        shown = [row | {"silence": str(row["silence_id"])[:12], "matchers": _written(row["matchers"])} for row in shown]
    emit(shown, ("silence", "state", "matchers", "ends_at", "author", "reason"), as_json=as_json, empty="no silences")


def _expire(
    silence: Annotated[str, typer.Argument(metavar="ID", help="The silence's id, or its first letters.")],
    who: AsOption = None,
    note: Annotated[str, typer.Option("--note", help="Why, kept with it.")] = "",
    config: ConfigOption = None,
) -> None:
    """End a silence now; what still fires is told.

    Example: barograph silences expire 9c2e
    """
    from pipeline.actions import Kind

    with opened(config) as context:
        with context.warehouse.read() as con:
            found = con.execute(
                "SELECT silence_id FROM silences WHERE starts_with(silence_id, ?) ORDER BY 1 LIMIT 2",
                [silence.strip().lower()],
            ).fetchall()
        if len(found) != 1 or not silence.strip():
            many = "more than one silence begins" if len(found) > 1 else "no silence begins"
            raise InputError(f"{many} with {silence!r}. `barograph silences list` shows them.")
        request_action(context, Kind.EXPIRE, who, note, silence_id=found[0][0])
    out.print(f"noted: expire {found[0][0][:12]}. It takes effect with the next `barograph notify` (or `run`).")


def _matchers(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    from pipeline.notify.labels import check_labels, check_values

    found: dict[str, list[str]] = {}
    for text in given:
        label, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise InputError(f"--match {text!r}: write LABEL=VALUE, such as key=insurers.")
        found.setdefault(label.strip(), []).append(value.strip())
    try:
        check_labels(found)
        check_values(found)
    except ValueError as error:
        raise InputError(f"--match: {error}.") from error
    return {label: tuple(values) for label, values in found.items()}


def _state(row: dict[str, Any], now: datetime) -> str:
    if row["expired_at"] is not None:
        return "expired"
    return "over" if row["ends_at"] <= now else "to come" if row["starts_at"] > now else "holds"


def _written(matchers: dict[str, Any]) -> str:
    return " ".join(f"{label}={'|'.join(values)}" for label, values in matchers.items())
