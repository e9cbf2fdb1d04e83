"""How unusual a series is beyond what the whole market does at the same time: what inhibition rests on. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from pipeline.series.expected import mid_p

__all__ = ["MARKET", "excess_p"]

Array = NDArray[np.float64]

# Scope and key of the series that all others are a part of.
MARKET = ("market", "all")
# Ordinary stories that are added to the rest of the market: a market of few stories explains little.
_PRIOR = 5.0


def excess_p(part: Array, market: Array, rho: float) -> float | None:
    """P of so many negatives by chance, had the odds of the series risen as those of the rest of the market did.

    `part`, `market`: (3, T) stories, negative stories and expected negatives of the buckets of one finding. The part
    itself is taken out of the market, so that a large one does not explain itself; a market that is calm explains
    nothing, so that the odds never fall. `rho`: correlation within a bucket; buckets are independent. Answers the mid-p
    of a beta-binomial, None where the market cannot be judged.
    """
    n, y, expected = part.sum(axis=1)
    all_n, all_y, all_expected = market.sum(axis=1)
    if not np.isfinite(all_expected) or not 0 < all_expected < all_n or not 0 < expected < n:
        return None
    usual = all_expected / all_n
    rest = max(all_n - n, 0.0)
    now = (np.clip(all_y - y, 0.0, rest) + _PRIOR * usual) / (rest + _PRIOR)
    risen = max(float(logit(now) - logit(usual)), 0.0)
    share = expit(logit(expected / n) + risen)
    together = float((part[0] * np.maximum(part[0] - 1, 0)).sum())
    within = rho * together / max(n * (n - 1), 1.0)
    return float(mid_p(np.array([y]), np.array([n]), np.array([share]), np.array([within]))[0])
