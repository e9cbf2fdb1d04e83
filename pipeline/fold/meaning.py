"""What a sentence encoder says of two texts: how near they come as wholes and word by word. Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.fold.lexicon import lexicon

__all__ = ["Likeness", "Meaning", "Reading", "View", "meaning"]


class View(Protocol):
    """A text as one encoder sees it: `whole` (width,) and `words` (tokens, width), all of length 1."""

    @property
    def whole(self) -> NDArray[np.float32]: ...
    @property
    def words(self) -> NDArray[np.float16]: ...


class Reading(Protocol):
    """A text's tokens, and its views by the encoder as published and as adapted to tell events apart."""

    @property
    def tokens(self) -> Sequence[str]: ...
    @property
    def published(self) -> View: ...
    @property
    def adapted(self) -> View: ...


class Likeness(NamedTuple):
    """How alike two texts are to one encoder, each 0 to 1: the cosine of the wholes; of the words that only one has,
    how near the nearest such word of the other comes on average (the side where it is less, and more) and at best; the
    same for all words but the names both share (`least`, `most`), and the cosine of those words' means."""

    whole: float
    less: float
    more: float
    best: float
    least: float
    most: float
    mean: float


class Meaning(NamedTuple):
    """Two texts compared: by both encoders, and the share of words that only one has (less, and more)."""

    published: Likeness
    adapted: Likeness
    own_less: float
    own_more: float


def meaning(a: Reading, b: Reading, names: Set[str]) -> Meaning:
    """Compare two readings; `names` are those that both texts share."""
    mine, theirs = _content(a.tokens), _content(b.tokens)
    # As written: that the nearest word is a synonym is evidence too, and is lost where both are brought to one form.
    said_a, said_b = set(a.tokens), set(b.tokens)
    own = _Which([word not in said_b for _, word in mine], [word not in said_a for _, word in theirs])
    rest = _Which([word not in names for _, word in mine], [word not in names for _, word in theirs])
    at = [at for at, _ in mine], [at for at, _ in theirs]
    shares = [sum(own.mine) / max(1, len(mine)), sum(own.theirs) / max(1, len(theirs))]
    return Meaning(
        _likeness(a.published, b.published, at, own, rest),
        _likeness(a.adapted, b.adapted, at, own, rest),
        min(shares),
        max(shares),
    )


class _Which(NamedTuple):
    """Which of two texts' words are meant."""

    mine: list[bool]
    theirs: list[bool]


def _likeness(a: View, b: View, at: tuple[list[int], list[int]], own: _Which, rest: _Which) -> Likeness:
    words_a, words_b = a.words[at[0]].astype(np.float32), b.words[at[1]].astype(np.float32)
    nearness = words_a @ words_b.T
    if any(own.mine) and any(own.theirs):
        owned = nearness[own.mine][:, own.theirs]
        averages, best = _averages(owned), float(owned.max())
    else:
        # One says no more than the other (1 where their words are the same).
        averages, best = ((1.0, 1.0), 1.0) if not any(own.mine) and not any(own.theirs) else ((0.5, 0.5), 0.5)
    if any(rest.mine) and any(rest.theirs):
        all_averages = _averages(nearness[rest.mine][:, rest.theirs])
        one, other = words_a[rest.mine].sum(0), words_b[rest.theirs].sum(0)
        mean = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    else:
        all_averages, mean = (0.5, 0.5), 0.5
    # Rounded, so that the last bits of a float sum decide nothing.
    said = (float(a.whole @ b.whole), *averages, best, *all_averages, mean)
    return Likeness(*(round(value, 3) for value in said))


def _averages(nearness: NDArray[np.float32]) -> tuple[float, float]:
    one, other = float(nearness.max(1).mean()), float(nearness.max(0).mean())
    return min(one, other), max(one, other)


def _content(tokens: Sequence[str]) -> list[tuple[int, str]]:
    stop = lexicon().stop
    return [
        (at, word) for at, word in enumerate(tokens) if word not in stop and len(word) > 1 and not word[0].isdigit()
    ]
