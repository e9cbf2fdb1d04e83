"""One reading of the past, and any number of rule files played over it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from models.artifacts import CONFIG, find
from models.errors import ModelError
from pipeline.backtest import known
from pipeline.backtest.known import Known
from pipeline.backtest.play import Life
from pipeline.backtest.result import Alert, Episode, Result, alert_of, hits_of, summed
from pipeline.backtest.run import simulate
from pipeline.context import Context
from pipeline.detect.fits import day_of
from pipeline.detect.rules import Kind, Rules
from pipeline.errors import InputError
from pipeline.incidents import hash_id
from pipeline.promotion import ActiveModel, active_model, known_models
from pipeline.watchlists import WatchLists, parents_of

__all__ = ["Session", "opened", "trained_on"]

# Alerts whose evidence is read with the store open; then others may write.
_AT_ONCE = 20


@dataclass(frozen=True)
class Session:
    """What was known from `start` to `end`, read once for all rule files that are to be played over it."""

    context: Context
    model: ActiveModel
    start: datetime
    end: datetime
    known: Known

    @property
    def horizon(self) -> timedelta:
        """Buckets and articles older than this never open an incident."""
        return timedelta(hours=self.context.settings.detect.horizon_hours)

    def run(
        self, rules: Rules, watched: WatchLists, episodes: Sequence[Episode] = (), *, evidence: bool = True
    ) -> Result:
        """Play one rule file; its alerts come with the articles known at firing (unless not `evidence`)."""
        watched = watched.with_families(self.known.parents)
        played = simulate(
            self.known, rules, watched, self.model.model_version, self.start, self.end, horizon=self.horizon,
            progress=self.context.progress,
        )  # fmt: skip
        lives = sorted((life for one in played for life in one.lives), key=lambda life: life.fired_at)
        alerts = self._alerts(lives, evidence=evidence)
        of_rules = summed(played, alerts, self.start, self.end)
        names = [rule.name for rule in rules.rules if rule.kind is not Kind.HEALTH]
        return Result(
            rules.path,
            rules.sha256,
            ", ".join(one.name for one in watched.lists),
            watched.sha256,
            self.model.model_version,
            trained_on(self.model.artifact),
            self.start,
            self.end,
            self.known.articles,
            self.known.late,
            of_rules,
            alerts,
            tuple(episodes),
            hits_of(episodes, alerts, names),
            tuple(self._notes(rules)),
        )

    def _alerts(self, lives: Sequence[Life], *, evidence: bool) -> tuple[Alert, ...]:
        alerts = []
        for done in range(0, len(lives), _AT_ONCE):
            part = lives[done : done + _AT_ONCE]
            self.context.progress("collect evidence", done, len(lives))
            with self.context.warehouse.read() as con:
                for life in part:
                    about = evidence and life.finding.rule.kind is not Kind.HEALTH
                    told = known.articles(con, self.model, life.finding, life.fired_at) if about else []
                    alerts.append(alert_of(life, told))
        return tuple(alerts)

    def _notes(self, rules: Rules) -> list[str]:
        notes = []
        if rules.of(Kind.HEALTH) and not self.known.feeds:
            notes.append("no feed was polled in this store: rules of kind health have nothing to watch")
        if any(rule.scope == "pipeline" for rule in rules.of(Kind.HEALTH)):
            notes.append("how the pipeline itself stood is not simulated: its rules have nothing to watch")
        if self.known.late:
            told = f"{self.known.late:,} of {self.known.articles:,} articles became known more than an hour after their"
            notes.append(f"{told} day and were not tested; `detect` would have seen them later")
        hours = self.known.trends["grain"] == "hour"
        if not hours.any() and any(rule.grain == "hour" and rule.kind is Kind.NEGATIVE_SHARE for rule in rules.rules):
            notes.append("the news of this span is dated to the day: rules by the hour have nothing to judge")
        return notes

    def keep(self, result: Result) -> str:
        """Write a row of `backtests`; the same rules, watch-lists, model and span have one id. Answers it."""
        backtest_id = hash_id(
            result.rules_sha256, result.watchlists_sha256, result.model_version, self.start.isoformat(),
            self.end.isoformat(),
        )  # fmt: skip
        plain: dict[str, Any] = {
            "articles": result.articles,
            "late": result.late,
            "of_rules": [vars(row) for row in result.of_rules],
            "simulated": True,
            "trained_on": result.trained_on,
        }
        time = pa.timestamp("us", tz="UTC")
        rows = pa.table(
            {
                "backtest_id": [backtest_id],
                "rules_sha256": [result.rules_sha256],
                "model_version": [result.model_version],
                "from_at": pa.array([self.start], time),
                "to_at": pa.array([self.end], time),
                "result": [json.dumps(plain, sort_keys=True, default=str)],
            }
        )
        self.context.warehouse.transact("incidents", lambda tx: tx.upsert("backtests", rows, ["backtest_id"]))
        return backtest_id


def opened(
    context: Context,
    files: Sequence[tuple[Rules, WatchLists]],
    start: datetime | None = None,
    end: datetime | None = None,
    model_version: str | None = None,
) -> Session:
    """Read what was known in the span (default: all that the store holds; whole UTC days) for these rule files.

    Raises:
        InputError: no model scored this store, the named one did not, or there is no news in the span.
    """
    with context.warehouse.read() as con:
        model = _pinned(con, model_version)
        held = known.span(con)
        parents = parents_of(con)
    if held is None:
        raise InputError("the store holds no article. `barograph import` or `barograph run` brings some.")
    first = day_of(start) if start else held[0]
    last = min(day_of(end), day_of(context.clock())) if end else held[1] + timedelta(days=1)
    if last <= first or first > held[1]:
        raise InputError(
            f"there is no news from {first:%Y-%m-%d} to {last:%Y-%m-%d}: the store holds {held[0]:%Y-%m-%d} to"
            f" {held[1]:%Y-%m-%d}. Give --from and --to inside that."
        )
    scopes = {rule.scope for rules, _ in files for rule in rules.rules}
    names = set().union(*(lists.with_families(parents).entities() for _, lists in files))
    return Session(
        context, model, first, last, known.read(context.warehouse, model, scopes, names, first, last, context.progress)
    )


def _pinned(con: duckdb.DuckDBPyConnection, version: str | None) -> ActiveModel:
    if version is None:
        active = active_model(con)
        if active is None:
            raise InputError("no model has scored this store yet. Run `barograph score` first.")
        return active
    for one in known_models(con):
        if one.model_version == version:
            return ActiveModel(version, one.negative_limit, one.since, one.artifact)
    raise InputError(f"the store knows no model {version}. `barograph models list` names those it knows.")


def trained_on(artifact: str | None) -> str:
    """The names of a model's training data and the span of each, as far as its artifact says."""
    if artifact is None:
        return "unknown (the artifact was not kept)"
    try:
        config = json.loads((find(artifact) / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, ModelError):
        return f"unknown ({artifact} is not there any more)"
    told = [
        f"{one['name']} ({one['from']} to {one['to']})" if "from" in one and "to" in one else str(one["name"])
        for one in config.get("training", {}).get("data", [])
    ]
    spans = any("from" in one for one in config.get("training", {}).get("data", []))
    return (", ".join(told) or "unknown") + ("" if spans else "; their span is not recorded in the artifact")
