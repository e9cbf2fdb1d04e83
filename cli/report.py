"""`barograph report`: the daily report as one HTML file, or by mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cli.common import ConfigOption, out, settings_of
from pipeline import settings as settings_file
from pipeline.errors import DeliveryFailed, InputError, UsageError
from pipeline.local_time import is_zone
from pipeline.settings import Settings

if TYPE_CHECKING:
    from dashboards.data import View

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
    tz: Annotated[
        str | None, typer.Option("--tz", metavar="ZONE", help="By whose clock; \\[report] zone, if left out.")
    ] = None,
    mail: Annotated[bool, typer.Option("--mail", help="Mail it to \\[report] receivers, no file.")] = False,
    receiver: Annotated[
        list[str] | None, typer.Option("--receiver", help="Mail it to this receiver of routes.toml instead.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write the report on one day, or mail it. Example: barograph report --date 2026-03-02 --tz Europe/London

    One file without a script, to read on a phone, in a mail, or printed. It is made from the published snapshot; for a
    day as it was known then, publish as of that time first and name the folder with --from.

    Mail goes to the mail addresses of receivers in routes.toml: barograph report --mail --receiver desk
    """
    from dashboards.data import View
    from dashboards.report import daily, last_day
    from pipeline.publish.snapshot import Snapshot

    settings = settings_of(config)
    zone = _zone(tz or settings.report.zone)
    receivers = tuple(receiver or (settings.report.receivers if mail else ()))
    if mail and not receivers:
        raise UsageError("--mail to whom? Set [report] receivers, or name one of routes.toml with --receiver.")
    view = View(Snapshot.open(from_ or settings.store.published))
    wanted, now = _day(day) if day else last_day(view), datetime.now(UTC)
    if to or not receivers:
        _write(to or Path(f"report-{wanted:%Y-%m-%d}.html"), daily(view, wanted, now, zone), wanted)
    if receivers:
        _mail(settings, receivers, view, wanted, daily(view, wanted, now, zone, mailed=True))


def _write(path: Path, text: str, day: date) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error
    out.print(f"{day:%Y-%m-%d} → {path} ({len(text.encode()) / 1000:.0f} kB)", markup=False)


def _mail(settings: Settings, receivers: Sequence[str], view: View, day: date, text: str) -> None:
    from dashboards.picture import index_picture
    from dashboards.report import CHART, subject
    from pipeline.notify.pages import mail_page

    routes = settings_file.file_or_default(settings.notify.routes)
    chart = index_picture(view.series("market", "all", "day"))
    pictures = {CHART: chart} if chart else {}
    mailed = mail_page(routes, receivers, subject(view, day), text, settings.store.published.parent, pictures)
    for one in mailed:
        out.print(f"{day:%Y-%m-%d} → {one.name} ({one.address}){f': {one.error}' if one.error else ''}", markup=False)
    failed = [one.name for one in mailed if one.error]
    if failed:
        raise DeliveryFailed(
            f"the report was not mailed to {', '.join(failed)}. `barograph routes test --receiver NAME` tries"
            " an address; then run this again with --receiver."
        )


def _zone(name: str) -> ZoneInfo:
    if not is_zone(name):
        raise UsageError(f"{name!r} is no time zone; write one such as Europe/London or America/New_York.")
    return ZoneInfo(name)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day; write it as 2026-03-02.") from error
