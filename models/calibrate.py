"""Calibration on held-out rows: a temperature per head, the limit of "negative", when to abstain."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from models.errors import WeightsCorrupt

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities to act on.

    `temperature_*`: divide the logits by it; `negative_limit`: at or above this p_negative a story counts as negative;
    `abstain_below`: under this highest sentiment probability no sentiment is claimed; `bf16_agreement`: share of
    held-out rows whose labels stay the same in bf16, or None where not measured (then bf16 is never used).
    """

    temperature_sentiment: float = 1.0
    temperature_topic: float = 1.0
    negative_limit: float = 0.5
    abstain_below: float = 0.4
    bf16_agreement: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return the fields by name."""
        return asdict(self)

    @staticmethod
    def from_json(raw: Mapping[str, float | None]) -> "Calibration":
        """Read the fields; raise WeightsCorrupt where one is missing, strange or out of range."""
        try:
            found = Calibration(**raw)  # type: ignore[arg-type]
            numbers = (found.temperature_sentiment, found.temperature_topic, found.negative_limit, found.abstain_below)
            sound = all(np.isfinite(numbers)) and min(numbers[:2]) > 0 and all(0 < limit < 1 for limit in numbers[2:])
        except TypeError:
            sound = False
        if not sound:
            raise WeightsCorrupt(
                "calibration.json is incomplete or out of range; restore the artifact or train it again"
            )
        return found


def temperature(logits: Floats, truth: Ints) -> float:
    """Return the temperature that makes the true labels most likely; 1 where rows are few.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if len(truth) < _FEWEST_ROWS:
        return 1.0
    rows = np.arange(len(truth))

    def surprise(log_t: float) -> float:
        return -float(log_softmax(logits / np.exp(log_t), axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded").x))


def probabilities(logits: Floats, temp: float) -> NDArray[np.float32]:
    """Return the softmax of logits over a temperature, in float32."""
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temp, axis=1), dtype=np.float32)


def negative_limit(p_negative: Floats, negative: NDArray[np.bool_]) -> float:
    """Return the limit, from .4 to .7, with the best F1 for "negative"; of equals the one nearest to .5.

    Not lower, whatever F1 says: an alert must not rest on stories that are more likely something else.
    """
    if negative.sum() < _FEWEST_ROWS:
        return 0.5
    grid = np.round(np.arange(0.40, 0.701, 0.01), 2)

    def worth(limit: float) -> tuple[float, float]:
        called = p_negative >= limit
        return 2 * float((called & negative).sum()) / float(called.sum() + negative.sum()), -abs(limit - 0.5)

    return float(max(grid, key=worth))


def abstain_below(sentiment: Floats, truth: Ints) -> float:
    """Return the highest confidence, from .40 to .50, under which answers are right less than half the time."""
    confidence, right = sentiment.max(1), sentiment.argmax(1) == truth
    limit = 0.40
    for candidate in np.round(np.arange(0.42, 0.501, 0.02), 2):
        under = confidence < candidate
        if under.sum() >= _FEWEST_ROWS and right[under].mean() < 0.5:
            limit = float(candidate)
    return limit
