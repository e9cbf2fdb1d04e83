"""The baselines, and the reference: an over-dispersed regression with the total as offset, alone and summed up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import nbinom

from tests.trial.worlds import MINIMUM, World

__all__ = ["cusum", "fisher", "over", "rolling_z", "seasonal_mad", "with_offset"]

Array = NDArray[np.float64]
Alarms = Callable[[float], NDArray[np.bool_]]

_OUTBREAK = 2.58


def over(world: World, score: Array) -> Alarms:
    """Alarms where a score passes the limit, and the bucket has the minimum count."""
    enough = world.y >= MINIMUM
    return lambda limit: (score > limit) & enough


def rolling_z(world: World) -> Array:
    """(S, T) negative stories in standard deviations of the week before (of days: of four weeks)."""
    score = np.zeros_like(world.y)
    width = world.clock.week if world.clock.grain == "hour" else 4 * world.clock.week
    past = sliding_window_view(world.y, width, axis=1)[:, :-1]
    score[:, width:] = (world.y[:, width:] - past.mean(axis=2)) / np.sqrt(past.var(axis=2) + 0.25)
    return score


def seasonal_mad(world: World) -> Array:
    """(S, T) distance from the median of the same hour of the last eight weeks, in median absolute deviations."""
    score = np.zeros_like(world.y)
    week = world.clock.week
    now = world.y[:, 8 * week :]
    past = np.stack([world.y[:, (8 - back) * week : world.y.shape[1] - back * week] for back in range(1, 9)])
    middle = np.median(past, axis=0)
    spread = 1.4826 * np.median(np.abs(past - middle), axis=0)
    score[:, 8 * week :] = (now - middle) / (spread + np.sqrt(0.3 * middle + 0.3))
    return score


def with_offset(world: World) -> Array:
    """(S, T) upper mid-p of the reference: share by hour of day and weekend, shrunk to the series' own; quasi-Poisson
    dispersion; outbreaks over 2.58 deviations weighing less; refitted at every midnight from the trailing past."""
    series, buckets = world.y.shape
    clock = world.clock
    group = clock.group(np.arange(buckets))
    p = np.full((series, buckets), 0.5)
    for day in range(world.train, buckets, clock.refit):
        past = slice(max(day - clock.past, 0), day)
        y, n, of = world.y[:, past], world.n[:, past], group[past]
        age = np.exp((np.arange(of.size) - of.size) / clock.memory)
        belongs = (of[:, None] == np.arange(group.max() + 1)).astype(np.float64)
        calm = np.ones_like(y)
        for _ in range(3):
            weight = calm * age
            num, den = (weight * y) @ belongs, (weight * n) @ belongs
            whole = num.sum(axis=1) / np.maximum(den.sum(axis=1), 1e-9)
            share = (num + 20 * whole[:, None]) / (den + 20)
            mean = share[:, of] * n
            some = mean > 0
            squares = (weight * (y - mean) ** 2 / np.maximum(mean, 0.05) * some).sum(axis=1)
            spread = np.maximum(squares / np.maximum((weight * some).sum(axis=1), 1e-9), 1)[:, None]
            off = (y - mean) / np.sqrt(spread * np.maximum(mean, 0.05))
            calm = np.where(off > _OUTBREAK, (np.maximum(off, _OUTBREAK) / _OUTBREAK) ** -2.0, 1.0)
        today = slice(day, day + clock.refit)
        mean = np.maximum(share[:, group[today]] * world.n[:, today], 0.05)
        size = np.maximum(mean / np.maximum(spread - 1, 0.05), 0.05)
        at_least, more = (nbinom.sf(world.y[:, today] - k, size, size / (size + mean)) for k in (1, 0))
        p[:, today] = np.maximum((at_least + more) / 2, 1e-15)
    return p


def cusum(world: World, p: Array) -> Alarms:
    """Alarms of the one-sided sum of normal scores, less .75 each, set back to 0 by an alarm."""
    score = np.clip(-ndtri(p), -3, 6) - 0.75
    enough = world.y >= MINIMUM

    def alarms(limit: float) -> NDArray[np.bool_]:
        fired, total = np.zeros(p.shape, dtype=bool), np.zeros(p.shape[0])
        for t in range(world.train, p.shape[1]):
            total = np.maximum(0, total + score[:, t])
            fired[:, t] = (total > limit) & enough[:, t]
            total[fired[:, t]] = 0
        return fired

    return alarms


def fisher(p: Array, hours: int = 3) -> Array:
    """(S, T) −log p added up over the last hours."""
    score = -np.log(p)
    return np.asarray(sum(np.roll(score, back, axis=1) for back in range(hours)))
