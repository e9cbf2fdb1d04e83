"""One pass of `detect`: read, fit and judge with no handle open, then incidents, events and evidence in one go."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import duckdb
import pandas as pd
import pyarrow as pa

from pipeline import watchlists
from pipeline.context import Context, Report, reporting
from pipeline.detect import configurations, events, evidence, lives, reading, vitals, volume
from pipeline.detect.budgets import Limit
from pipeline.detect.checks import doubts
from pipeline.detect.evidence import World
from pipeline.detect.findings import Finding
from pipeline.detect.fits import Status, day_of, days_between, fit
from pipeline.detect.judging import Seen, findings_of
from pipeline.detect.limits import refresh, with_limits
from pipeline.detect.lives import Move
from pipeline.detect.rules import Kind, Rules
from pipeline.detect.volume import Usual
from pipeline.incidents import Event
from pipeline.promotion import ActiveModel
from pipeline.series.coverage import histories
from pipeline.series.expected import GROUPS
from pipeline.warehouse import Transaction
from pipeline.watchlists import WatchLists

__all__ = ["refresh_fits", "run"]

logger = logging.getLogger(__name__)


def run(context: Context) -> Report:
    """Judge every series, event and feed once; a repeated pass over the same store adds nothing.

    Raises:
        RulesError: the rules or watch-lists cannot be used, and the store has kept none that could.
    """
    with reporting("detect") as report:
        in_force = configurations.load(context)
        report.notes += in_force.notes
        rules, model = in_force.rules, in_force.model
        now = context.clock()
        oldest = now - timedelta(hours=context.settings.detect.horizon_hours)
        with context.warehouse.read() as con:
            watched = in_force.watched.with_families(watchlists.parents_of(con))
        limits: dict[str, Limit] = {}
        if model is None:
            report.notes.append("no model is active yet: only feeds and the pipeline itself are watched")
        else:
            report.add("fits", refresh_fits(context, model.model_version, days_between(oldest, now)))
            limits = refresh(context, rules, watched, model.model_version, now)
            rules = with_limits(rules, limits)
        with context.warehouse.read() as con:
            seen = _read(con, model, rules, watched, oldest, now)
        seen = replace(seen, vitals=vitals.of_machine(seen.vitals, context))
        report.notes += [f"rule {one.rule}: {one.said}" for one in doubts(rules, watched, None, now - oldest)]
        found = [_with_limit(one, limits) for one in _findings(seen, model, rules, watched, oldest, now, report)]
        since = now - reading.memory(rules, now - oldest)
        with context.warehouse.read() as con:
            tentative = lives.decide(found, reading.lives(con, since), rules, now)
            world = World(seen, watched, model, oldest, now, context.settings.demo, in_force.kept)
            pieces = evidence.pieces(con, [one for move in tentative for one in move.evident()], world)
        if tentative:
            work = _Write(found, rules, world, since, pieces)
            written = context.warehouse.transact("incidents", work)
            _count(report, written)
        report.add("findings", len(found))
        logger.info("detect: %s", report.counts)
    return report


def refresh_fits(context: Context, model_version: str, days: Sequence[datetime]) -> int:
    """Fit what has no usable fit yet for one of these UTC days, each from its own past only; answers how many."""
    made = 0
    for grain in GROUPS:
        with context.warehouse.read() as con:
            at_hand = reading.fits_for(con, model_version, days)
            began = reading.began(con, model_version, grain)
            missing = reading.missing_days(at_hand, grain, days, began)
            if not missing:
                continue
            past = reading.past_of(con, model_version, grain, missing)
        fitted = []
        for done, day in enumerate(missing):
            context.progress(f"fit {grain}s", done, len(missing))
            fitted += fit(past, grain, day, model_version, began)
        if fitted:
            rows = reading.fit_rows(fitted)
            context.warehouse.transact("trends", partial(_keep_fits, rows=rows))
            made += len(fitted)
    return made


def _keep_fits(tx: Transaction, rows: pa.Table) -> int:
    return tx.upsert("fits", rows, ["fit_id"])


def _read(
    con: duckdb.DuckDBPyConnection,
    model: ActiveModel | None,
    rules: Rules,
    watched: WatchLists,
    oldest: datetime,
    now: datetime,
) -> Seen:
    version = model.model_version if model else ""
    since = day_of(oldest)
    seen = events.sightings(con, version, watched.entities(), oldest, now) if model else []
    feeds = histories(con)
    return Seen(
        trends=reading.recent(con, version, since),
        fits=reading.fits_for(con, version, days_between(oldest, now)),
        sightings=seen,
        feeds=feeds,
        labels=reading.labels(con),
        usual={grain: _usual(con, version, grain, since) for grain in {rule.grain for rule in rules.of(Kind.VOLUME)}},
        vitals=vitals.of_store(con, version, feeds, now),
    )


def _usual(con: duckdb.DuckDBPyConnection, version: str, grain: str, day: datetime) -> Usual:
    past = reading.past_of(con, version, grain, [day])
    return volume.usual(past, grain, day, reading.began(con, version, grain))


def _with_limit(finding: Finding, limits: Mapping[str, Limit]) -> Finding:
    """A budget's limit goes into the evidence with what it was set from."""
    limit = limits.get(finding.rule.name)
    if limit is None:
        return finding
    told = {"basis": limit.basis.value, "budget": str(finding.rule.budget), "per_week": round(limit.per_week, 4)}
    told |= {"pooled": limit.pooled, "series": limit.series, "weeks": round(limit.weeks, 2)}
    return replace(finding, numbers={**finding.numbers, "limit": told})


