"""`barograph forget`: an article or a publisher removed everywhere, because a licence ends or a person asks."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, opened, out
from pipeline.errors import UsageError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `forget`."""
    app.command("forget")(_forget)


def _forget(
    what: Annotated[
        str, typer.Argument(metavar="ARTICLE|PUBLISHER", help="An article's id or address, or a publisher's name.")
    ],
    why: Annotated[str, typer.Option("--why", help="The reason, kept where the evidence was.")],
    who: Annotated[str | None, typer.Option("--as", help="Who does it; your login name, if left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody can be asked.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove an article, or everything of a publisher, for good: this cannot be undone.

    Gone are its rows in the tables, its words in evidence and messages, and what its feed answered since it was first
    seen; the store is then written anew, and it is not taken in again. Evidence keeps its sha256 and says who had it
    removed, when and why; counts and decisions stay. Backups, sent messages and files that `audit` wrote are yours to
    remove. While its feed still lists an article, run it again once the feed has dropped it (`\\[store] raw_days`).

    Example: barograph forget "Morning Wire" --why "licence ended 1 March"
    """
    from pipeline.forget import find, forget

    if not why.strip():
        raise UsageError("--why is empty: say who asked, or which licence ended.")
    with opened(config) as context:
        with context.warehouse.read() as con:
            target = find(con, what.strip())
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(f"this removes {target} for good. Give --yes where nobody can be asked.")
            typer.confirm(f"Remove {target} for good?", abort=True, err=True)
        report = forget(context, target, (who or getpass.getuser())[:200], why.strip()[:2000])
    if as_json:
        told = {"forgotten": str(target), **report.counts, "notes": report.notes}
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
        return
    counts = ", ".join(f"{n:,} {name}" for name, n in report.counts.items())
    out.print(f"forgotten: {target} ({counts})")
    for note in report.notes:
        out.print(f"  {note}")
