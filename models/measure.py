"""Measures of a classifier, in plain numpy: accuracy, F1, recall, calibration error; pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


@dataclass(frozen=True)
class Measures:
    """`recall`: label to recall, labels without a row left out; `ece`: expected calibration error in 15 equal bins."""

    n: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    recall: dict[str, float]
    ece: float


def measures(truth: Ints, probabilities: Floats, labels: Sequence[str]) -> Measures:
    """Measure probabilities (n, labels) against true indices (n,). Empty input gives zeros."""
    if len(truth) == 0:
        return Measures(0, 0.0, 0.0, 0.0, {}, 0.0)
    answer = probabilities.argmax(1)
    f1, support, recall = [], [], {}
    for at, label in enumerate(labels):
        hits = int(((answer == at) & (truth == at)).sum())
        called, real = int((answer == at).sum()), int((truth == at).sum())
        if called + real == 0:
            # As scikit-learn: a label that neither occurs nor is answered has no say in the mean.
            continue
        f1.append(2 * hits / (called + real))
        support.append(real)
        if real:
            recall[label] = hits / real
    return Measures(
        n=len(truth),
        accuracy=float((answer == truth).mean()),
        macro_f1=float(np.mean(f1)),
        weighted_f1=float(np.average(f1, weights=support)),
        recall=recall,
        ece=calibration_error(truth, probabilities),
    )


def calibration_error(truth: Ints, probabilities: Floats, bins: int = 15) -> float:
    """Return the expected calibration error: the mean over equal bins of |accuracy − confidence|, weighted by size.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    if len(truth) == 0:
        return 0.0
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(right[place == b].mean() - confidence[place == b].mean()) * (place == b).mean() for b in np.unique(place)
    ]
    return float(np.sum(gaps))
