"""The measures of invariance: how many labels flip under each kind of swap, and mean polarity by country and sector."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models import Item, Prediction
from models.invariance.frames import KINDS, Frame, Pair, filled, frames, names, pairs

__all__ = ["MOST", "Flips", "Invariance", "Spread", "gate", "report"]

MOST = 0.02
"""At most this share of labels may flip under any kind of swap."""


class Answers(Protocol):
    """What is needed of a scorer."""

    model_version: str
    abstain_below: float

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        """Return predictions for items in their order."""
        ...


@dataclass(frozen=True)
class Flips:
    """How often the label changed under one kind of swap.

    `flips`: the likeliest sentiment is another; `sure`: of these, both answers above the limit of abstention, so that
    a reader saw one sentiment become another; `shift`: mean absolute change of polarity.
    """

    kind: str
    pairs: int
    flips: int
    sure: int
    shift: float

    @property
    def rate(self) -> float:
        """Share of pairs that flip."""
        return self.flips / self.pairs if self.pairs else 0.0


@dataclass(frozen=True)
class Spread:
    """Mean polarity of neutral sentences by what fills one place. `range`: highest minus lowest; `sd`: of the means."""

    place: str
    sentences: int
    means: dict[str, float]
    range: float
    sd: float


@dataclass(frozen=True)
class Invariance:
    """All measures of a model. `right`: share of the unswapped sentences that get the label they were written for."""

    model_version: str
    sentences: int
    right: float
    flips: tuple[Flips, ...]
    spreads: tuple[Spread, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name, each kind with its rate."""
        raw = asdict(self)
        raw["flips"] = {one.kind: {**asdict(one), "rate": round(one.rate, 5)} for one in self.flips}
        raw["spreads"] = {one.place: asdict(one) for one in self.spreads}
        return raw


def report(scorer: Answers, progress: Callable[[int], None] | None = None) -> Invariance:
    """Measure a scorer on the shipped sentences. A pure function of its answers; scores each distinct text once."""
    every = frames()
    found = [pair for kind in KINDS for pair in pairs(every, kind)]
    neutral = [frame for frame in every if frame.sentiment == "neutral"]
    bias = {place: [frame for frame in neutral if place in frame.places] for place in ("country", "sector", "company")}
    items = {Item(filled(frame)) for frame in every}
    for pair in found:
        items |= {Item(pair.text, pair.entity_text), Item(pair.variant, pair.entity_variant)}
    for place, among in bias.items():
        items |= {Item(filled(frame, {place: name})) for frame in among for name in names()[place]}
    order = sorted(items, key=lambda item: (item.text, item.entity or ""))
    answers = dict(zip(order, scorer.score(order, progress).sentiment.astype(float), strict=True))
    labels = ("negative", "neutral", "positive")
    right = np.mean([labels[int(answers[Item(filled(one))].argmax())] == one.sentiment for one in every])
    return Invariance(
        scorer.model_version,
        len(every),
        float(right),
        tuple(
            _flips(kind, [pair for pair in found if pair.kind == kind], answers, scorer.abstain_below) for kind in KINDS
        ),
        tuple(_spread(place, among, answers) for place, among in bias.items()),
    )


def _flips(kind: str, found: Sequence[Pair], answers: dict[Item, NDArray[np.float64]], limit: float) -> Flips:
    first = np.array([answers[Item(pair.text, pair.entity_text)] for pair in found]).reshape(-1, 3)
    second = np.array([answers[Item(pair.variant, pair.entity_variant)] for pair in found]).reshape(-1, 3)
    flipped = first.argmax(1) != second.argmax(1)
    sure = flipped & (first.max(1) >= limit) & (second.max(1) >= limit)
    shift = np.abs((first[:, 2] - first[:, 0]) - (second[:, 2] - second[:, 0]))
    return Flips(kind, len(found), int(flipped.sum()), int(sure.sum()), float(shift.mean()) if len(found) else 0.0)


def _spread(place: str, among: Sequence[Frame], answers: dict[Item, NDArray[np.float64]]) -> Spread:
    means = {}
    for name in names()[place]:
        rows = np.array([answers[Item(filled(frame, {place: name}))] for frame in among])
        means[name] = float((rows[:, 2] - rows[:, 0]).mean())
    values = np.array(list(means.values()))
    return Spread(place, len(among), means, float(values.max() - values.min()), float(values.std()))


def gate(found: Invariance, most: float = MOST) -> list[str]:
    """Return a line for every kind of swap under which more labels flip than may; empty where the model passes."""
    return [
        f"swapping {one.kind}: {one.flips} of {one.pairs} labels flip ({one.rate:.1%}; at most {most:.0%})"
        for one in found.flips
        if one.rate > most
    ]
