"""How sure a measure is, and whether two models differ: bootstrap intervals and a paired test; pure, seeded.

Rows of one text (a headline asked about each of its entities) are drawn together: they are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from models.measure import Figures, figures, tally, totals

__all__ = ["Paired", "Sample", "Verdict", "intervals", "paired"]

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Interval = tuple[float, float]
SEED = 20261123
_RESAMPLES = 2_000
_DRAWS = 40_000_000
"""At most so many drawn groups in all: a million rows need fewer resamples, and have them."""
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Sample:
    """One head's rows: true indices (n,), probabilities (n, labels), the labels, and which rows belong together (n,).

    `certain`: the answers are labels without probabilities, so that calibration is not measured.
    """

    truth: Ints
    probabilities: Floats
    labels: tuple[str, ...]
    groups: Ints
    certain: bool = False


class Verdict(StrEnum):
    """What a paired comparison says, read from the interval of the difference in accuracy."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"


@dataclass(frozen=True)
class Paired:
    """The first model against the second, on the same n rows; differences are first minus second.

    `only_first`, `only_second`: rows that only one of them gets right; `p_value`: McNemar's exact two-sided test of
    these two counts, which takes rows for independent; the intervals (95%) do not.
    """

    n: int
    only_first: int
    only_second: int
    p_value: float
    accuracy_difference: float
    accuracy_interval: Interval
    macro_f1_difference: float
    macro_f1_interval: Interval
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def intervals(sample: Sample, seed: int = SEED) -> dict[str, Any]:
    """Return the 95% bootstrap interval of each measure by its name, `recall` by label; empty without rows.

    Percentiles, but for the calibration error: resampling inflates it, so its interval is reflected about the estimate.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 8.2 (rows in groups).
    """
    if not len(sample.truth):
        return {}
    found = _resampled([sample], seed)[0]
    recall = {
        label: _percentiles(found.recall[:, at]) for at, label in enumerate(sample.labels) if (sample.truth == at).any()
    }
    answer: dict[str, Any] = {
        name: _percentiles(getattr(found, name)) for name in ("accuracy", "macro_f1", "weighted_f1")
    }
    if not sample.certain:
        answer["ece"] = _reflected(float(_point(sample).ece[0]), found.ece)
    return {**answer, "recall": recall}


def paired(first: Sample, second: Sample, seed: int = SEED) -> Paired:
    """Compare two models that answered the same rows in the same order.

    Source: McNemar, Psychometrika 12, 1947, in its exact form (a binomial test of the discordant rows).
    """
    if not np.array_equal(first.truth, second.truth):
        raise ValueError("two models are compared on the same rows only")
    right = [sample.probabilities.argmax(1) == sample.truth for sample in (first, second)]
    only_first, only_second = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    p_value = 1.0
    if only_first + only_second:
        p_value = float(binomtest(only_first, only_first + only_second, 0.5).pvalue)
    # The same draws for both: what makes the comparison paired.
    one, two = _resampled([first, second], seed)
    points = [_point(sample) for sample in (first, second)]
    accuracy = _percentiles(one.accuracy - two.accuracy)
    return Paired(
        len(first.truth),
        only_first,
        only_second,
        p_value,
        float(points[0].accuracy[0] - points[1].accuracy[0]),
        accuracy,
        float(points[0].macro_f1[0] - points[1].macro_f1[0]),
        _percentiles(one.macro_f1 - two.macro_f1),
        _verdict(accuracy),
    )


def _verdict(interval: Interval) -> Verdict:
    if interval[0] > 0:
        return Verdict.BETTER
    return Verdict.WORSE if interval[1] < 0 else Verdict.NO_DIFFERENCE


def _point(sample: Sample) -> Figures:
    return figures(totals(tally(sample.truth, sample.probabilities)), len(sample.labels))


def _resampled(samples: Sequence[Sample], seed: int) -> list[Figures]:
    """The measures of each sample over the same resamples of its groups."""
    groups = np.unique(samples[0].groups, return_inverse=True)[1]
    tables = [tally(sample.truth, sample.probabilities, groups) for sample in samples]
    size = int(groups.max()) + 1
    resamples = int(np.clip(_DRAWS // size, 200, _RESAMPLES))
    rng = np.random.default_rng(seed)
    sums: list[list[Floats]] = [[] for _ in samples]
    step = max(1, _AT_ONCE // size)
    for start in range(0, resamples, step):
        height = min(step, resamples - start)
        drawn = rng.integers(0, size, (height, size)) + size * np.arange(height)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=height * size).reshape(height, size).astype(float)
        for table, into in zip(tables, sums, strict=True):
            into.append(np.asarray((table.T @ weights.T).T))
    return [figures(np.vstack(parts), len(sample.labels)) for parts, sample in zip(sums, samples, strict=True)]


def _percentiles(values: Floats) -> Interval:
    # A resample without any row of a label has no recall for it.
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def _reflected(estimate: float, values: Floats) -> Interval:
    low, high = _percentiles(values)
    return max(0.0, 2 * estimate - high), max(0.0, 2 * estimate - low)
