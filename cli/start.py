"""Where one starts: `demo`, `init` and `status`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from pipeline.errors import InputError
from pipeline.overview import standing

__all__ = ["register"]

DEFAULTS = ("barograph.toml", "feeds.opml", "rules.toml", "watchlists.toml", "routes.toml")


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("demo")(_demo)
    app.command("init")(_init)
    app.command("status")(_status)


def _demo(
    once: Annotated[bool, typer.Option("--once", help="Do everything, print the summary, and exit.")] = False,
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo's store goes; made anew each time.")] = Path(
        ".demo"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The dashboard's port.")] = 8050,
) -> None:
    """Show the whole of Barograph on bundled, fictional news; then serve the dashboard until stopped.

    Makes its own store, fills it with 75 days of headlines, serves the last hours of them as real RSS and Atom
    over HTTP, runs all eight stages and prints what it found. Nothing of yours is touched, nothing leaves the machine.

    Example: barograph demo --once
    """
    from cli.common import bars
    from demo.run import Summary, run, serve_pages

    def tell(summary: Summary) -> None:
        for line in summary.lines():
            out.print(line, markup=False)

    with bars() as progress:
        summary = run(folder, port=port, check_port=not once, progress=progress)
    tell(summary)
    if not once:
        serve_pages(summary)


def _init(
    folder: Annotated[Path, typer.Argument(help="The working folder; made if it is not there.")] = Path(),
) -> None:
    """Make a working folder: settings, a start catalogue of public feeds, example rules, watch-lists and routes.

    Files that exist are left alone. Example: barograph init news && cd news && barograph run
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give the name of a folder.")
    folder.mkdir(parents=True, exist_ok=True)
    bundled = Path(__file__).resolve().parent.parent / "pipeline" / "defaults"
    for name in DEFAULTS:
        target = folder / name
        if target.exists():
            out.print(f"kept  {target}")
        else:
            shutil.copyfile(bundled / name, target)
            out.print(f"made  {target}")
    out.print("Next: edit feeds.opml and watchlists.toml, then `barograph run` and `barograph dashboard`.")


def _status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Where things stand: what the store holds, how fresh it is, which model is active, what is firing."""
    with opened(config) as context:
        rows = [{"what": line.what, "value": line.value} for line in standing(context)]
    emit(rows, ("what", "value"), as_json=as_json)
