"""One pass of `detect`: read, fit and judge with no handle open, then incidents, events and evidence in one go."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import duckdb
import pandas as pd
import pyarrow as pa

from pipeline import watchlists
from pipeline.context import Context, Report, reporting
from pipeline.detect import events, evidence, feeds, lives, reading, shares
from pipeline.detect.findings import Finding, Labels
from pipeline.detect.fits import Status, day_of, days_between, fit
from pipeline.detect.lives import Move
from pipeline.detect.rules import Health, Kind, Rules, load
from pipeline.promotion import ActiveModel, active_model
from pipeline.series.coverage import FeedHistory, histories
from pipeline.series.expected import GROUPS
from pipeline.settings import file_or_default
from pipeline.warehouse import Transaction
from pipeline.watchlists import WatchLists

__all__ = ["refresh_fits", "run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """What one pass read."""

    trends: pd.DataFrame
    fits: pd.DataFrame
    sightings: list[events.Sighting]
    feeds: list[FeedHistory]
    labels: Labels


def run(context: Context) -> Report:
    """Judge every series, event and feed once; a repeated pass over the same store adds nothing.

    Raises:
        RulesError: the rules or watch-lists cannot be used; nothing was written.
    """
    with reporting("detect") as report:
        rules = load(file_or_default(context.settings.detect.rules))
        watched = watchlists.load(file_or_default(context.settings.detect.watchlists))
        now = context.clock()
        oldest = now - timedelta(hours=context.settings.detect.horizon_hours)
        with context.warehouse.read() as con:
            model = active_model(con)
            watched = watched.with_families(watchlists.parents_of(con))
        if model is None:
            report.notes.append("no model is active yet: only feeds are watched")
        else:
            report.add("fits", refresh_fits(context, model.model_version, days_between(oldest, now)))
        with context.warehouse.read() as con:
            seen = _read(con, model, watched, oldest, now)
        found = list(_findings(seen, model, rules, watched, oldest, now, report))
        with context.warehouse.read() as con:
            tentative = lives.decide(found, reading.lives(con, now), rules, now)
            pieces = {
                e.event_id: _pieces(con, f, model, context.settings.demo) for m in tentative for e, f in m.evident()
            }
        if tentative:
            work = _Write(found, rules, now, model, pieces, context.settings.demo)
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
    con: duckdb.DuckDBPyConnection, model: ActiveModel | None, watched: WatchLists, oldest: datetime, now: datetime
) -> _Seen:
    version = model.model_version if model else ""
    since = day_of(oldest)
    seen = events.sightings(con, version, watched.entities(), oldest, now) if model else []
    return _Seen(
        trends=reading.recent(con, version, since),
        fits=reading.fits_for(con, version, days_between(oldest, now)),
        sightings=seen,
        feeds=histories(con),
        labels=reading.labels(con),
    )


def _findings(
    seen: _Seen,
    model: ActiveModel | None,
    rules: Rules,
    watched: WatchLists,
    oldest: datetime,
    now: datetime,
    report: Report,
) -> Iterator[Finding]:
    if model is not None:
        judged = shares.judged(seen.trends, seen.fits, now)
        _tell_status(judged.fits, now, report)
        for rule in rules.of(Kind.EVENT):
            yield from events.findings(seen.sightings, rule, rules, seen.labels, watched, model.model_version, now)
        for rule in rules.of(Kind.NEGATIVE_SHARE):
            yield from shares.findings(judged, rule, rules, seen.labels, watched, oldest)
        for rule in rules.of(Kind.VOLUME):
            report.notes.append(f"rule {rule.name}: rules of kind volume are read but not run yet")
    for rule in rules.of(Kind.HEALTH):
        if rule.what is Health.LATE_FEED:
            yield from feeds.late_feeds(seen.feeds, rule, rules, now)
        else:
            yield from feeds.blind_spots(seen.trends, rule, rules, now)


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


def _pieces(
    con: duckdb.DuckDBPyConnection, finding: Finding, model: ActiveModel | None, demo: bool
) -> list[tuple[str, str]]:
    version, limit = (model.model_version, model.negative_limit) if model else ("", 1.0)
    of_articles = finding.rule.kind is not Kind.HEALTH
    counted = evidence.articles(con, finding, version, limit) if of_articles else []
    return evidence.payloads(finding, counted, evidence.decision(finding, version, limit, demo=demo))


@dataclass(frozen=True)
class _Write:
    """The transaction: decide again on the incidents as they stand now, then write what changed."""

    found: Sequence[Finding]
    rules: Rules
    now: datetime
    model: ActiveModel | None
    pieces: dict[str, list[tuple[str, str]]]
    demo: bool

    def __call__(self, tx: Transaction) -> list[Move]:
        moves = lives.decide(self.found, reading.lives(tx.con, self.now), self.rules, self.now)
        if not moves:
            return []
        tx.upsert("incidents", lives.incident_rows(moves), ["incident_id"])
        tx.insert_new("incident_events", lives.event_rows(moves), ["event_id"])
        for move in moves:
            last = _last_sha256(tx, move.incident.incident_id)
            for event, finding in move.evident():
                # Another detector came between: what it changed is read here.
                pieces = self.pieces.get(event.event_id) or _pieces(tx.con, finding, self.model, self.demo)
                rows = evidence.chained(event, pieces, last)
                tx.insert_new("evidence", rows, ["incident_id", "event_id", "seq"])
                last = rows["sha256"][-1].as_py()
        return moves


def _last_sha256(tx: Transaction, incident_id: str) -> str:
    row = tx.con.execute(
        "SELECT v.sha256 FROM evidence AS v JOIN incident_events AS e USING (incident_id, event_id)"
        " WHERE v.incident_id = ? ORDER BY e.seq DESC, v.seq DESC LIMIT 1",
        [incident_id],
    ).fetchone()
    return str(row[0]) if row else ""


def _count(report: Report, moves: Sequence[Move]) -> None:
    words = {"open": "opened", "fire": "fired", "escalate": "escalated", "resolve": "resolved", "reopen": "reopened"}
    for move in moves:
        for event in move.events:
            if event.action.value in words:
                report.add(words[event.action.value])
