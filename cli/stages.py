"""The stages as commands, `run` for all of them once, and `watch` for again and again."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.then import AsOfOption, detect_then, moment, publish_then
from models.errors import ModelError
from pipeline.context import Context, Report
from pipeline.errors import BarographError, InputError
from pipeline.logs import new_run_id
from pipeline.stages import STAGES, run_stage

if TYPE_CHECKING:
    from pipeline.score.decide import Shard
    from pipeline.score.stage import Scorer

__all__ = ["register"]

HELP = {
    "ingest": "Fetch the feeds that are due, parse them, and store what is new.\n\n"
    "With --from-raw nothing is fetched: what the feeds answered on those days is taken in again, the oldest day "
    "first. What the store has already is not added again.\n\n"
    "Example: barograph ingest --from-raw 2026-03-01 --from-raw 2026-03-02",
    "link": "Find which companies, instruments and institutions an article is about, and why risk might care.",
    "fold": "Fold copies and rewrites of one event into one story.",
    "score": "Score topic and sentiment of what the model has not scored yet, and explain what is negative.\n\n"
    "A large backlog can be shared out over several processes: --shard 1/4, 2/4, 3/4 and 4/4 beside each other, each "
    "of which may be run again alone, and then a plain `barograph score`. It takes what came meanwhile, explains, and "
    "alone makes the first model of a store the active one.\n\n"
    "Example: barograph score --shard 1/4",
    "aggregate": "Rebuild the hourly and daily counts of the series that changed.\n\n"
    "With --full: all of them, as after a change of a publisher's owner, which no article tells of.\n\n"
    "Example: barograph aggregate --full",
    "detect": "Compare each series with its expected range; open, extend and resolve incidents. With --as-of: say what "
    "a pass would have found then, by what the store knew then; nothing is kept.",
    "notify": "Deliver what changed through the outbox: saved before sent.",
    "publish": "Publish an immutable snapshot for the dashboard and reports.\n\n"
    "With --as-of, which needs --to: a snapshot of the past, by what the store knew then.\n\n"
    "Example: barograph publish --as-of 2026-03-03T12:00 --to then",
}
FullOption = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Go over everything, not only what changed; days past `\\[maintain] articles_days` stay as they are.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add `run`, `watch` and one command per stage."""
    app.command("run", help="Run all eight stages once, in order: " + " → ".join(STAGES) + ".")(_run)
    app.command("watch", help="Run all stages again and again, the model kept warm. Example: watch --every 5m")(_watch)
    for stage in STAGES:
        app.command(stage, help=HELP[stage])(_command(stage))


def _command(stage: str) -> Callable[..., None]:
    if stage in _OWN:
        return _OWN[stage]
    if stage == "aggregate":

        def with_full(full: FullOption = False, config: ConfigOption = None, as_json: JsonOption = False) -> None:
            with opened(config) as context:
                _print([run_stage(stage, context, full=full)], as_json)

        return with_full

    def plain(config: ConfigOption = None, as_json: JsonOption = False) -> None:
        with opened(config) as context:
            _print([run_stage(stage, context)], as_json)

    return plain


