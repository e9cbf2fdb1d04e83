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
    own = [at for at, word in mine if word not in said_b], [at for at, word in theirs if word not in said_a]
    rest = [at for at, word in mine if word not in names], [at for at, word in theirs if word not in names]
    shares = [len(own[0]) / max(1, len(mine)), len(own[1]) / max(1, len(theirs))]
    return Meaning(
        _likeness(a.published, b.published, own, rest),
        _likeness(a.adapted, b.adapted, own, rest),
        min(shares),
        max(shares),
    )


def _likeness(a: View, b: View, own: tuple[list[int], list[int]], rest: tuple[list[int], list[int]]) -> Likeness:
    if own[0] and own[1]:
        nearness = _nearness(a, b, own)
        averages, best = _averages(nearness), float(nearness.max())
    else:
        # One says no more than the other (1 where their words are the same).
        averages, best = ((1.0, 1.0), 1.0) if not own[0] and not own[1] else ((0.5, 0.5), 0.5)
    if rest[0] and rest[1]:
        all_averages = _averages(_nearness(a, b, rest))
        one, other = (view.words[at].astype(np.float32).mean(0) for view, at in ((a, rest[0]), (b, rest[1])))
        mean = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    else:
        all_averages, mean = (0.5, 0.5), 0.5
    # Rounded, so that the last bits of a float sum decide nothing.
    said = (float(a.whole @ b.whole), *averages, best, *all_averages, mean)
    return Likeness(*(round(value, 3) for value in said))


def _nearness(a: View, b: View, at: tuple[list[int], list[int]]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = a.words[at[0]].astype(np.float32) @ b.words[at[1]].astype(np.float32).T
    return found


def _averages(nearness: NDArray[np.float32]) -> tuple[float, float]:
    one, other = float(nearness.max(1).mean()), float(nearness.max(0).mean())
    return min(one, other), max(one, other)


def _content(tokens: Sequence[str]) -> list[tuple[int, str]]:
    stop = lexicon().stop
    return [
        (at, word) for at, word in enumerate(tokens) if word not in stop and len(word) > 1 and not word[0].isdigit()
    ]
