"""`barograph report`: the daily report as one HTML file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, config_path, out
from pipeline import settings as settings_file
from pipeline.errors import InputError, UsageError

__all__ = ["register"]

DayOption = Annotated[
    str | None, typer.Option("--date", metavar="DAY", help="A UTC day, 2026-03-02; the last closed one, if left out.")
]
ToOption = Annotated[Path | None, typer.Option("--to", help="The file; report-DAY.html here, if left out.")]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="A folder made by `publish --as-of TIME --to DIR`: the day as then known.")
]


def register(app: typer.Typer) -> None:
    """Add `report`."""
    app.command("report")(_report)


def _report(
    day: DayOption = None,
    to: ToOption = None,
    from_: FromOption = None,
    tz: Annotated[str, typer.Option("--tz", metavar="ZONE", help="Whose clock its times are told by.")] = "UTC",
    config: ConfigOption = None,
) -> None:
    """Write the report on one day. Example: barograph report --date 2026-03-02 --tz Europe/London

    One file without a script, to read on a phone, in a mail, or printed. It is made from the published snapshot; for a
    day as it was known then, publish as of that time first and name the folder with --from.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from dashboards.data import View
    from dashboards.report import daily, last_day
    from pipeline.publish.snapshot import Snapshot

    settings = settings_file.load(config_path(config) or settings_file.DEFAULT_CONFIG)
    try:
        zone = ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UsageError(f"{tz!r} is no time zone; write one such as Europe/London or America/New_York.") from error
    view = View(Snapshot.open(from_ or settings.store.published))
    wanted = _day(day) if day else last_day(view)
    path = to or Path(f"report-{wanted:%Y-%m-%d}.html")
    text = daily(view, wanted, datetime.now(UTC), zone)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error
    out.print(f"{wanted:%Y-%m-%d} → {path} ({len(text.encode()) / 1000:.0f} kB)", markup=False)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day; write it as 2026-03-02.") from error
