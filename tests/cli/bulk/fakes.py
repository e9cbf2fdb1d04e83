"""A scorer for files: no network, and answers that tell with how many other texts a text was asked."""

from __future__ import annotations

import os
import signal
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from models import Item, Prediction


class CountingScorer:
    """Sentiment from the text, moved a little by the size of the call, as batches move the last bits of a real one.

    `dies_at`: the call, from 1, in which the process kills itself.
    """

    model_version = "counting@1"
    abstain_below = 0.4
    topics = ("Macro", "IPO")

    def __init__(self, dies_at: int = 0) -> None:
        self.calls: list[list[Item]] = []
        self.dies_at = dies_at

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        self.calls.append(list(items))
        if len(self.calls) == self.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)
        draws = np.array([zlib.crc32(f"{item.text}|{item.entity}".encode()) / 2**32 for item in items])
        negative = 0.6 + 0.3 * draws + len(items) * 1e-5
        sentiment = np.stack([negative, (1 - negative) / 2, (1 - negative) / 2], 1).astype(np.float32)
        topic = np.tile(np.array([[0.75, 0.25]], dtype=np.float32), (len(items), 1))
        if progress is not None:
            progress(len(items))
        return Prediction(sentiment, topic, np.zeros(len(items), dtype=np.bool_))
