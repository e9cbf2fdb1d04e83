"""An encoder that need not read again what it read a moment ago: who names the same is compared in pass after pass."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from pipeline.fold.folding import Embedder
from pipeline.fold.meaning import Reading

__all__ = ["TEXTS", "Remembering"]

TEXTS = 8_192
"""So many texts are remembered, the last asked for: a headline takes some 25 kB."""


class Remembering:
    """Answers as `embedder` does, which it asks for what it does not remember. Not for several threads at once."""

    def __init__(self, embedder: Embedder, texts: int = TEXTS) -> None:
        self._embedder = embedder
        self._texts = texts
        self._read: OrderedDict[str, Reading] = OrderedDict()

    def read(self, texts: Sequence[str]) -> Sequence[Reading]:
        """Readings, in the order of the texts."""
        unread = sorted(set(texts) - self._read.keys())
        if unread:
            self._read.update(zip(unread, self._embedder.read(unread), strict=True))
        for text in texts:
            self._read.move_to_end(text)
        found = [self._read[text] for text in texts]
        while len(self._read) > self._texts:
            self._read.popitem(last=False)
        return found
