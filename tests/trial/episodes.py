"""From alarms to what a desk lives with: false episodes, bursts hit, delay, and the limit frozen to a budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.trial.worlds import Clock, World

__all__ = ["Outcome", "Score", "frozen", "interval", "outcome", "together"]

Array = NDArray[np.float64]
Alarms = Callable[[float], NDArray[np.bool_]]

_STEPS = 14


@dataclass(frozen=True)
class Outcome:
    """Per series: false episodes, hours in alarm; per burst: series, size, delay in buckets (NaN: missed)."""

    false: NDArray[np.int64]
    alarm_hours: NDArray[np.int64]
    series: NDArray[np.int64]
    size: Array
    delay: Array
    weeks: float

    def false_rate(self) -> float:
        """False episodes per series-week."""
        return float(self.false.sum()) / self.weeks

    def recall(self, size: float | None = None) -> float:
        """Share of the bursts hit."""
        chosen = self.delay if size is None else self.delay[self.size == size]
        return float(np.mean(~np.isnan(chosen)))

    def mean_delay(self) -> float:
        """Buckets from a burst's first to the alarm's, of the bursts hit."""
        hit = self.delay[~np.isnan(self.delay)]
        return float(hit.mean()) if hit.size else float("nan")

    def median_delay(self) -> float:
        """The same, in the middle."""
        hit = self.delay[~np.isnan(self.delay)]
        return float(np.median(hit)) if hit.size else float("nan")

    def hours_in_alarm(self) -> float:
        """Buckets in alarm per series-week, right or wrong."""
        return float(self.alarm_hours.sum()) / self.weeks


def outcome(world: World, alarms: NDArray[np.bool_]) -> Outcome:
    """A burst is hit when an episode *begins* in it: whoever is always in alarm hits nothing for long."""
    alarms = alarms.copy()
    alarms[:, : world.train] = False
    begins = _begins(alarms, world.clock)
    false = _begins(alarms & ~world.during(world.clock.echo), world.clock).sum(axis=1)
    delay = np.full(len(world.bursts), np.nan)
    for i, burst in enumerate(world.bursts):
        hours = np.flatnonzero(begins[burst.series, burst.start : burst.start + burst.length])
        if hours.size:
            delay[i] = hours[0]
    return Outcome(
        false.astype(np.int64),
        alarms.sum(axis=1).astype(np.int64),
        np.array([burst.series for burst in world.bursts], dtype=np.int64),
        np.array([burst.size for burst in world.bursts]),
        delay,
        world.weeks,
    )


def _begins(alarms: NDArray[np.bool_], clock: Clock) -> NDArray[np.bool_]:
    begins = np.zeros_like(alarms)
    row, column = np.nonzero(alarms)
    series, last, first = -1, 0, 0
    for s, t in zip(row.tolist(), column.tolist(), strict=True):
        if s != series or t - last > clock.merge or t - first >= clock.longest:
            begins[s, t] = True
            series, first = s, t
        last = t
    return begins


def frozen(worlds: Sequence[World], alarms: Sequence[Alarms], budget: float, high: float) -> float:
    """The lowest limit whose false episodes per series-week stay within `budget` on these worlds, by bisection."""
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = together([outcome(world, one(middle)) for world, one in zip(worlds, alarms, strict=True)])
        if found.false_rate() > budget:
            low = middle
        else:
            high = middle
    return high


def together(parts: Sequence[Outcome]) -> Outcome:
    """Replicates of the same series: a series keeps its number, so that the bootstrap draws its replicates together."""
    return Outcome(
        np.sum([one.false for one in parts], axis=0),
        np.sum([one.alarm_hours for one in parts], axis=0),
        np.concatenate([one.series for one in parts]),
        np.concatenate([one.size for one in parts]),
        np.concatenate([one.delay for one in parts]),
        sum(one.weeks for one in parts),
    )


@dataclass(frozen=True)
class Score:
    """A figure and what it was in each bootstrap draw."""

    value: float
    draws: Array

    def __str__(self) -> str:
        low, high = np.nanquantile(self.draws, [0.025, 0.975])
        return f"{self.value:.2f} ({low:.2f}–{high:.2f})"

    def over(self, other: Score) -> Score:
        """The ratio of two figures of the same series, draw by draw."""
        return Score(self.value / other.value, self.draws / np.maximum(other.draws, 1e-9))


def interval(found: Outcome, what: Callable[[Outcome], float], draws: int = 400, seed: int = 1) -> Score:
    """Bootstrap over series: the same draws for the same number of series and seed."""
    rng = np.random.default_rng(seed)
    count = found.false.size
    of_series = [np.flatnonzero(found.series == s) for s in range(count)]
    values = []
    for _ in range(draws):
        drawn = rng.integers(0, count, count)
        bursts = np.concatenate([of_series[s] for s in drawn])
        part = Outcome(
            found.false[drawn], found.alarm_hours[drawn], found.series[bursts], found.size[bursts],
            found.delay[bursts], found.weeks,
        )  # fmt: skip
        values.append(what(part))
    return Score(what(found), np.array(values))
