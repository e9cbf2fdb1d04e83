"""How often ordinary buckets score high, by simulation: what `pipeline/detect/bursts.py` turns scores into p with.

python -m tests.trial.law            prints both tables (some minutes)
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.detect.bursts import Runs, added, log_ratio, run_p
from tests.trial.worlds import MINIMUM, RHO, SHAPE, profile

__all__ = ["HEIGHTS", "law"]

Array = NDArray[np.float64]

HEIGHTS = np.arange(7.0)
# Log-uniform usual volumes of a bucket.
VOLUMES = {"hour": (0.5, 60.0), "day": (3.0, 200.0)}


@dataclass(frozen=True)
class _Null:
    """Ordinary buckets (T, S) and all that is behind them."""

    y: NDArray[np.int64]
    n: NDArray[np.int64]
    volume: Array
    share: Array

    def ratios(self, y: Array, n: Array, t: slice, grain: str, elapsed: float = 1.0) -> Array:
        """(K, …) of buckets `t`, of which a part has passed."""
        volume = np.broadcast_to(self.volume, self.n.shape)[t] * elapsed
        more = added(np.broadcast_to(self.share, volume.shape), volume, grain, elapsed)
        return log_ratio(y, n, volume, np.float64(SHAPE), self.share, np.float64(RHO), more)


def _null(grain: str, seed: int, series: int, buckets: int) -> _Null:
    rng = np.random.default_rng(seed)
    volume = np.exp(rng.uniform(*np.log(VOLUMES[grain]), series))
    if grain == "hour":
        volume = volume * profile(np.arange(buckets))[:, None]
    share = rng.beta(4, 14, series).clip(0.02, 0.9)
    n = rng.poisson(volume * rng.gamma(SHAPE, 1 / SHAPE, (buckets, series)))
    spread = 1 / RHO - 1
    return _Null(rng.binomial(n, rng.beta(share * spread, (1 - share) * spread, n.shape)), n, volume, share)


def law(grain: str, seed: int, series: int, buckets: int) -> Array:
    """(7,) share of ordinary buckets that score `HEIGHTS` or more, all parameters known."""
    null = _null(grain, seed, series, buckets)
    y, n = null.y.astype(np.float64), null.n.astype(np.float64)
    ratios = null.ratios(y, n, slice(None), grain)
    runs = Runs(series, grain, MINIMUM, MINIMUM)
    scores = np.stack([runs.step(ratios[:, t], y[t], n[t]) for t in range(buckets)])[20:]
    return np.array([(scores >= height).mean() for height in HEIGHTS])


def looks(seed: int, series: int, buckets: int, every: int = 12) -> dict[float, tuple[float, float]]:
    """By limit: how often p at the close of an ordinary hour passes it, and at any of the looks before (all alike)."""
    rng = np.random.default_rng(seed)
    null = _null("hour", seed, series, buckets)
    runs = Runs(series, "hour", MINIMUM, MINIMUM)
    limits = np.array([0.01, 0.003, 0.001])
    closed, opened = np.zeros(limits.size), np.zeros(limits.size)
    for t in range(buckets):
        y, n = null.y[t], null.n[t]
        least = np.ones(series)
        so_far_y, so_far_n = np.zeros(series, np.int64), np.zeros(series, np.int64)
        for look in range(1, every):
            part = 1 / (every - look + 1)
            more = rng.binomial(y - so_far_y, part)
            so_far_n = so_far_n + more + rng.binomial(n - y - (so_far_n - so_far_y), part)
            so_far_y = so_far_y + more
            a, b = so_far_y.astype(np.float64), so_far_n.astype(np.float64)
            peek = copy.deepcopy(runs)
            at = null.ratios(a[None], b[None], slice(t, t + 1), "hour", look / every)[:, 0]
            least = np.minimum(least, run_p(peek.step(at, a, b), "hour"))
        a, b = y.astype(np.float64), n.astype(np.float64)
        p = run_p(runs.step(null.ratios(a[None], b[None], slice(t, t + 1), "hour")[:, 0], a, b), "hour")
        closed += (p[:, None] <= limits).mean(axis=0) / buckets
        opened += (least[:, None] <= limits).mean(axis=0) / buckets
    return {float(one): (float(a), float(b)) for one, a, b in zip(limits, closed, opened, strict=True)}


if __name__ == "__main__":
    for grain_ in VOLUMES:
        heights = np.mean([law(grain_, seed, 2000, 520) for seed in range(13)], axis=0)
        print(grain_, ", ".join(f"{p:.3g}" for p in heights))  # noqa: T201
    print(looks(1, 1500, 200))  # noqa: T201
