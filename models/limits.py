"""Limits chosen on held-out rows: from which p_negative a story is negative, and under which confidence to abstain.

Pure functions over calibrated probabilities (n, labels), true indices (n,), and optional weights (n,) of the rows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
_FEWEST_ROWS = 20


def negative_limit(p_negative: Floats, negative: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Return the limit, from .4 to .7, with the best F1 for "negative"; of equals the one nearest to .5.

    Not lower, whatever F1 says: an alert must not rest on stories that are more likely something else.
    """
    if negative.sum() < _FEWEST_ROWS:
        return 0.5
    weight = np.ones(len(negative)) if weights is None else weights
    grid = np.round(np.arange(0.40, 0.701, 0.01), 2)

    def worth(limit: float) -> tuple[float, float]:
        called = p_negative > limit
        both = float(weight[called].sum() + weight[negative].sum())
        return round(2 * float(weight[called & negative].sum()) / both, 9), -abs(limit - 0.5)

    return float(max(grid, key=worth))


@dataclass(frozen=True)
class CoverageCurve:
    """What is kept, and how much of it is right, as the threshold falls: `threshold`, `coverage`, `accuracy` (m,)."""

    threshold: Floats
    coverage: Floats
    accuracy: Floats

    def at(self, threshold: float) -> tuple[float, float]:
        """Return (share kept, accuracy of it) where less sure answers abstain; the accuracy of nothing is NaN."""
        kept = int((self.threshold >= threshold).sum())
        return (float(self.coverage[kept - 1]), float(self.accuracy[kept - 1])) if kept else (0.0, float("nan"))


def coverage_curve(sentiment: Floats, truth: Ints, weights: Floats | None = None) -> CoverageCurve:
    """Return coverage and accuracy of the answers at least as sure as each distinct confidence, surest first.

    Source: El-Yaniv and Wiener, On the Foundations of Noise-free Selective Classification, JMLR 11, 2010.
    """
    weight = np.ones(len(truth)) if weights is None else weights
    confidence, right = sentiment.max(1), sentiment.argmax(1) == truth
    order = np.argsort(-confidence, kind="stable")
    kept, good = np.cumsum(weight[order]), np.cumsum((weight * right)[order])
    # Equally sure answers are kept or not together.
    last = np.append(np.flatnonzero(np.diff(confidence[order])), len(order) - 1) if len(order) else order
    # Rows without weight may be the surest.
    last = last[kept[last] > 0]
    return CoverageCurve(confidence[order][last], kept[last] / weight.sum(), good[last] / kept[last])


def abstain_below(
    sentiment: Floats, truth: Ints, error_rate: float | None = None, weights: Floats | None = None
) -> float:
    """Return the confidence under which to abstain: the lowest that keeps the error of the answers at `error_rate`.

    At least 20 rows must be left to tell. Where no threshold reaches the rate, the one with the smallest error.
    Without a rate: the highest confidence, from .40 to .50, under which answers are right less than half the time.
    """
    if error_rate is None:
        return _worse_than_chance(sentiment, truth)
    curve = coverage_curve(sentiment, truth, weights)
    confidence = np.sort(sentiment.max(1))
    enough = len(truth) - np.searchsorted(confidence, curve.threshold) >= _FEWEST_ROWS
    if not enough.any():
        return 0.4
    threshold, error = curve.threshold[enough], 1 - curve.accuracy[enough]
    good = np.flatnonzero(error <= error_rate + 1e-12)
    place = good[-1] if len(good) else int(np.flatnonzero(error == error.min())[-1])
    below = confidence[confidence < threshold[place]]
    return _shortest(float(below[-1]) if len(below) else 0.0, float(threshold[place]))


def _shortest(low: float, high: float) -> float:
    """The number with the fewest decimals in (low, high]: it parts the same rows as `high` and can be read."""
    for digits in range(2, 10):
        short: float = math.floor(high * 10**digits) / 10**digits
        # Under 1: a limit that nothing reaches would silence all.
        if low < short < 1:
            return short
    return min(high, 1 - 1e-9)


def _worse_than_chance(sentiment: Floats, truth: Ints) -> float:
    confidence, right = sentiment.max(1), sentiment.argmax(1) == truth
    limit = 0.40
    for candidate in np.round(np.arange(0.42, 0.501, 0.02), 2):
        under = confidence < candidate
        if under.sum() >= _FEWEST_ROWS and right[under].mean() < 0.5:
            limit = float(candidate)
    return limit
