"""Seeded worlds with known bursts of negative stories: hourly series whose every parameter is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAILY",
    "DAY",
    "HOURLY",
    "MINIMUM",
    "RHO",
    "SHAPE",
    "WEEK",
    "Burst",
    "Clock",
    "World",
    "profile",
    "simulated",
]

Array = NDArray[np.float64]

DAY, WEEK = 24, 168
VOLUME = (0.5, 60.0)
SIZES = (1.0, 2.0, 4.0)
# An alarm asks for this many negative stories, whoever raises it.
MINIMUM = 3
# Within-hour correlation of the share, and shape of the hour's gamma-distributed volume.
RHO, SHAPE = 0.03, 4.0
# A burst brings at least this many negative stories an hour, however small the series.
LEAST_ADDED = 0.6
_SURGES, _TRIES = 5, 6


@dataclass(frozen=True)
class Clock:
    """What a grain counts in buckets: a week; alarms closer than `merge` are one episode of at most `longest`; those
    up to `echo` after a burst are its echo, neither right nor wrong; `past` is learned from, `refit` between fits."""

    grain: str
    week: int
    merge: int
    longest: int
    echo: int
    past: int
    memory: float
    refit: int

    def group(self, bucket: NDArray[np.int64]) -> NDArray[np.int64]:
        """Hour of day by weekend, or weekend; bucket 0 begins a Monday."""
        if self.grain == "day":
            return np.asarray(bucket % 7 >= 5, dtype=np.int64)
        return np.asarray(bucket % DAY + DAY * (bucket // DAY % 7 >= 5), dtype=np.int64)


HOURLY = Clock("hour", WEEK, 6, 12, 6, 8 * WEEK, 4.0 * WEEK, DAY)
DAILY = Clock("day", 7, 2, 7, 2, 180, 60.0, 1)


@dataclass(frozen=True)
class Burst:
    """Negative stories added to `series` in buckets start … start + length − 1: `size` times its usual rate."""

    series: int
    start: int
    length: int
    size: float


@dataclass(frozen=True)
class World:
    """S series over T buckets, of which the first `train` are there to learn from.

    `y`, `n`: (S, T) negative and all stories. `volume`, `share`: (S, T) the true means behind them, `rho` and `shape`
    how they waver. `added` (S, T): what a burst of size 1 would bring.
    """

    y: Array
    n: Array
    volume: Array
    share: Array
    added: Array
    bursts: tuple[Burst, ...]
    train: int
    rho: float = RHO
    shape: float = SHAPE
    clock: Clock = HOURLY

    @property
    def weeks(self) -> float:
        """Series-weeks that are scored."""
        series, buckets = self.y.shape
        return series * (buckets - self.train) / self.clock.week

    def during(self, after: int = 0) -> NDArray[np.bool_]:
        """(S, T) whether a burst is on, or ended less than `after` buckets ago."""
        on = np.zeros(self.y.shape, dtype=bool)
        for burst in self.bursts:
            on[burst.series, burst.start : burst.start + burst.length + after] = True
        return on


def profile(bucket: NDArray[np.int64]) -> Array:
    """Volume of each hour of the week, of mean 1: by daylight, and about a third of it on Saturday and Sunday."""

    def shape(t: NDArray[np.int64]) -> Array:
        daylight = 0.25 + 0.9 * np.clip(np.sin(2 * np.pi * (t % DAY - 6) / DAY), -0.2, 1)
        return np.asarray(daylight * np.where(t // DAY % 7 >= 5, 0.35, 1.0))

    return np.asarray(shape(bucket) / shape(np.arange(WEEK)).mean())


def simulated(seed: int, series: int, weeks: int = 16, train: int = 8) -> World:
    """Beta-binomial negatives out of gamma-Poisson volumes with an hour-of-week profile and drift; five surges of
    three times the volume with an ordinary share, which must not alarm; up to six bursts of 3 to 8 hours a series."""
    rng = np.random.default_rng(seed)
    buckets, begin = weeks * WEEK, train * WEEK
    hour = np.arange(buckets) % DAY
    base = np.exp(rng.uniform(*np.log(VOLUME), series))
    drift = np.exp(np.cumsum(rng.normal(0, 0.004, (series, buckets)), axis=1))
    volume = base[:, None] * profile(np.arange(buckets)) * drift / drift.mean(axis=1, keepdims=True)
    usual = rng.beta(4, 14, series)[:, None]
    share = np.clip(usual * (1 + 0.15 * np.sin(2 * np.pi * hour / DAY)), 0.01, 0.9)
    n = rng.poisson(volume * rng.gamma(SHAPE, 1 / SHAPE, volume.shape))
    for one in range(series):
        for start in rng.integers(begin, buckets - 12, _SURGES):
            n[one, start : start + 4] += rng.poisson(2 * volume[one, start : start + 4])
    spread = 1 / RHO - 1
    y = rng.binomial(n, rng.beta(share * spread, (1 - share) * spread))
    added = usual * volume
    bursts: list[Burst] = []
    taken = np.zeros(y.shape, dtype=bool)
    for one in range(series):
        for _ in range(_TRIES):
            start, length = int(rng.integers(begin + DAY, buckets - DAY)), int(rng.integers(3, 9))
            if taken[one, start - 12 : start + length + 12].any():
                continue
            span = slice(start, start + length)
            size = float(rng.choice(SIZES))
            more = rng.poisson(np.maximum(size * added[one, span], LEAST_ADDED))
            y[one, span] += more
            n[one, span] += more
            taken[one, span] = True
            bursts.append(Burst(one, start, length, size))
    return World(y.astype(np.float64), n.astype(np.float64), volume, share, added, tuple(bursts), begin)
