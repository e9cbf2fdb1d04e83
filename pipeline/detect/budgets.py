"""From an alert budget ("3 a week") to the limit that keeps it, across all series of the rule together. Pure.

Every episode of the past has a limit from which on it would have alarmed. The budget's limit is the one that so many
episodes pass; where the past is too short for that, their tail is carried on as an exponential one of −ln p (Hill 1975,
Annals of Statistics 3, 1163–1174; Weissman 1978, J. Am. Statist. Assoc. 73, 812–815), its scale drawn towards 1, which
it has where the p-values are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect.findings import Finding, tier_in
from pipeline.detect.past import Finder, Stretch
from pipeline.detect.rules import Kind, Rule
from pipeline.watchlists import WatchLists

__all__ = ["HISTORY", "Basis", "Episode", "Limit", "Tally", "limit_for", "tally"]

Array = NDArray[np.float64]

# How far back the past is judged to set a limit.
HISTORY = {"hour": timedelta(weeks=8), "day": timedelta(days=180)}
# Episodes that must stand behind a limit read off the past itself; so many of the most extreme give the tail.
_ENOUGH = 10
# Episodes' worth of a tail of scale 1.
_PRIOR = 5.0


class Basis(StrEnum):
    """Where a limit comes from."""

    CEILING = "ceiling"  # the budget is not used up even at the loosest limit the rule allows
    COUNTED = "counted"
    EXTRAPOLATED = "extrapolated"
    ASSUMED = "assumed"  # too little past: as many as the p-values promise


@dataclass(frozen=True)
class Episode:
    """Findings of one series that make one incident; `least`: the smallest p_limit at which it would have fired."""

    key: str
    least: float
    end: datetime
    own: bool


@dataclass(frozen=True)
class Tally:
    """What one stretch of the past says about a rule: of its own series, and of all series of its scope.

    `tests`: buckets with enough stories that were judged; `told`: those of the rule's own series, judged or not (while
    a store warms up none is); `series`: how many of its own had one.
    """

    start: datetime
    weeks: float
    episodes: tuple[Episode, ...]
    tests: int
    own_tests: int
    told: int
    series: int


@dataclass(frozen=True)
class Limit:
    """The limit a budget sets. `per_week`: alerts of the rule's own series in the past at that limit, over `weeks`.

    `pooled`: whether the series of the whole scope stand behind it, since the rule's own past is short.
    """

    p_limit: float
    per_week: float
    weeks: float
    series: int
    basis: Basis
    pooled: bool


def tally(stretch: Stretch, find: Finder, rule: Rule, watchlists: WatchLists) -> Tally:
    """Count a rule's episodes in a stretch at the loosest limit it allows, and the buckets that could have fired."""
    everything = replace(rule, keys=(), not_keys=(), watchlists=(), list_owners=(), tiers=())
    rows = stretch.judged.rows
    here = (rows["scope"] == rule.scope) & (rows["grain"] == rule.grain) & (rows["story_count"] >= rule.min_stories)
    rows = rows[here & (rows["bucket_start"] >= stretch.start)]
    of_keys = {str(key): rule.selects(str(key), tier_in(watchlists, rule, str(key))) for key in rows["key"].unique()}
    own = rows["key"].map(of_keys).astype(bool)
    judged = rows["p_value"].notna() if rule.kind is Kind.NEGATIVE_SHARE else pd.Series(True, index=rows.index)
    return Tally(
        stretch.start,
        stretch.weeks,
        tuple(_episodes(find(everything), rule, of_keys)),
        int(judged.sum()),
        int((own & judged).sum()),
        int(own.sum()),
        sum(of_keys.values()),
    )


def _episodes(found: Iterable[Finding], rule: Rule, own: dict[str, bool]) -> Iterable[Episode]:
    together = rule.keep_firing_for + rule.cooldown
    ordered = sorted(found, key=lambda one: (one.detection.key, one.end))
    for key, group in groupby(ordered, key=lambda one: one.detection.key):
        episode: Episode | None = None
        for one in group:
            least = float(one.numbers["p_value"])
            if episode and one.start - episode.end <= together:
                episode = replace(episode, least=min(least, episode.least), end=one.end)
                continue
            if episode:
                yield episode
            episode = Episode(key, least, one.end, own.get(key, False))
        if episode:
            yield episode


def limit_for(tallies: Sequence[Tally], rule: Rule) -> Limit:
    """The limit that `rule.budget` sets from these stretches of the past; never looser than the rule's p_limit.

    Raises:
        ValueError: the rule has no budget.
    """
    if rule.budget is None:
        raise ValueError(f"rule {rule.name} has no budget")
    judged = [one for one in tallies if one.tests]
    told = [one for one in tallies if one.told]
    weeks = sum(one.weeks for one in judged)
    own_tests, tests = sum(one.own_tests for one in judged), sum(one.tests for one in judged)
    series = max((one.series for one in tallies), default=0)
    # As many as the p-values promise.
    rate = sum(one.told for one in told) / max(sum(one.weeks for one in told), 1e-9)
    assumed = min(rule.budget.per_week / rate, rule.p_limit) if rate else rule.p_limit
    if not own_tests:
        return Limit(assumed, 0.0, weeks, series, Basis.ASSUMED, False)
    mine = np.array([e.least for one in judged for e in one.episodes if e.own])
    allowed = rule.budget.per_week * weeks
    pooled = allowed < _ENOUGH and tests > own_tests
    least = np.array([e.least for one in judged for e in one.episodes]) if pooled else mine
    # So many episodes may stand behind the limit: what the budget allows for as many tests as were made.
    share = allowed * (tests / own_tests if pooled else 1.0)
    limit, basis = _limit(np.sort(least), share, rule.p_limit)
    if share < 1 and assumed < limit:
        limit, basis = assumed, Basis.ASSUMED
    return Limit(float(limit), float((mine <= limit).sum() / weeks), weeks, series, basis, pooled)


def _limit(least: Array, allowed: float, ceiling: float) -> tuple[float, Basis]:
    """The limit that `allowed` of the sorted least limits pass, and where it comes from."""
    least = least[least <= ceiling]
    if least.size <= allowed:
        return ceiling, Basis.CEILING
    if allowed >= _ENOUGH:
        place = int(allowed)
        between = np.sqrt(least[place - 1] * least[place])
        return float(min(between, np.nextafter(least[place], 0))), Basis.COUNTED
    tail = min(_ENOUGH, least.size)
    beyond = least[tail] if least.size > tail else ceiling
    excess = np.log(beyond) - np.log(least[:tail])
    scale = (float(excess.sum()) + _PRIOR) / (tail + _PRIOR)
    return float(beyond * (allowed / tail) ** scale), Basis.EXTRAPOLATED
