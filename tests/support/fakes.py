"""Hand-written stand-ins for what lies outside: a scorer that reads words instead of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models import Item, Prediction

__all__ = ["WordScorer"]

BAD = ("bankrupt", "fraud", "plunge", "loss", "fine", "default", "probe", "slump", "fall")
GOOD = ("profit", "gain", "record", "raise", "win", "surge")


@dataclass
class WordScorer:
    """Negative where a bad word stands, positive where a good one does, else neutral; unsure about "maybe"."""

    model_version: str = "words@1"
    negative_limit: float = 0.5
    abstain_below: float = 0.5
    topics: tuple[str, ...] = ("Macro", "Earnings")
    asked: int = 0

    def score(self, items: Sequence[Item]) -> Prediction:
        """Probabilities in the order of `items`."""
        self.asked += len(items)
        sentiment = np.array([self._sentiment(item) for item in items], np.float32).reshape(-1, 3)
        topic = np.array([[0.2, 0.8] if "profit" in i.text.lower() else [0.9, 0.1] for i in items], np.float32)
        return Prediction(sentiment, topic.reshape(-1, 2), np.array([len(i.text) > 500 for i in items], bool))

    def _sentiment(self, item: Item) -> tuple[float, float, float]:
        text = item.text.lower()
        if "maybe" in text:
            return 0.34, 0.33, 0.33
        if any(word in text for word in BAD):
            return 0.9, 0.06, 0.04
        return (0.04, 0.06, 0.9) if any(word in text for word in GOOD) else (0.05, 0.9, 0.05)