def _ingest(
    from_raw: Annotated[
        list[datetime] | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="Fetch nothing; take in again what was kept of this day (UTC). May be given several times.",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    with opened(config) as context:
        if not from_raw:
            _print([run_stage("ingest", context)], as_json)
            return
        from pipeline.ingest import rebuild

        reports: list[Report] = []
        missing: InputError | None = None
        # The oldest first: what came later must find what was known by then.
        for day in sorted({moment.date() for moment in from_raw}):
            try:
                reports.append(rebuild(context, day))
            except InputError as error:
                reports.append(Report("ingest", notes=[f"failed: {error}"]))
                missing = missing or error
    _print(reports, as_json)
    if missing:
        raise missing


def _score(
    model: Annotated[
        str | None,
        typer.Option(help="Score with this artifact (name or folder); it is a candidate until it is promoted."),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only what was known since this time (UTC).")] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only the Ith of N parts, from 1; see above.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    with opened(config) as context:
        options: dict[str, object] = {}
        if model is not None:
            from pipeline.score.choose import load_scorer, place_of

            options = {"scorer": load_scorer(model, context.settings.model.device), "artifact": place_of(model)}
        if shard is not None:
            options["shard"] = _part(shard)
        start = since.replace(tzinfo=UTC) if since else None
        _print([run_stage("score", context, since=start, **options)], as_json)


def _part(text: str) -> Shard:
    from pipeline.score import Shard

    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise InputError(f"--shard {text}: write which part of how many, as in 2/8.")
    return Shard(int(match[1]) - 1, int(match[2]))


def _detect(as_of: AsOfOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    with opened(config) as context:
        if as_of is None:
            _print([run_stage("detect", context)], as_json)
            return
        reports, rows = detect_then(context, moment(as_of))
        demo = context.settings.demo
    if not as_json:
        _print(reports, as_json)
        out.print(
            f"{'DEMO: invented data. ' if demo else ''}As of {moment(as_of):%Y-%m-%d %H:%M} UTC; nothing was kept:"
        )
    columns = ("state", "severity", "rule", "label", "summary")
    emit([row | {"demo": demo} for row in rows], columns, as_json=as_json, empty="a pass then changes no incident")


def _publish(
    as_of: AsOfOption = None,
    to: Annotated[Path | None, typer.Option("--to", help="Publish into this folder instead of the settings'.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    with opened(config) as context:
        if as_of is None:
            _print([run_stage("publish", context, to=to)], as_json)
        else:
            _print(publish_then(context, moment(as_of), to), as_json)


_OWN: dict[str, Callable[..., None]] = {"ingest": _ingest, "score": _score, "detect": _detect, "publish": _publish}


def _run(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    with opened(config) as context:
        reports, failed = _all_stages(context)
    _print(reports, as_json)
    if failed:
        raise failed


def _all_stages(context: Context, warm: Warm | None = None) -> tuple[list[Report], Exception | None]:
    """Every stage in order. One that fails does not keep the later ones from what is already there."""
    reports: list[Report] = []
    failed: Exception | None = None
    for stage in STAGES:
        try:
            options = {"load": warm, "words": False} if warm and stage == "score" else {}
            reports.append(run_stage(stage, context, **options))
        except (BarographError, ModelError, OSError) as error:
            reports.append(Report(stage, notes=[f"failed: {error}"]))
            if warm and stage == "score":
                warm.forget()
            failed = failed or error
    return reports, failed


def _words(context: Context, warm: Warm) -> list[Report]:
    """Explain scores when the cycle is done: an alert does not wait for it, and the next snapshot has it."""
    from pipeline.score import explain_waiting

    try:
        report = explain_waiting(context, load=warm)
    except (BarographError, ModelError, OSError) as error:
        return [Report("score", notes=[f"nothing was explained: {error}"])]
    return [report] if report.counts or report.notes else []


class Warm:
    """The models of `watch`: each loaded at the first cycle that asks for it, and kept while it is asked for."""

    def __init__(self) -> None:
        self._scorers: dict[tuple[str, str], Scorer] = {}

    def __call__(self, name: str, device: str) -> Scorer:
        """Load once."""
        from pipeline.score.choose import load_scorer

        if (name, device) not in self._scorers:
            self._scorers[name, device] = load_scorer(name, device)
        return self._scorers[name, device]

    def forget(self) -> None:
        """Load anew after a failure: another model may have been promoted, or its files replaced."""
        self._scorers.clear()


def _watch(
    every: Annotated[str, typer.Option(help="How often: 30s, 5m, 1h.")] = "5m",
    config: ConfigOption = None,
) -> None:
    pause = _seconds(every)
    with opened(config) as context:
        out.print(f"watching every {every}; stop with Ctrl-C")
        warm = Warm()
        while True:
            started = time.monotonic()
            # Each cycle has an id of its own, in the log and in the record.
            cycle = replace(context, run_id=new_run_id())
            reports, failed = _all_stages(cycle, warm)
            if failed is None:
                reports += _words(cycle, warm)
            _print(reports, as_json=False)
            time.sleep(max(0.0, pause - (time.monotonic() - started)))


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+)\s*([smh])", text.strip())
    if not match or int(match[1]) == 0:
        raise InputError(f"--every {text}: give a number and a unit: 30s, 5m or 1h.")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def _print(reports: list[Report], as_json: bool) -> None:
    if as_json:
        rows = [
            {"stage": r.stage, "counts": r.counts, "notes": r.notes, "seconds": round(r.seconds, 3)} for r in reports
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    for report in reports:
        counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in report.counts.items()) or "nothing to do"
        out.print(f"[bold]{report.stage:<10}[/bold] {counts}  [dim]{report.seconds:.1f} s[/dim]", markup=True)
        for note in report.notes:
            out.print(f"           {note}", markup=False)
