"""What all commands share: the --config option, progress bars, and listings as a table or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipeline import logs
from pipeline import settings as settings_file
from pipeline.context import Context, open_context
from pipeline.settings import Log, Settings

__all__ = ["ConfigOption", "JsonOption", "emit", "err", "log_as", "name_config", "opened", "out", "settings_of"]

# No markup: a path, a title or "[link] entities" is printed as it is.
out = Console(highlight=False, soft_wrap=True, markup=False)
_wide = Console(highlight=False, soft_wrap=True, markup=False, width=10_000)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", envvar="BAROGRAPH_CONFIG", help="The settings file.", show_default="barograph.toml"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]

_named: Path | None = None
_verbose = False


def log_as(how: Log, verbose: bool = False) -> None:
    """Set up logging as the settings say, or from INFO up where this call was made with --verbose."""
    global _verbose
    _verbose = _verbose or verbose
    logs.configure(
        how.format, min(logging.INFO, getattr(logging, how.level)) if _verbose else getattr(logging, how.level)
    )


def name_config(config: Path | None) -> None:
    """Remember the settings file that was named before the command (`barograph --config FILE run`)."""
    global _named
    _named = config


def config_path(config: Path | None) -> Path | None:
    """The settings file of this call: named after the command, before it, or (None) the default."""
    return config or _named


def settings_of(config: Path | None) -> Settings:
    """The settings alone, for commands that do not open the store; logging set up as they say.

    Raises:
        SettingsError: a key or value cannot be used.
    """
    settings = settings_file.load(config_path(config) or settings_file.DEFAULT_CONFIG)
    log_as(settings.log)
    return settings


@contextmanager
def opened(config: Path | None) -> Iterator[Context]:
    """The context of one command: settings validated, store made or migrated, progress shown on a terminal."""
    with bars() as progress:
        context = open_context(config_path(config), progress=progress)
        log_as(context.settings.log)
        yield context


@contextmanager
def bars() -> Iterator[_Bars]:
    """Progress bars on stderr, only where a person looks."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not sys.stderr.isatty()) as bars:
        yield _Bars(bars)


class _Bars:
    """`pipeline.context.Progress` as rich draws it: one bar per piece of work."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total)


def emit(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str = "nothing") -> None:
    """Print `rows`: a table of `columns`, or all their fields as JSON (times in ISO 8601, UTC)."""
    if as_json:
        sys.stdout.write(json.dumps([dict(row) for row in rows], default=_plain, ensure_ascii=False, indent=2) + "\n")
        return
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        # The first one names the row: shortened names look all alike.
        table.add_column(column, no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    # Who pipes it reads lines, however long: only a terminal has an edge.
    (out if out.is_terminal else _wide).print(table)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return f"{value:.3g}" if isinstance(value, float) else str(value)
