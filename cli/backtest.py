"""`barograph backtest`: what rules would have sent, before they are switched on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.times import moment

if TYPE_CHECKING:
    from pipeline.backtest.result import Compared, Result

__all__ = ["register"]

_TABLE = ("rule", "series", "p_limit", "alerts", "a week", "budget", "most", "delay h")
_DATE = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest")(_backtest)


def _backtest(
    rules: Annotated[Path | None, typer.Argument(help="A rule file.", show_default="the one of the settings")] = None,
    start: Annotated[datetime | None, typer.Option("--from", formats=_DATE, help="The first day, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=_DATE, help="The day after the last, UTC.")] = None,
    against: Annotated[Path | None, typer.Option(help="Another rule file: what would be added and lost.")] = None,
    watchlists: Annotated[Path | None, typer.Option(help="Watch-lists in place of those of the settings.")] = None,
    episodes: Annotated[
        Path | None, typer.Option(help="CSV of times that should have alarmed: name,start,end[,scope,key].")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model version whose scores count.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report with charts and all evidence to this file.")] = None,
    alerts: Annotated[int, typer.Option(min=0, help="Print so many alerts with their first articles.")] = 10,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play rules over the past as it was known then: alerts per week, episodes, delay, each alert with its evidence.

    SIMULATED: the times are those at which news could first have been known, one model's scores count whenever they
    were made, and closed buckets are judged day by day. The first weeks of a store cannot be judged (a warm-up of two
    weeks by the hour, four by the day). Nothing is sent and no incident is opened.

    Example: barograph backtest my-rules.toml --from 2026-01-01 --to 2026-04-01 --against rules.toml --html report.html
    """
    from pipeline import settings as settings_file
    from pipeline import watchlists as lists_file
    from pipeline.backtest.page import page
    from pipeline.backtest.result import compare, read_episodes
    from pipeline.backtest.session import opened as session_of
    from pipeline.detect.rules import load

    with opened(config) as context:
        detect = context.settings.detect
        ours = load(rules or settings_file.file_or_default(detect.rules))
        other = load(against) if against else None
        watched = lists_file.load(watchlists or settings_file.file_or_default(detect.watchlists))
        wanted = read_episodes(episodes) if episodes else ()
        files = [(one, watched) for one in (ours, other) if one is not None]
        between = (moment(start) if start else None, moment(end) if end else None)
        session = session_of(context, files, *between, model)
        result = session.run(ours, watched, wanted)
        before = session.run(other, watched, wanted) if other else None
        session.keep(result)
    compared = compare(result, before) if before else None
    if html:
        html.write_text(page(result, before, compared), encoding="utf-8")
    if as_json:
        told = result.as_json() | ({"against": _differences(compared)} if compared else {})
        emit([told], (), as_json=True)
        return
    _print(result, alerts)
    if before and compared:
        _print_compared(before, compared)
    if html:
        out.print(f"report: {html}")


def _print(result: Result, alerts: int) -> None:
    from pipeline.backtest.words import behind, opening

    for line in opening(result):
        out.print(line)
    rows: list[dict[str, Any]] = [
        {
            **vars(row),
            "a week": round(row.per_week, 2),
            "most": row.busiest,
            "delay h": None if row.median_delay_hours is None else round(row.median_delay_hours, 1),
        }
        for row in result.of_rules
    ]
    emit(rows, _TABLE, as_json=False)
    for episode in result.episodes:
        told = [
            f"{hit.rule} after {hit.delay_hours:.0f} h"
            for hit in result.hits
            if hit.episode == episode.name and hit.delay_hours is not None
        ]
        out.print(f"episode {episode.name}: " + (", ".join(told) or "missed"))
    for alert in result.alerts[:alerts]:
        out.print(f"{alert.fired_at:%Y-%m-%d %H:%M}  {alert.severity:8} {alert.rule}: {alert.label}: {alert.summary}")
        for line in behind(alert, 3):
            out.print(f"    {line}")
    if len(result.alerts) > alerts:
        out.print(f"… and {len(result.alerts) - alerts} more alerts (--alerts, --html or --json shows all)")


def _print_compared(before: Result, compared: Compared) -> None:
    told = f"{len(compared.added)} alerts added, {len(compared.lost)} lost, {compared.both} in both"
    out.print(f"against {before.rules}: {told}")
    for word, which in (("added", compared.added), ("lost", compared.lost)):
        for alert in which:
            out.print(f"  {word}  {alert.fired_at:%Y-%m-%d %H:%M}  {alert.rule}: {alert.label}: {alert.summary}")


def _differences(compared: Compared) -> dict[str, Any]:
    return {
        "added": [vars(alert) for alert in compared.added],
        "lost": [vars(alert) for alert in compared.lost],
        "both": compared.both,
    }