def _findings(
    seen: Seen,
    model: ActiveModel | None,
    rules: Rules,
    watched: WatchLists,
    oldest: datetime,
    now: datetime,
    report: Report,
) -> Iterator[Finding]:
    judged = seen.judged(now) if model else None
    if judged is not None:
        _tell_status(judged.fits, now, report)
    version = model.model_version if model else ""
    for kind in Kind:
        for rule in rules.of(kind):
            yield from findings_of(rule, rules, seen, judged, watched, version, oldest, now)


def _tell_status(fits: pd.DataFrame, now: datetime, report: Report) -> None:
    """Count today's series by whether they can be judged, and say in words which scopes are warming up."""
    today = fits[pd.to_datetime(fits["fitted_for"], utc=True) == pd.Timestamp(day_of(now))]
    for status, count in today["status"].value_counts().items():
        report.add({"ok": "judged"}.get(str(status), str(status)), int(count))
    young = today[today["status"] == Status.WARMING_UP.value]
    for grain, part in young.groupby("grain"):
        scopes = ", ".join(sorted(part["scope"].unique()))
        need = {"hour": "two weeks", "day": "four weeks"}[str(grain)]
        report.notes.append(f"warming up ({grain}s: {scopes}): not judged before the store holds {need} of news")
    if fits.empty:
        report.notes.append("warming up: there is no past yet to judge by; `barograph import` brings one")


@dataclass(frozen=True)
class _Write:
    """The transaction: decide again on the incidents as they stand now, then write what changed."""

    found: Sequence[Finding]
    rules: Rules
    world: World
    since: datetime
    pieces: Mapping[Event, list[tuple[str, str]]]

    def __call__(self, tx: Transaction) -> list[Move]:
        now = self.world.now
        moves = lives.decide(self.found, reading.lives(tx.con, self.since), self.rules, now)
        if not moves:
            return []
        tx.upsert("incidents", lives.incident_rows(moves), ["incident_id"])
        tx.insert_new("incident_events", lives.event_rows(moves), ["event_id"])
        evident = [one for move in moves for one in move.evident()]
        # Another detector came between: what it changed is read here.
        late = [(event, finding) for event, finding in evident if event not in self.pieces]
        pieces = {**self.pieces, **evidence.pieces(tx.con, late, self.world)}
        last = evidence.last_sha256(tx.con, [event.incident_id for event, _ in evident])
        rows = evidence.chained([(event, pieces[event]) for event, _ in evident], last)
        tx.insert_new("evidence", rows, ["incident_id", "event_id", "seq"])
        return moves


def _count(report: Report, moves: Sequence[Move]) -> None:
    words = {"open": "opened", "fire": "fired", "escalate": "escalated", "resolve": "resolved", "reopen": "reopened"}
    for move in moves:
        for event in move.events:
            if event.action.value in words:
                report.add(words[event.action.value])
