"""`barograph audit`: everything an incident rests on as one file, which an auditor checks without us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, opened, out
from cli.replay import IdArgument
from pipeline.errors import InputError, UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `audit`."""
    app.command("audit")(_audit)


def _audit(
    incident: IdArgument,
    to: Annotated[
        Path | None, typer.Option("--to", help="The file; incident-ID.zip here, if left out. An old one is replaced.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write an incident with its evidence, rules, settings and messages to one file that checks itself.

    The file is a zip: a page to read, everything as JSON, and a script of Python's standard library. Whoever has it
    runs `python FILE`, without Barograph and without the network: it says whether the chain is whole, whether the
    counts come out of the articles, and whether the messages say what they said. It holds titles and addresses.

    Example: barograph audit 3fa1 --to march-alert.zip
    """
    from pipeline import audit
    from pipeline.audit.reading import full_id

    with opened(config) as context, context.warehouse.read() as con:
        incident_id = full_id(con, incident)
        case = audit.read(con, incident_id, demo=context.settings.demo)
    path = to or Path(f"incident-{incident_id[:12]}.zip")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Make it, or name another with --to.")
    try:
        path.write_bytes(audit.export(case, path.name))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error
    rows = len(case.evidence)
    out.print(f"{'DEMO: ' if case.demo else ''}{case.incident['label']}: {rows} rows of evidence → {path}")
    out.print(f"check it anywhere: python {path}")
