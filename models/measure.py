"""Measures of a classifier: accuracy, F1, recall, calibration error; pure functions, for a sample and for resamples.

Every measure is a function of sums over rows (`tally`), so that the same few lines (`figures`) give the point estimate
and, of thousands of reweighted sums at once, its bootstrap distribution (`models.compare`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
BINS = 15


@dataclass(frozen=True)
class Measures:
    """`recall`: label to recall, labels without a row left out; `ece`: expected calibration error in 15 equal bins.

    `ece` is None for a model that gives no probabilities.
    """

    n: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    recall: dict[str, float]
    ece: float | None


@dataclass(frozen=True)
class Figures:
    """The measures of m sums at once: (m,) each, `recall` (m, labels); NaN where a label has no row."""

    accuracy: Floats
    macro_f1: Floats
    weighted_f1: Floats
    recall: Floats
    ece: Floats


@dataclass(frozen=True)
class Reliability:
    """Of each confidence bin: mean confidence and accuracy (NaN where empty), and the share of rows in it."""

    confidence: Floats
    accuracy: Floats
    share: Floats


def tally(truth: Ints, probabilities: Floats, groups: Ints | None = None, bins: int = BINS) -> sparse.csr_array:
    """Return what `figures` needs, one line per group of rows (per row, without groups), to be summed as one likes.

    Columns: hits, answers and true rows of each label (3 × labels), then per confidence bin the sum of
    (right − confidence).
    """
    n, labels = probabilities.shape
    answer, confidence = probabilities.argmax(1), probabilities.max(1).astype(float)
    right = answer == truth
    line = np.arange(n) if groups is None else groups
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    columns = np.concatenate([answer, labels + answer, 2 * labels + truth, 3 * labels + place])
    values = np.concatenate([right.astype(float), np.ones(n), np.ones(n), right - confidence])
    height = int(line.max()) + 1 if n else 0
    # Entries of one cell add up, which is what makes a group of its rows.
    table = sparse.coo_array((values, (np.tile(line, 4), columns)), shape=(height, 3 * labels + bins))
    return sparse.csr_array(table)


def totals(table: sparse.csr_array) -> Floats:
    """Return the sums of a tally, as the one line (1, columns) that `figures` takes."""
    return np.asarray(table.sum(0), dtype=float)[None, :]


def figures(sums: Floats, labels: int) -> Figures:
    """Return the measures of (m, 3 × labels + bins) sums of tallies.

    Calibration error: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    hits, answered, real = (sums[:, at * labels : (at + 1) * labels] for at in range(3))
    n = real.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # As scikit-learn: a label that neither occurs nor is answered has no say in the mean.
        f1 = 2 * hits / (answered + real)
        return Figures(
            accuracy=hits.sum(1) / n,
            macro_f1=np.nansum(f1, 1) / (~np.isnan(f1)).sum(1),
            weighted_f1=np.nansum(f1 * real, 1) / n,
            recall=hits / real,
            ece=np.abs(sums[:, 3 * labels :]).sum(1) / n,
        )


def measures(truth: Ints, probabilities: Floats, labels: Sequence[str], certain: bool = False) -> Measures:
    """Measure probabilities (n, labels) against true indices (n,). Empty input gives zeros.

    `certain`: the answers are labels without a probability, so that there is no calibration to measure.
    """
    if len(truth) == 0:
        return Measures(0, 0.0, 0.0, 0.0, {}, None if certain else 0.0)
    found = figures(totals(tally(truth, probabilities)), len(labels))
    recall = zip(labels, found.recall[0], strict=True)
    return Measures(
        n=len(truth),
        accuracy=float(found.accuracy[0]),
        macro_f1=float(found.macro_f1[0]),
        weighted_f1=float(found.weighted_f1[0]),
        recall={label: float(value) for label, value in recall if not np.isnan(value)},
        ece=None if certain else float(found.ece[0]),
    )


def calibration_error(truth: Ints, probabilities: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean over equal bins of |accuracy − confidence|, weighted by size."""
    if len(truth) == 0:
        return 0.0
    return float(figures(totals(tally(truth, probabilities, bins=bins)), probabilities.shape[1]).ece[0])


def confusion_counts(truth: Ints, answer: Ints, labels: int) -> Ints:
    """Return (labels, labels) counts: true labels in rows, answers in columns."""
    return np.bincount(truth * labels + answer, minlength=labels * labels).reshape(labels, labels)


def reliability_bins(truth: Ints, probabilities: Floats, bins: int = BINS) -> Reliability:
    """Return confidence against accuracy in equal bins of confidence, as a reliability diagram draws them."""
    confidence = probabilities.max(1).astype(float)
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            confidence=np.bincount(place, confidence, bins) / count,
            accuracy=np.bincount(place, probabilities.argmax(1) == truth, bins) / count,
            share=count / max(len(truth), 1),
        )
