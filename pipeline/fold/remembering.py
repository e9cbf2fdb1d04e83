"""An encoder that need not read again what it read a moment ago: who names the same is compared in pass after pass."""

from __future__ import annotations

from collections.abc import Sequence

from cachetools import LRUCache

from pipeline.fold.folding import Embedder
from pipeline.fold.meaning import Reading

__all__ = ["TEXTS", "Remembering"]

TEXTS = 8_192
"""So many texts are remembered, the last asked for: a headline takes some 25 kB."""


class Remembering:
    """Answers as `embedder` does, which it asks for what it does not remember. Not for several threads at once."""

    def __init__(self, embedder: Embedder, texts: int = TEXTS) -> None:
        self._embedder = embedder
        self._read: LRUCache[str, Reading] = LRUCache(texts)

    def read(self, texts: Sequence[str]) -> Sequence[Reading]:
        """Readings, in the order of the texts."""
        found = {text: self._read[text] for text in texts if text in self._read}
        if unread := sorted(set(texts) - found.keys()):
            found.update(zip(unread, self._embedder.read(unread), strict=True))
        self._read.update(found)
        return [found[text] for text in texts]
