"""The model: reads a text (and optionally one entity in it), gives sentiment and topic.

Knows nothing of the pipeline.
Importing this package is cheap: torch and transformers load only when a scorer is loaded or a training starts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEFAULT", "SENTIMENTS", "Item", "Prediction"]

SENTIMENTS: tuple[str, str, str] = ("negative", "neutral", "positive")
"""Order of the sentiment columns everywhere: heads, predictions, calibration."""

DEFAULT = "barograph-minilm-3"
"""Name of the artifact shipped with the source."""


@dataclass(frozen=True)
class Item:
    """One text to score, as a whole or, with `entity` (its name as written there), towards that entity."""

    text: str
    entity: str | None = None


@dataclass(frozen=True)
class Prediction:
    """Answers for n items, in their order.

    `sentiment`: (n, 3) calibrated probabilities in the order of SENTIMENTS; `topic`: (n, topics) in the order of the
    scorer's `topics`; `truncated`: (n,), True where a text was too long and its end was not read.
    """

    sentiment: NDArray[np.float32]
    topic: NDArray[np.float32]
    truncated: NDArray[np.bool_]
