"""What a sentence encoder says of two texts: how near they come as wholes and word by word. Pure."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.fold.lexicon import lexicon

__all__ = ["Likeness", "Meaning", "Read", "Reading", "View", "meanings", "ready"]


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


@dataclass(frozen=True, slots=True)
class Read:
    """A reading made ready to be compared: its words that carry content, and their vectors (words, width)."""

    said: frozenset[str]
    words: tuple[str, ...]
    published: NDArray[np.float32]
    adapted: NDArray[np.float32]
    wholes: tuple[NDArray[np.float32], NDArray[np.float32]]


def ready(reading: Reading) -> Read:
    """Make a reading ready; done once, however many it is compared with."""
    stop = lexicon().stop
    at = [
        at
        for at, word in enumerate(reading.tokens)
        if word not in stop and len(word) > 1 and not word[0].isdigit()
    ]  # fmt: skip
    published, adapted = reading.published, reading.adapted
    return Read(
        frozenset(reading.tokens),
        tuple(reading.tokens[i] for i in at),
        published.words[at].astype(np.float32),
        adapted.words[at].astype(np.float32),
        (published.whole, adapted.whole),
    )


def meanings(a: Read, others: Sequence[Read], names: Sequence[Set[str]]) -> list[Meaning]:
    """Compare one text with each of some others; `names` are those that it shares with each."""
    spans = _Spans([len(b.words) for b in others])
    # As written: that the nearest word is a synonym is evidence too, and is lost where both are brought to one form.
    own = _Which(
        np.array([[word not in b.said for word in a.words] for b in others], dtype=bool).reshape(len(others), -1),
        spans.padded([word not in a.said for b in others for word in b.words]),
    )
    rest = _Which(
        np.array([[word not in shared for word in a.words] for shared in names], dtype=bool).reshape(len(others), -1),
        spans.padded([word not in shared for b, shared in zip(others, names, strict=True) for word in b.words]),
    )
    views = [
        _likeness(mine, np.concatenate([b.published if n == 0 else b.adapted for b in others]), spans, own, rest, [
            float(a.wholes[n] @ b.wholes[n]) for b in others
        ])
        for n, mine in enumerate((a.published, a.adapted))
    ]  # fmt: skip
    shares = zip(own.mine.sum(1) / max(1, len(a.words)), own.theirs.sum(1) / np.maximum(1, spans.lengths), strict=True)
    return [
        Meaning(published, adapted, float(min(share)), float(max(share)))
        for published, adapted, share in zip(*views, shares, strict=True)
    ]


class _Spans:
    """Where the words of each of several texts stand among all, one text after another."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = np.array(lengths)
        self.stands = np.arange(max(1, *lengths, 1)) < self.lengths[:, None]
        starts = np.cumsum(self.lengths) - self.lengths
        self.at = np.where(self.stands, starts[:, None] + np.arange(self.stands.shape[1]), 0)

    def padded(self, flags: Sequence[bool]) -> NDArray[np.bool_]:
        """(texts, longest) of a flag per word; False where no word stands."""
        found = np.zeros(self.stands.shape, dtype=bool)
        found[self.stands] = flags
        return found


class _Which(NamedTuple):
    """Which of a text's words (others, words), and of the others' (others, longest), are meant."""

    mine: NDArray[np.bool_]
    theirs: NDArray[np.bool_]


def _likeness(
    mine: NDArray[np.float32],
    theirs: NDArray[np.float32],
    spans: _Spans,
    own: _Which,
    rest: _Which,
    wholes: Sequence[float],
) -> list[Likeness]:
    if not len(mine) or not len(theirs):
        nothing = np.full((len(wholes), 3), 0.5)
        nothing[~own.mine.any(1) & ~own.theirs.any(1)] = 1.0
        said = np.column_stack([wholes, nothing, np.full((len(wholes), 3), 0.5)])
        return [Likeness(*row) for row in said.round(3).tolist()]
    nearness = (mine @ theirs.T)[:, spans.at].transpose(1, 0, 2)  # others, words, longest
    owned, best = _averages(nearness, own)
    # One says no more than the other (1 where their words are the same).
    alone = ~(own.mine.any(1) & own.theirs.any(1))
    said_alone = np.where(own.mine.any(1) | own.theirs.any(1), 0.5, 1.0)
    owned[alone], best[alone] = said_alone[alone, None], said_alone[alone]
    averages, _ = _averages(nearness, rest)
    one = rest.mine.astype(np.float32) @ mine
    flags = np.zeros((len(wholes), len(theirs)), dtype=np.float32)
    flags[np.nonzero(spans.stands)[0], np.arange(len(theirs))] = rest.theirs[spans.stands]
    other = flags @ theirs
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    nothing_left = ~(rest.mine.any(1) & rest.theirs.any(1))
    mean = (one * other).sum(1) / np.where(nothing_left, 1.0, lengths)
    averages[nothing_left], mean[nothing_left] = 0.5, 0.5
    # Rounded, so that the last bits of a float sum decide nothing.
    said = np.column_stack([wholes, owned, best, averages, mean]).astype(np.float64)
    return [Likeness(*row) for row in said.round(3).tolist()]


def _averages(nearness: NDArray[np.float32], which: _Which) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(others, 2): how near the nearest word comes on average, less and more; and how near at best (others,)."""
    far = np.float32(-2.0)
    kept = np.where(which.mine[:, :, None] & which.theirs[:, None, :], nearness, far)
    mine, theirs = kept.max(2), kept.max(1)
    averages = np.stack([
        np.where(flags, near, 0).sum(1) / np.maximum(1, flags.sum(1))
        for near, flags in ((mine, which.mine), (theirs, which.theirs))
    ], 1)  # fmt: skip
    averages.sort(1)
    return averages.astype(np.float32), mine.max(1)
