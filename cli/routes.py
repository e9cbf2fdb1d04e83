"""`barograph routes test`: check routes.toml, show where an alert would go, and send a test message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from cli.common import ConfigOption, JsonOption, emit, out, settings_of
from pipeline.context import utc_now
from pipeline.errors import DeliveryFailed, InputError
from pipeline.logs import new_run_id

if TYPE_CHECKING:
    from pipeline.notify.channels import Channel
    from pipeline.notify.routes import Route, Routes
    from pipeline.settings import Settings

__all__ = ["register", "sent_to_all"]


def register(app: typer.Typer) -> None:
    """Add the group `routes`."""
    routes = typer.Typer(no_args_is_help=True, help="Who is told: routes.toml.")
    routes.command("test")(_test)
    app.add_typer(routes, name="routes")


def _test(
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="LABEL=VALUE of an alert; shows where it would go.")
    ] = None,
    receiver: Annotated[str | None, typer.Option(help="Send only to this receiver.")] = None,
    send: Annotated[bool | None, typer.Option("--send/--no-send", help="Send a message marked as a test.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check routes.toml and send a test message to every receiver; with --label only show who would be told.

    Examples: barograph routes test · barograph routes test --label severity=critical --label kind=event
    """
    settings = settings_of(config)
    path, routes, channels = _configured(settings)
    chosen: dict[str, Route | None] = dict.fromkeys(channels)
    if label:
        chosen = {match.address: match.route for match in routes.matching(_labels(label))}
    if receiver is not None:
        chosen = {a: r for a, r in chosen.items() if a in routes.by_receiver.get(receiver, ())}
        if not chosen:
            raise InputError(f"{path}: no address of a receiver {receiver!r} is meant. Look at [receivers.NAME].")
    rows: list[dict[str, Any]] = []
    for address, route in chosen.items():
        row: dict[str, Any] = {"receiver": address, "address": channels[address].describe()}
        if route is not None:
            row |= _told(route)
        if send or (send is None and not label):
            error = _sent(settings, address, channels[address])
            row |= {"ok": error is None, "error": error}
        rows.append(row)
    nobody = "nobody would be told: no route matches these labels" if label else f"{path}: no receivers"
    columns = [name for name in (*_COLUMNS, "ok", "error") if any(name in row for row in rows)]
    emit(rows, columns, as_json=as_json, empty=nobody)
    if not all(row.get("ok", True) for row in rows):
        raise DeliveryFailed(f"{path}: a receiver did not take the test message. Mend its address, then test again.")
    if not as_json and label and not send:
        out.print("Nothing was sent; --send sends a test message there.")


_COLUMNS = ("receiver", "address", "group_by", "group_wait", "group_interval", "repeat_interval", "quiet_hours")


def _told(route: Any) -> dict[str, Any]:
    windows = [f"{w.begins:%H:%M}–{w.ends:%H:%M} {w.zone} {','.join(w.days)}" for w in route.quiet_hours]
    return {
        "group_by": " ".join(route.group_by),
        "group_wait": str(route.group_wait),
        "group_interval": str(route.group_interval),
        "repeat_interval": str(route.repeat_interval) if route.repeat_interval else "never",
        "quiet_hours": "; ".join(windows) or "none",
    }


def _labels(given: list[str]) -> Mapping[str, str]:
    from pipeline.notify.labels import check_labels, check_values

    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--label {text!r}: write LABEL=VALUE, such as severity=critical.")
        found[name.strip()] = value.strip()
    try:
        check_labels(found)
        check_values({name: (value,) for name, value in found.items()})
    except ValueError as error:
        raise InputError(f"--label: {error}.") from error
    return found


def sent_to_all(settings: Settings) -> Iterator[tuple[str, str, str | None]]:
    """Send a test message to every address of routes.toml: its name, where it leads (masked), what went wrong or None.

    Raises:
        RulesError: routes.toml cannot be used.
    """
    for address, channel in _configured(settings).channels.items():
        yield address, channel.describe(), _sent(settings, address, channel)


class _Configured(NamedTuple):
    """routes.toml (where it lies, what it says) and the channel of each address in it."""

    path: Path
    routes: Routes
    channels: Mapping[str, Channel]


def _configured(settings: Settings) -> _Configured:
    from pipeline.notify.channels import channels_for
    from pipeline.notify.routes import DEAD_LETTERS, load
    from pipeline.settings import file_or_default

    path = file_or_default(settings.notify.routes)
    routes = load(path)
    channels = channels_for(routes, settings.store.published.parent, path)
    # The file of dead letters is ours, not the user's.
    return _Configured(path, routes, {a: channels[a] for a in routes.addresses if a != DEAD_LETTERS})


def _sent(settings: Settings, address: str, channel: Channel) -> str | None:
    from pipeline.notify.records import Outgoing, Reason

    demo = "DEMO " if settings.demo else ""
    message = Outgoing(
        f"test-{new_run_id()}",
        address,
        Reason.FIRST,
        "info",
        f"{demo}[TEST] Barograph can reach {address}",
        f"{demo}TEST: sent by `barograph routes test`. Nothing has happened.",
        created_at=utc_now(),
    )
    try:
        channel.send(message)
    except DeliveryFailed as failed:
        return str(failed)
    return None
