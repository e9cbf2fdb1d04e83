"""`barograph replay`: an incident's decisions and messages made again, to the byte, from the evidence that was kept."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, opened, out
from pipeline.errors import ReplayDiffers

__all__ = ["register"]

IdArgument = Annotated[str, typer.Argument(metavar="INCIDENT", help="The incident's id, or its first letters.")]


def register(app: typer.Typer) -> None:
    """Add `replay`."""
    app.command("replay")(_replay)


def _replay(
    incident: IdArgument,
    refit: Annotated[
        bool, typer.Option("--refit", help="Also recompute counts and fits from the base tables as then known.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an incident's decisions and messages again from its evidence, and compare them to the byte.

    Reads the store and changes nothing. The chain of sha256 is checked first. Exit status 1 and a diff where something
    comes out otherwise; what was forgotten says "evidence removed" and is no difference.

    Example: barograph replay 3fa1 --refit
    """
    from pipeline import audit
    from pipeline.audit.reading import full_id

    with opened(config) as context:
        with context.warehouse.read() as con:
            incident_id = full_id(con, incident)
            case = audit.read(con, incident_id, demo=context.settings.demo)
        checked = audit.replay(case)
        if refit:
            with context.warehouse.read() as con:
                checked += audit.refit(con, case, context.progress)
    differs = sum(one.verdict is audit.Verdict.DIFFERS for one in checked)
    if as_json:
        told: dict[str, Any] = {
            "incident_id": incident_id,
            "demo": case.demo,
            "differs": differs,
            "checked": [vars(one) for one in checked],
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(f"{'DEMO: ' if case.demo else ''}{incident_id[:12]} {case.incident['label']}")
        for one in checked:
            out.print(f"  {one.what:<8} {one.name}: {one.verdict.said}")
            for line in one.detail.splitlines():
                out.print(f"      {line}")
    if differs:
        raise ReplayDiffers(
            f"{differs} of {len(checked)} did not come out as kept."
            f" `barograph audit {incident_id[:12]}` writes all that was kept to one file."
        )
