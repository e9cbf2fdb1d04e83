"""Whether two headlines of few common words tell one event: evidence weighed, a sentence encoder's among it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.fold.lexicon import lexicon

if TYPE_CHECKING:
    from pipeline.fold.compare import Article

__all__ = ["LIMIT", "WEIGHTS", "Evidence", "Meaning", "Reading", "evidence", "meaning", "same_event"]


class Reading(Protocol):
    """What an encoder makes of a text: `whole` (width,), `tokens`, and `vectors` (tokens, width), all of length 1."""

    @property
    def whole(self) -> NDArray[np.float32]: ...
    @property
    def tokens(self) -> Sequence[str]: ...
    @property
    def vectors(self) -> NDArray[np.float16]: ...


class Meaning(NamedTuple):
    """What an encoder says of two texts, each 0 to 1: the cosine of the `whole`; then, of the words that only one has,
    how near the nearest such word of the other comes on average (the side where it is less, and more) and at best;
    and the share of words that only one has (less, and more)."""

    whole: float
    less: float
    more: float
    best: float
    own_less: float
    own_more: float


class Evidence(NamedTuple):
    """What is weighed, each 0 to 1; the first six are `Meaning`'s."""

    whole: float
    less: float
    more: float
    best: float
    own_less: float
    own_more: float
    words: float
    shared_words: float
    shared_figures: float
    shared_entities: float
    unshared_names: float
    single_event: float
    same_kind: float
    other_kind: float
    summaries: float
    hours_apart: float


# Fitted on the tuning half of the labelled pairs and on pairs of strangers from the demo's stream (python -m
# tests.benchmarks.fit_folding). The limit stands .25 over even odds: in a stream nearly all pairs are strangers.
WEIGHTS = Evidence(
    whole=1.18,
    less=4.05,
    more=6.51,
    best=1.58,
    own_less=-2.06,
    own_more=0.13,
    words=0.01,
    shared_words=0.23,
    shared_figures=1.85,
    shared_entities=0.84,
    unshared_names=-2.77,
    single_event=-0.73,
    same_kind=1.92,
    other_kind=-0.07,
    summaries=-1.16,
    hours_apart=-2.40,
)
LIMIT = 5.69

_DAY = 86_400.0


def meaning(a: Reading, b: Reading) -> Meaning:
    """Compare two readings, word by word: what differs in the words may still be the same in meaning."""
    mine, theirs = _content(a.tokens), _content(b.tokens)
    # As written: that the nearest word is a synonym is evidence too, and is lost where both are brought to one form.
    said_a, said_b = set(a.tokens), set(b.tokens)
    own_a = [at for at, word in mine if word not in said_b]
    own_b = [at for at, word in theirs if word not in said_a]
    whole = float(a.whole @ b.whole)
    shares = [len(own_a) / max(1, len(mine)), len(own_b) / max(1, len(theirs))]
    if own_a and own_b:
        nearness = a.vectors[own_a].astype(np.float32) @ b.vectors[own_b].astype(np.float32).T
        averages = [float(nearness.max(1).mean()), float(nearness.max(0).mean())]
        best = float(nearness.max())
    else:
        # One says no more than the other (1 where their words are the same).
        averages, best = ([1.0, 1.0], 1.0) if not own_a and not own_b else ([0.5, 0.5], 0.5)
    return Meaning(whole, min(averages), max(averages), best, min(shares), max(shares))


def evidence(article: Article, other: Article, alike: float, seen: Meaning) -> Evidence:
    """The evidence on two articles that nothing speaks against; `alike` of their titles' words."""
    mine, theirs = article.gist, other.gist
    figures = mine.numbers & theirs.numbers
    names = 0
    if mine.names is not None and theirs.names is not None:
        names = min(len((mine.names & mine.words) - theirs.words), len((theirs.names & theirs.words) - mine.words), 2)
    both = len(mine.summary & theirs.summary)
    same_kind, other_kind = _kinds(mine.words, theirs.words)
    # Rounded, so that the last bits of a float sum decide nothing.
    return Evidence(
        whole=round(seen.whole, 3),
        less=round(seen.less, 3),
        more=round(seen.more, 3),
        best=round(seen.best, 3),
        own_less=seen.own_less,
        own_more=seen.own_more,
        words=alike,
        shared_words=min(len((mine.words & theirs.words) - figures), 5) / 5,
        shared_figures=min(len(figures), 2) / 2,
        shared_entities=float(bool(article.entities & other.entities)),
        unshared_names=names / 2,
        single_event=float(bool((mine.words ^ theirs.words) & lexicon().single)),
        same_kind=same_kind,
        other_kind=other_kind,
        summaries=both / min(len(mine.summary), len(theirs.summary)) if both else 0.0,
        hours_apart=min(abs((article.happened_at - other.happened_at).total_seconds()) / _DAY, 1.0),
    )


def same_event(seen: Evidence) -> bool:
    """Whether the weighed sum passes the limit."""
    return sum(w * x for w, x in zip(WEIGHTS, seen, strict=True)) >= LIMIT


def _content(tokens: Sequence[str]) -> list[tuple[int, str]]:
    stop = lexicon().stop
    return [
        (at, word) for at, word in enumerate(tokens) if word not in stop and len(word) > 1 and not word[0].isdigit()
    ]


def _kinds(mine: frozenset[str], theirs: frozenset[str]) -> tuple[float, float]:
    """How far two sets of words tell events of one kind, and whether they tell events of different kinds."""
    known = lexicon().kinds
    a = {kind for word in mine for kind in known.get(word, ())}
    b = {kind for word in theirs for kind in known.get(word, ())}
    if not a or not b:
        return 0.0, 0.0
    return len(a & b) / min(len(a), len(b)), float(not a & b)
