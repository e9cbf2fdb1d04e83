"""Tails and quantiles of the beta-binomial: how many of `n` stories are negative when the share itself wavers.

With share π and within-bucket correlation ρ the count has mean nπ and variance nπ(1−π)(1+(n−1)ρ); ρ → 0 is the
binomial. Formulas: Skellam (1948), J. R. Statist. Soc. B 10, 257–261. All functions are vectorised; terms are
summed by the ratio of neighbouring probabilities, from the one that counts, so that small tails keep their digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

__all__ = ["quantiles", "tails"]

Array = NDArray[np.float64]

LEAST_RHO = 1e-4
_LEAST_SHARE = 1e-6
_NEGLIGIBLE = 1e-15


def tails(y: Array, n: Array, share: Array, rho: Array | float) -> tuple[Array, Array]:
    """P(Y ≥ y) and P(Y > y), each of the shape of the broadcast arguments."""
    y, n, a, b = _prepared(y, n, share, rho)
    first = np.exp(_log_pmf(y, n, a, b))
    total, term = first.copy(), first.copy()
    left = np.flatnonzero(y < n)
    k = y.copy()
    mean = n * a / (a + b)
    while left.size:
        at = k[left]
        term[left] *= _ratio(at, n[left], a[left], b[left])
        total[left] += term[left]
        k[left] += 1
        done = (k[left] >= n[left]) | ((k[left] > mean[left]) & (term[left] <= _NEGLIGIBLE * total[left]))
        left = left[~done]
    total = np.minimum(total, 1.0)
    return total, np.maximum(total - first, 0.0)


def quantiles(n: Array, share: Array, rho: Array | float, low: float, high: float) -> tuple[Array, Array]:
    """The smallest counts whose cumulative probability reaches `low` and `high`."""
    _, n, a, b = _prepared(np.zeros(1), n, share, rho)
    mean = n * a / (a + b)
    sd = np.sqrt(np.maximum(mean * b / (a + b) * (a + b + n) / (a + b + 1), 0.0))
    k = np.maximum(np.floor(mean - 12 * sd - 1), 0.0)
    term = np.exp(_log_pmf(k, n, a, b))
    total = term.copy()
    lower, upper = np.where(total >= low, k, np.nan), np.where(total >= high, k, np.nan)
    left = np.flatnonzero(np.isnan(upper))
    while left.size:
        term[left] *= _ratio(k[left], n[left], a[left], b[left])
        k[left] += 1
        total[left] += term[left]
        lower[left] = np.where(np.isnan(lower[left]) & (total[left] >= low), k[left], lower[left])
        # Rounding may keep the sum of all terms a hair below `high`.
        reached = (total[left] >= high) | (k[left] >= n[left])
        upper[left] = np.where(reached, k[left], upper[left])
        left = left[~reached]
    return np.where(np.isnan(lower), upper, lower), upper


def _prepared(y: Array, n: Array, share: Array, rho: Array | float) -> tuple[Array, Array, Array, Array]:
    y, n, share, rho = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, np.float64)) for x in (y, n, share, rho)))
    share = np.clip(share, _LEAST_SHARE, 1 - _LEAST_SHARE)
    spread = 1 / np.clip(rho, LEAST_RHO, 0.99) - 1
    return y.copy(), n.copy(), share * spread, (1 - share) * spread


def _log_pmf(k: Array, n: Array, a: Array, b: Array) -> Array:
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return np.asarray(choose + betaln(k + a, n - k + b) - betaln(a, b))


def _ratio(k: Array, n: Array, a: Array, b: Array) -> Array:
    """P(Y = k + 1) / P(Y = k)."""
    return np.asarray((n - k) / (k + 1) * (k + a) / (n - k - 1 + b))
