"""How much likelier negative stories are under a burst than as usual, and the runs of buckets this adds up to. Pure.

A burst adds negative stories to a bucket and leaves the others as they are; a surge multiplies both. So the evidence
of a bucket is the likelihood ratio of its two counts, summed over the buckets of a run as in Page's CUSUM (1954,
Biometrika 41, 100–115), over runs of limited length (Lai 1995, J. R. Statist. Soc. B 57, 613–658), and averaged over
lengths and sizes, since nobody knows them beforehand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = [
    "LONGEST", "OPEN_LOOKS", "OWN_PART", "SIZES", "Alarm", "Runs", "added", "alarms", "log_ratio", "of_late", "run_p",
]  # fmt: skip

Array = NDArray[np.float64]

# Bursts looked for, in multiples of the usual negative rate; and what the least of them brings in a bucket.
SIZES = {"hour": (1.0, 2.0, 4.0), "day": (0.5, 1.0, 2.0)}
LEAST_ADDED = 0.5
# Buckets of the longest run.
LONGEST = {"hour": 6, "day": 4}
# Any series may be flooded by stories of all kinds: this often its volume is of the wide kind, whatever its past says.
FLOOD, FLOOD_MEAN, FLOOD_SHAPE = 0.3, 5.0, 0.5
# Buckets that tell the volume's level of late, and how far it is expected to lie from that of the fit.
LATE = {"hour": 24, "day": 7}
LEVEL_SPREAD = 0.3
# An open bucket is looked at every few minutes; its looks share one error budget: a look has this part of the limit.
OPEN_LOOKS = 3
# A bucket too extreme for any of these sizes speaks by its own p, which has this part of the limit; runs have the rest.
OWN_PART = 0.1
# P(S ≥ e^x) of the averaged ratio in ordinary buckets, at x = 0, 1 … 6: 13 million simulated (docs/detection.md).
_LAW = {
    "hour": (5.1e-2, 2.1e-2, 7.1e-3, 2.1e-3, 6.1e-4, 1.7e-4, 4.7e-5),
    "day": (1.4e-1, 4.6e-2, 1.2e-2, 3.1e-3, 8.3e-4, 2.3e-4, 6.7e-5),
}
_NEGLIGIBLE = 1e-9
_NONE = -np.inf


@dataclass(frozen=True)
class Alarm:
    """A run of buckets first … last (columns) of `series` (row), over the limit at its last with this `p`."""

    series: int
    first: int
    last: int
    p: float


def added(share: Array, volume: Array, grain: str, elapsed: Array | float = 1.0) -> Array:
    """(K, …) stories that a burst of each size of the grain brings to buckets with these usual shares and volumes.

    `elapsed`: the part of a bucket that has passed, `volume` being that of this part.
    """
    usual = share * volume
    return np.stack([np.maximum(size * usual, LEAST_ADDED * np.clip(elapsed, 0.0, 1.0)) for size in SIZES[grain]])


def of_late(y: Array, n: Array, volume: Array, shape: Array, share: Array, grain: str) -> Array:
    """(S, T) `volume` at the level of the buckets just before each, told by their stories that are not negative.

    A burst leaves these as they are, so it cannot hide itself; a new publisher, a holiday or a drift moves them. The
    level is the mean of its posterior: gamma, of mean 1 and deviation `LEVEL_SPREAD` before, each bucket's stories
    weighing as many as their wavering leaves of them.
    """
    usual = volume * (1 - share)
    weight = 1 / (1 + usual / shape)
    got, expected = (np.nan_to_num(weight * x).cumsum(axis=1) for x in (n - y, usual))
    before = np.maximum(np.arange(n.shape[1]) - 1, -1)
    start = before - LATE[grain]
    told, due = (_upto(x, before) - _upto(x, start) for x in (got, expected))
    prior = LEVEL_SPREAD**-2
    return np.asarray(volume * (prior + told) / (prior + due))


def _upto(sums: Array, last: NDArray[np.int64]) -> Array:
    return np.where(last >= 0, sums[:, np.maximum(last, 0)], 0.0)


def log_ratio(y: Array, n: Array, volume: Array, shape: Array, share: Array, rho: Array, more: Array) -> Array:
    """(K, …) log of P(y, n | burst) / P(y, n | usual) for bursts that bring `more` (K, …) stories a bucket.

    As usual: n gamma-Poisson (negative binomial) of mean `volume` and `shape`, mixed with a wide one for floods; y
    beta-binomial out of n with `share` and `rho`. In a burst: the same plus a Poisson number of negatives, summed
    over by the ratio of neighbouring terms.
    """
    sizes = more.reshape(more.shape[0], -1)
    y, n, volume, shape, share, rho = (
        np.ascontiguousarray(x, dtype=np.float64).ravel() for x in np.broadcast_arrays(y, n, volume, shape, share, rho)
    )
    found = -sizes
    some = np.flatnonzero((y > 0) & np.isfinite(volume + shape + share))
    y, n, volume, shape, share, rho, sizes = (x[..., some] for x in (y, n, volume, shape, share, rho, sizes))
    spread = 1 / rho - 1
    wide = FLOOD_MEAN * volume
    ordinary, flood = _log_volume(n, volume, shape), _log_volume(n, wide, np.full(n.shape, FLOOD_SHAPE))
    both = np.logaddexp(np.log1p(-FLOOD) + ordinary, np.log(FLOOD) + flood)
    ordinary, flood = (1 - FLOOD) * np.exp(ordinary - both), FLOOD * np.exp(flood - both)
    split = np.ones(y.size)
    poisson, total = np.ones(sizes.shape), np.ones(sizes.shape)
    left = np.arange(y.size)
    j = 0
    while left.size:
        # One negative more was brought, one less was usual: k of m become k − 1 of m − 1.
        k, m = y[left] - j, n[left] - j
        split[left] *= k * (m - 1 + spread[left]) / (m * (k - 1 + share[left] * spread[left]))
        ordinary[left] *= m * (volume[left] + shape[left]) / ((m - 1 + shape[left]) * volume[left])
        flood[left] *= m * (wide[left] + FLOOD_SHAPE) / ((m - 1 + FLOOD_SHAPE) * wide[left])
        j += 1
        poisson[:, left] *= sizes[:, left] / j
        step = poisson[:, left] * (split[left] * (ordinary[left] + flood[left]))
        total[:, left] += step
        going = (step > _NEGLIGIBLE * total[:, left]).any(axis=0) | (j < sizes[:, left].max(axis=0))
        left = left[(y[left] > j) & going]
    found[:, some] += np.log(total)
    return found.reshape(more.shape)


def _log_volume(n: Array, mean: Array, shape: Array) -> Array:
    choose = gammaln(n + shape) - gammaln(n + 1) - gammaln(shape)
    return np.asarray(choose + shape * np.log(shape / (shape + mean)) + n * np.log(mean / (shape + mean)))


def run_p(score: Array, grain: str) -> Array:
    """How often an ordinary bucket scores this much (log of the averaged ratio) or more."""
    law = np.log(np.array(_LAW[grain]))
    x = np.arange(law.size)
    inside = np.interp(score, x, law)
    beyond = law[-1] + (law[-1] - law[-2]) * (score - x[-1])
    return np.asarray(np.where(score < 0, 1.0, np.exp(np.where(score > x[-1], beyond, inside))))


class Runs:
    """The evidence of all runs that end in the newest bucket, of S series."""

    def __init__(self, series: int, grain: str, min_negative: int, min_stories: int) -> None:
        self._grain, self._least = grain, (min_negative, min_stories)
        shape = (LONGEST[grain], len(SIZES[grain]), series)
        self._sums = np.full(shape, _NONE)
        self._negative, self._stories = np.zeros((shape[0], series)), np.zeros((shape[0], series))

    def step(self, ratios: Array, y: Array, n: Array) -> Array:
        """Go on by a bucket; (S,) log of the ratio averaged over lengths and sizes. ratios: (K, S), NaN breaks runs.

        −∞ where no run has the minimum counts, or where the bucket itself speaks against a burst.
        """
        now = np.where(np.isnan(ratios), _NONE, ratios)
        for table, more in ((self._sums, now), (self._negative, y), (self._stories, n)):
            table[1:] = table[:-1] + more
            table[0] = more
        score = np.full(y.shape, _NONE)
        # Where the last bucket speaks for a burst, this cannot overlook a run: the sum of a run is finite there.
        rows = np.flatnonzero((now.max(axis=0) > 0) & (self._negative[-1] >= self._least[0]))
        if rows.size:
            usable = self._usable(rows).reshape(-1, rows.size)
            top = np.maximum(usable.max(axis=0), 0)
            # Term by term: the order of a sum must not hang on how many series are judged together.
            total = np.zeros(rows.size)
            for one in usable:
                total += np.exp(one - top)
            with np.errstate(divide="ignore"):
                score[rows] = top + np.log(total / len(usable))
        return score

    def enough(self, y: Array, n: Array) -> NDArray[np.bool_]:
        """Whether a bucket has the minimum counts by itself."""
        return np.asarray((y >= self._least[0]) & (n >= self._least[1]))

    def length(self, row: int) -> int:
        """Buckets of the run that says most."""
        return int(self._usable(np.array([row])).max(axis=1).argmax()) + 1

    def forget(self, rows: NDArray[np.int64]) -> None:
        """Start anew after the newest bucket."""
        self._sums[:, :, rows] = _NONE

    def _usable(self, rows: NDArray[np.int64]) -> Array:
        enough = (self._negative[:, rows] >= self._least[0]) & (self._stories[:, rows] >= self._least[1])
        return np.where(enough[:, None], self._sums[:, :, rows], _NONE)


def alarms(
    ratios: Array, y: Array, n: Array, limit: float, p_of: Callable[[Array, int], Array], runs: Runs, own: Array
) -> list[Alarm]:
    """Runs of S series over T buckets whose p is at most `limit`; evidence starts anew after each.

    The sizes of `SIZES` cannot explain a bucket with many times as many negatives, so it is tested by itself, too: p is
    the smaller of both, each over its part of the limit (Bonferroni).

    ratios: (K, S, T), NaN where a bucket cannot be judged. y, n: (S, T). p_of: of scores (S,) and a bucket's number.
    own: (S, T) p of each bucket by itself, 1 where it is not tested.
    """
    found: list[Alarm] = []
    for t in range(y.shape[1]):
        together = p_of(runs.step(ratios[:, :, t], y[:, t], n[:, t]), t) / (1 - OWN_PART)
        alone = np.where(runs.enough(y[:, t], n[:, t]), own[:, t], 1.0) / OWN_PART
        p = np.minimum(np.minimum(together, alone), 1.0)
        for row in np.flatnonzero(p <= limit).tolist():
            first = t if alone[row] < together[row] else t - runs.length(row) + 1
            found.append(Alarm(row, first, t, float(p[row])))
        runs.forget(np.flatnonzero(p <= limit))
    return found
