"""`barograph doctor`: what is wrong here and what to do, one line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, config_path, emit, settings_of
from pipeline.doctor import Check, State, examine
from pipeline.errors import BarographError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `doctor`."""
    app.command("doctor")(_doctor)


def _doctor(
    send: Annotated[
        bool, typer.Option("--send", help="Also send a message marked as a test to every channel.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check everything a support engineer would ask about, and say what to do about what is wrong.

    Versions, settings, store, lock holder, clock, feeds, stages, messages, snapshot, disk, weights, and Airflow where
    one is configured. Makes nothing and shows no secret: its output can be sent on. Exits with 1 if a line is wrong.

    Examples: barograph doctor · barograph doctor --send · barograph doctor --json
    """
    found = list(examine(config_path(config), os.environ))
    if send and not any(check.name == "settings" and check.state is State.WRONG for check in found):
        found += _channels(config)
    rows = [{"check": c.name, "state": str(c.state), "detail": c.detail, "do": c.todo} for c in found]
    emit(rows, ("check", "state", "detail", "do"), as_json=as_json)
    if any(check.state is State.WRONG for check in found):
        raise typer.Exit(1)


def _channels(config: Path | None) -> Iterator[Check]:
    from cli.routes import sent_to_all

    try:
        for receiver, address, error in sent_to_all(settings_of(config)):
            state = State.OK if error is None else State.WRONG
            todo = "" if error is None else "Mend it in routes.toml, then `barograph routes test --receiver NAME`."
            yield Check(f"channel: {receiver}", state, address if error is None else f"{address}: {error}", todo)
    except BarographError as error:
        yield Check("channels", State.WRONG, str(error))
