"""What is usual for many series at once: share of negatives and volume by season, and how much both waver. Pure.

After Noufaily et al. (2013), Statistics in Medicine 32, 1206–1222, re-cast for counts out of a total: beta-binomial
negatives given all stories of the bucket, past outbreaks weighing less. How far a series is trusted against its
scope is itself estimated from the spread of the series around it (moments, Morris 1983, JASA 78, 47–55).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pipeline.series.distribution import LEAST_RHO

__all__ = ["OUTBREAK", "Baseline", "baseline", "residuals"]

Array = NDArray[np.float64]

# Noufaily's threshold for a past outbreak, in standard deviations.
OUTBREAK = 2.58
# Strength of the scope's share in a series' own, of an even pattern in the scope's, and of the scope's correlation.
SERIES_STORIES, SCOPE_STORIES, RHO_STORIES = 20.0, 100.0, 50.0
# Bounds of the strength of the scope's pattern in each season of a series, in stories.
SEASON_STORIES = (60.0, 1e5)
# Levels of late differ by about this much, until ten series of the scope's worth of evidence says otherwise.
LEVEL_SPREAD, LEVEL_SERIES = 0.05, 10.0
LEVEL_RANGE = (2 / 3, 1.5)
# Volume: strength of the scope's pattern in buckets, of the pooled wavering in stories, of a steady level in stories.
VOLUME_BUCKETS, SHAPE_STORIES, VOLUME_STORIES = 10.0, 20.0, 5.0
VOLUME_RANGE, WAVERING = (0.5, 2.0), (0.02, 5.0)
LEAST_VOLUME = 1e-3
_FIRST_RHO = 0.02
_PASSES = 3
# Series held in memory at once.
_BLOCK = 500


@dataclass(frozen=True)
class Baseline:
    """Of S series over T past buckets with G seasonal groups.

    `share` (S, G): negatives out of all stories, `level` in it; `volume` (S, G): stories a bucket; `rho` (S,):
    correlation within a bucket; `shape` (S,): of the gamma distribution that the volume wavers by; `phi` (S,):
    Pearson dispersion; `level` (S,): of late over the whole; `outbreak` (S, T): weight of each past bucket.
    """

    share: Array
    volume: Array
    rho: Array
    shape: Array
    phi: Array
    level: Array
    outbreak: Array


def baseline(
    y: Array,
    n: Array,
    group: NDArray[np.int64],
    scopes: NDArray[np.int64],
    recency: Array,
    groups: int,
    passes: int = _PASSES,
) -> Baseline:
    """y, n: (S, T) negative and all stories. group: (T,). scopes: (S,) number of the scope of each series. recency:
    (T,) weight of each bucket by its age."""
    season, belongs = _membership(group, groups), _membership(scopes, int(scopes.max()) + 1)
    size, blocks = y.shape[0], list(_blocks(y.shape[0]))
    rho, phi = np.full(size, _FIRST_RHO), np.ones(size)
    # Else the first correlation would have the outbreaks in it, and call them ordinary.
    whole = (y.sum(axis=1) + 1) / (n.sum(axis=1) + 5)
    outbreak = np.ones_like(y)
    for part in blocks:
        outbreak[part] = _calm(y[part], n[part], whole[part][:, None], rho[part])
    for _ in range(passes):
        num, den, seen = (np.empty((size, groups)) for _ in range(3))
        for part in blocks:
            weight = outbreak[part] * recency
            # A bucket of n stories is worth n / (1 + (n − 1)ρ) independent ones.
            each = weight / _inflation(n[part], rho[part])
            num[part], den[part] = (each * y[part]) @ season, (each * n[part]) @ season
            seen[part] = (each * weight * n[part]) @ season
        share = _shares(num, den, seen, belongs)
        excess, room = np.empty(size), np.empty(size)
        for part in blocks:
            weight = outbreak[part] * recency
            each = weight / _inflation(n[part], rho[part])
            mean = n[part] * share[part][:, group]
            free = mean * (1 - share[part][:, group])
            square = (y[part] - mean) ** 2
            excess[part] = (each * (square - free)).sum(axis=1)
            room[part] = (each * free * np.maximum(n[part] - 1, 0)).sum(axis=1)
            phi[part] = (weight * square).sum(axis=1) / np.maximum((weight * free).sum(axis=1), 1e-9)
        pooled = np.maximum((belongs.T @ excess) / np.maximum(belongs.T @ room, 1e-9), 0)
        strength = RHO_STORIES * recency.mean()
        rho = np.clip((excess + strength * pooled[scopes]) / (room + strength), LEAST_RHO, 0.5)
        for part in blocks:
            outbreak[part] = _calm(y[part], n[part], share[part][:, group], rho[part])
    level = _levels(y, n, share, group, rho, outbreak, recency**4, belongs)
    volume, shape = _volumes(n, group, season, belongs, scopes, recency)
    share = np.clip(share * level[:, None], 1e-4, 0.95)
    return Baseline(share, volume, rho, shape, phi, level, outbreak)


def _membership(of: NDArray[np.int64], groups: int) -> csr_array:
    # Sparse not for its size: a dense product goes to BLAS, whose threads crawl where the cores are shared.
    return csr_array((np.ones(of.size), (np.arange(of.size), of)), shape=(of.size, groups))


def _blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def _inflation(n: Array, rho: Array) -> Array:
    """(S, T) variance of a beta-binomial over that of a binomial."""
    return 1 + np.maximum(n - 1, 0) * rho[:, None]


def _shares(num: Array, den: Array, seen: Array, belongs: csr_array) -> Array:
    """(S, G) shares: each series shrunk to its scope, each season to the series times the scope's pattern.

    `num`, `den`: weighted negatives and stories. `seen`: stories weighted so that `num` has variance seen·π(1 − π).
    """
    of_scope = belongs.T @ num
    whole = (of_scope.sum(axis=1) + 1) / ((belongs.T @ den).sum(axis=1) + 5)
    base = belongs @ whole
    own = (num.sum(axis=1) + SERIES_STORIES * base) / (den.sum(axis=1) + SERIES_STORIES)
    even = belongs.T @ (own[:, None] * den)
    free = belongs.T @ ((own * (1 - own))[:, None] * seen)
    strength = _strength(of_scope - even, free, even, whole, (20.0, 1e5)) * whole
    pattern = (of_scope + strength[:, None]) / (even + strength[:, None])
    prior = np.clip(own[:, None] * (belongs @ pattern), 1e-4, 0.95)
    spread = (num - den * prior, seen * prior * (1 - prior), den * prior)
    off, free, mean = (belongs.T @ x for x in (spread[0] ** 2, spread[1], spread[2] ** 2))
    beyond = (off - free).sum(axis=1) / np.maximum(mean.sum(axis=1), 1e-9)
    trust = np.clip((1 - own) / (own * np.maximum(belongs @ beyond, 1e-5)), *SEASON_STORIES)[:, None]
    return np.asarray((num + trust * prior) / (den + trust))


def _strength(off: Array, free: Array, mean: Array, share: Array, bounds: tuple[float, float]) -> Array:
    """Stories that an even pattern is worth in each row, from how far its seasons lie apart beyond chance."""
    beyond = (off**2 - free).sum(axis=1) / np.maximum((mean**2).sum(axis=1), 1e-9)
    return np.asarray(np.clip((1 - share) / (share * np.maximum(beyond, 1e-5)), *bounds))


def residuals(y: Array, n: Array, share: Array, rho: Array) -> Array:
    """(S, T) negatives beyond the usual, in standard deviations. share: (S, T), rho: (S,)."""
    deviation = np.sqrt(n * share * (1 - share) * _inflation(n, rho))
    residual: Array = np.divide(y - n * share, deviation, out=np.zeros_like(y), where=deviation > 0)
    return residual


def _calm(y: Array, n: Array, share: Array, rho: Array) -> Array:
    """Weights by the worse of the bucket itself and of the three runs of three buckets it stands in."""
    alone = residuals(y, n, share, rho)
    padded = np.pad(alone, ((0, 0), (2, 2)))
    runs = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / np.sqrt(3)
    worst = np.maximum(np.maximum(alone, runs[:, :-2]), np.maximum(runs[:, 1:-1], runs[:, 2:]))
    return np.asarray(np.where(worst > OUTBREAK, (np.maximum(worst, OUTBREAK) / OUTBREAK) ** -2.0, 1.0))


def _levels(
    y: Array,
    n: Array,
    share: Array,
    group: NDArray[np.int64],
    rho: Array,
    outbreak: Array,
    recency: Array,
    belongs: csr_array,
) -> Array:
    """(S,) what late buckets say of the level, as far as levels of the scope differ beyond chance."""
    got, usual, chance = (np.empty(rho.size) for _ in range(3))
    for part in _blocks(rho.size):
        late, mean = outbreak[part] * recency, n[part] * share[part][:, group]
        weight = late / _inflation(n[part], rho[part])
        got[part], usual[part] = (weight * y[part]).sum(axis=1), (weight * mean).sum(axis=1)
        chance[part] = (weight * late * mean * (1 - share[part][:, group])).sum(axis=1)
    usual_sq = belongs.T @ usual**2
    prior = LEVEL_SERIES * usual_sq / np.asarray(belongs.sum(axis=0)).ravel()
    beyond = belongs.T @ ((got - usual) ** 2 - chance)
    spread = belongs @ np.maximum((beyond + prior * LEVEL_SPREAD**2) / np.maximum(usual_sq + prior, 1e-9), 1e-4)
    trust = spread * usual**2 / np.maximum(spread * usual**2 + chance, 1e-12)
    return np.clip(1 + trust * (got / np.maximum(usual, 1e-9) - 1), *LEVEL_RANGE)


def _volumes(
    n: Array, group: NDArray[np.int64], season: csr_array, belongs: csr_array, scopes: NDArray[np.int64], recency: Array
) -> tuple[Array, Array]:
    """(S, G) stories a bucket, at the level of late, and (S,) the gamma shape of their wavering."""
    buckets, got = recency @ season, (n * recency) @ season
    own = got.sum(axis=1) / buckets.sum()
    of_scope = belongs.T @ got
    even = buckets * (of_scope.sum(axis=1) / buckets.sum())[:, None]
    prior = own[:, None] * (belongs @ ((of_scope + LEAST_VOLUME) / (even + LEAST_VOLUME)))
    volume = np.maximum((got + VOLUME_BUCKETS * prior) / (buckets + VOLUME_BUCKETS), LEAST_VOLUME)
    excess, room, steady = np.empty(own.size), np.empty(own.size), np.empty(own.size)
    for part in _blocks(own.size):
        mean = volume[part][:, group]
        excess[part] = (recency * ((n[part] - mean) ** 2 - mean)).sum(axis=1)
        room[part] = (recency * mean**2).sum(axis=1)
    pooled = (belongs.T @ excess) / np.maximum(belongs.T @ room, 1e-9)
    wavering = np.clip((excess + SHAPE_STORIES * pooled[scopes]) / (room + SHAPE_STORIES), *WAVERING)
    for part in _blocks(own.size):
        mean = volume[part][:, group]
        weight = recency**2 / (1 + mean * wavering[part][:, None])
        late = ((weight * n[part]).sum(axis=1) + VOLUME_STORIES) / ((weight * mean).sum(axis=1) + VOLUME_STORIES)
        steady[part] = np.clip(late, *VOLUME_RANGE)
    return np.maximum(volume * steady[:, None], LEAST_VOLUME), 1 / wavering
