"""The `barograph` command: puts the groups together and turns errors into one line and an exit status."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version as package_version
from typing import Annotated

import typer

from cli.common import ConfigOption, err, log_as, name_config, out
from models.errors import ModelError
from pipeline.errors import BarographError
from pipeline.settings import Log

__all__ = ["app", "main"]

GROUPS = (
    "start",
    "doctor",
    "stages",
    "imports",
    "feeds",
    "gazetteer",
    "classify",
    "explain",
    "train",
    "evaluate",
    "models",
    "rules",
    "backtest",
    "incidents",
    "replay",
    "audit",
    "forget",
    "silences",
    "routes",
    "pages",
    "metrics",
    "users",
    "report",
    "export",
    "why",
    "warehouse",
)

app = typer.Typer(
    name="barograph",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Watch financial news for sentiment: read feeds, score them, keep trends, and warn with evidence.\n\n"
    "Start with [bold]barograph demo[/bold] to see it work, or [bold]barograph init[/bold] to watch your own feeds.",
)


def _version(show: bool) -> None:
    if show:
        out.print(f"barograph {package_version('barograph')}")
        raise typer.Exit


@app.callback()
def _root(
    config: ConfigOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens to stderr.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    name_config(config)
    # Until the settings are read, and for what goes wrong with them.
    log_as(Log(), verbose)


for _group in GROUPS:
    import_module(f"cli.{_group}").register(app)


def main() -> None:
    """Run the command line; exits 0 when done, 1 when the work failed, 2 when the call or a file was wrong."""
    try:
        app()
    except (BarographError, ModelError) as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(error.exit_status)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        err.print(f"error: {named}{error.strerror or error}. Check the path, its permissions and the room on the disk.")
        sys.exit(1)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
