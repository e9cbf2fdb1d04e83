"""The limits that alert budgets set today: judged once a day from the store's own past, kept in `limits`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import duckdb
import pyarrow as pa

from pipeline.context import Context
from pipeline.detect import reading
from pipeline.detect.budgets import HISTORY, Basis, Limit, Tally, limit_for, tally
from pipeline.detect.findings import Labels
from pipeline.detect.fits import WINDOW, day_of
from pipeline.detect.past import finder, stretches
from pipeline.detect.rules import Kind, Rule, Rules
from pipeline.incidents import hash_id
from pipeline.warehouse import Transaction
from pipeline.watchlists import WatchLists

__all__ = ["Budgeted", "Realised", "kept", "realised", "refresh", "with_limits"]


@dataclass(frozen=True)
class Budgeted:
    """A rule whose limit its budget sets, and under which id that limit is kept for a model version and UTC day."""

    rule: Rule
    limit_id: str


def budgeted(rules: Rules, watched: WatchLists, model_version: str, day: datetime) -> list[Budgeted]:
    """The rules with a budget. Another text, other names on its lists or another model make another limit."""
    return [
        Budgeted(rule, hash_id(rule.name, rule.sha256, _names(rule, watched), model_version, day.isoformat()))
        for rule in rules.rules
        if rule.budget is not None
    ]


def _names(rule: Rule, watched: WatchLists) -> str:
    lists = watched.lists if rule.of_lists else ()
    return "|".join(f"{one.name}:{one.owner}:{sorted(one.tier1)}:{sorted(one.tier2)}" for one in lists)


def kept(
    con: duckdb.DuckDBPyConnection, rules: Rules, watched: WatchLists, model_version: str, day: datetime
) -> dict[str, Limit]:
    """The limits at hand for a day: rule name to limit."""
    names = {one.limit_id: one.rule.name for one in budgeted(rules, watched, model_version, day)}
    rows = con.execute(
        "SELECT limit_id, p_limit, per_week, weeks, series, basis, pooled FROM limits"
        " WHERE limit_id IN (SELECT unnest(?::VARCHAR[]))",
        [sorted(names)],
    ).fetchall()
    return {names[row[0]]: Limit(row[1], row[2], row[3], row[4], Basis(row[5]), row[6]) for row in rows}


def refresh(context: Context, rules: Rules, watched: WatchLists, model_version: str, now: datetime) -> dict[str, Limit]:
    """The limits of today; those that are not kept yet are set from the past up to the last midnight and kept."""
    day = day_of(now)
    with context.warehouse.read() as con:
        found = kept(con, rules, watched, model_version, day)
    missing = [one for one in budgeted(rules, watched, model_version, day) if one.rule.name not in found]
    for grain in HISTORY:
        ours = [one for one in missing if one.rule.grain == grain]
        if not ours:
            continue
        with context.warehouse.read() as con:
            since = day - HISTORY[grain] - WINDOW[grain]
            trends = reading.recent(con, model_version, since, grain, {one.rule.scope for one in ours})
        volumes = any(one.rule.kind is Kind.VOLUME for one in ours)
        tallies: dict[str, list[Tally]] = {one.rule.name: [] for one in ours}
        parts = stretches(trends, grain, day - HISTORY[grain], day, model_version, volumes=volumes)
        for done, stretch in enumerate(parts):
            context.progress(f"set limits ({grain}s)", done, None)
            find = finder(stretch, rules, Labels({}, {}), watched)
            for one in ours:
                tallies[one.rule.name].append(tally(stretch, find, one.rule, watched))
        made = [(one, limit_for(tallies[one.rule.name], one.rule)) for one in ours]
        context.warehouse.transact("trends", partial(_keep, rows=_rows(made, model_version, day)))
        found |= {one.rule.name: limit for one, limit in made}
    return found


@dataclass(frozen=True)
class Realised:
    """What a rule really does: alerts a week sent over the last four weeks, and its newest limit, if it has a budget.

    `per_week`: what that limit would have brought in the past it was set from.
    """

    sent_per_week: float
    p_limit: float | None = None
    per_week: float | None = None
    basis: str = ""


def realised(con: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, Realised]:
    """Of every rule that fired of late or has a limit, by name; limits of the text that the rule had last."""
    sent = dict(
        con.execute(
            "SELECT rule, count(*) / 4 FROM incidents WHERE fired_at > ? AND fired_at <= ? GROUP BY rule",
            [now - timedelta(weeks=4), now],
        ).fetchall()
    )
    newest = con.execute(
        "SELECT rule, p_limit, per_week, basis FROM limits"
        " QUALIFY row_number() OVER (PARTITION BY rule ORDER BY set_for DESC, recorded_at DESC) = 1"
    ).fetchall()
    found = {name: Realised(float(per_week)) for name, per_week in sent.items()}
    return found | {row[0]: Realised(float(sent.get(row[0], 0.0)), row[1], row[2], row[3]) for row in newest}


def with_limits(rules: Rules, limits: Mapping[str, Limit]) -> Rules:
    """The rules with the limits in place; their texts and hashes stay."""
    changed = tuple(
        replace(rule, p_limit=limits[rule.name].p_limit) if rule.name in limits else rule for rule in rules.rules
    )
    return replace(rules, rules=changed)


def _keep(tx: Transaction, rows: pa.Table) -> int:
    return tx.upsert("limits", rows, ["limit_id"])


def _rows(made: Sequence[tuple[Budgeted, Limit]], model_version: str, day: datetime) -> pa.Table:
    limits = [limit for _, limit in made]
    return pa.table(
        {
            "limit_id": [one.limit_id for one, _ in made],
            "rule": [one.rule.name for one, _ in made],
            "rule_sha256": [one.rule.sha256 for one, _ in made],
            "budget": [str(one.rule.budget) for one, _ in made],
            "model_version": [model_version for _ in made],
            "set_for": pa.array([day] * len(made), pa.timestamp("us", tz="UTC")),
            "p_limit": [limit.p_limit for limit in limits],
            "per_week": [limit.per_week for limit in limits],
            "weeks": [limit.weeks for limit in limits],
            "series": pa.array([limit.series for limit in limits], pa.int32()),
            "basis": [limit.basis.value for limit in limits],
            "pooled": [limit.pooled for limit in limits],
        }
    )
