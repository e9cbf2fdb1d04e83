"""Calibration on held-out rows: temperatures, a bias per kind of text, and the limits chosen after it.

Pure functions over logits or probabilities (n, labels) and true indices (n,). Fit on held-out slices of the train sets
only; `weights_of` gives the rows of one kind, news first of all, their share of the say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, softmax

from models import SENTIMENTS
from models.errors import WeightsCorrupt
from models.limits import CoverageCurve, abstain_below, coverage_curve, negative_limit
from models.reading import is_post

__all__ = [
    "NEWS_FIRST",
    "Calibration",
    "CoverageCurve",
    "Floats",
    "HeldOut",
    "Ints",
    "Kind",
    "Scaling",
    "abstain_below",
    "coverage_curve",
    "fit",
    "held_back",
    "kind_of",
    "negative_limit",
    "probabilities",
    "scaling",
    "temperature",
    "weights_of",
]

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
_FEWEST_ROWS = 20
_FEWEST_OF_A_KIND = 100
_PRIOR = 5.0


class Kind(StrEnum):
    """What kind of question a row is: the sets disagree about neutral, and so does the network between them."""

    NEWS = "news"
    ENTITY = "entity"
    POSTS = "posts"


def kind_of(text: str, entity: str | None) -> Kind:
    """Return what kind of question a text as it arrived is: towards an entity, else of a post or of a headline."""
    if entity:
        return Kind.ENTITY
    return Kind.POSTS if is_post(text) else Kind.NEWS


NEWS_FIRST: Mapping[str, float] = {Kind.NEWS: 0.6, Kind.ENTITY: 0.3, Kind.POSTS: 0.1}
"""Each kind's share of the weight where limits are chosen: news is what the limits will meet."""


@dataclass(frozen=True)
class Scaling:
    """From logits to probabilities: softmax(logits / temperature + bias). `bias`: in the order of SENTIMENTS."""

    temperature: float
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the temperature, and the bias by its label."""
        return {"temperature": self.temperature, "bias": dict(zip(SENTIMENTS, self.bias, strict=True))}


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities to act on.

    `temperature_*`: divide the logits by it; `by_kind`: a scaling of its own for the sentiment of a kind of text, in
    place of `temperature_sentiment`, and `topic_by_kind` a temperature for its topic; `negative_limit`: over this
    p_negative a story counts as negative; `abstain_below`: under this highest sentiment probability no sentiment is
    claimed; `bf16_agreement`: share of held-out rows whose labels stay the same in bf16, or None where not measured
    (then bf16 is never used).
    """

    temperature_sentiment: float = 1.0
    temperature_topic: float = 1.0
    negative_limit: float = 0.5
    abstain_below: float = 0.4
    bf16_agreement: float | None = None
    by_kind: Mapping[str, Scaling] = field(default_factory=dict)
    topic_by_kind: Mapping[str, float] = field(default_factory=dict)

    def sentiment(self, logits: Floats, kinds: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return probabilities of sentiment logits (n, 3); `kinds` (n,): of each row, NEWS where not given."""
        scalings = [self._scaling(kind) for kind in kinds or [Kind.NEWS] * len(logits)]
        temperatures = np.array([scaling.temperature for scaling in scalings]).reshape(-1, 1)
        biases = np.array([scaling.bias for scaling in scalings]).reshape(-1, len(SENTIMENTS))
        return np.asarray(softmax(np.asarray(logits, float) / temperatures + biases, axis=1), dtype=np.float32)

    def topic(self, logits: Floats, kinds: Sequence[str] | None = None) -> NDArray[np.float32]:
        """Return probabilities of topic logits (n, topics); `kinds` (n,): of each text, NEWS where not given."""
        temperatures = [
            self.topic_by_kind.get(kind, self.temperature_topic) for kind in kinds or [Kind.NEWS] * len(logits)
        ]
        return probabilities(logits, np.array(temperatures).reshape(-1, 1))

    def _scaling(self, kind: str) -> Scaling:
        return self.by_kind.get(kind) or Scaling(self.temperature_sentiment)

    def to_json(self) -> dict[str, Any]:
        """Return the fields by name; those by kind only where there is one."""
        plain = {name: value for name, value in asdict(self).items() if name not in ("by_kind", "topic_by_kind")}
        sentiment = {str(kind): scaling.to_json() for kind, scaling in self.by_kind.items()}
        topic = {str(kind): value for kind, value in self.topic_by_kind.items()}
        return {
            **plain,
            **({"by_kind": sentiment} if sentiment else {}),
            **({"topic_by_kind": topic} if topic else {}),
        }

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> "Calibration":
        """Read the fields; raise WeightsCorrupt where one is missing, strange or out of range."""
        try:
            kinds = {str(Kind(kind)): _scaling(part) for kind, part in raw.get("by_kind", {}).items()}
            topics = {str(Kind(kind)): float(value) for kind, value in raw.get("topic_by_kind", {}).items()}
            found = Calibration(**{**raw, "by_kind": kinds, "topic_by_kind": topics})
            numbers = [found.temperature_sentiment, found.temperature_topic, found.negative_limit, found.abstain_below]
            temperatures = [*numbers[:2], *(scaling.temperature for scaling in kinds.values()), *topics.values()]
            biases = [value for scaling in kinds.values() for value in scaling.bias]
            sound = all(np.isfinite([*numbers, *temperatures, *biases])) and min(temperatures) > 0
            sound = sound and all(0 < limit < 1 for limit in numbers[2:])
        except (TypeError, ValueError, KeyError, AttributeError):
            sound = False
        if not sound:
            raise WeightsCorrupt(
                "calibration.json is incomplete or out of range; restore the artifact or train it again"
            )
        return found


def _scaling(raw: Mapping[str, Any]) -> Scaling:
    negative, neutral, positive = (float(raw["bias"][label]) for label in SENTIMENTS)
    return Scaling(float(raw["temperature"]), (negative, neutral, positive))


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows of one head: logits (n, labels), true indices (n,) and kinds (n,), where they are known.

    `weights` (n,): how much each row counts beside the others of its kind; None where all count alike.
    """

    logits: Floats
    truth: Ints
    kinds: tuple[str, ...] = ()
    weights: Floats | None = None

    def of(self, here: NDArray[np.bool_]) -> "HeldOut":
        """The rows at which `here` (n,) is true, without their kinds."""
        return HeldOut(
            self.logits[here], self.truth[here], weights=None if self.weights is None else self.weights[here]
        )


def fit(
    sentiment: HeldOut, topic: HeldOut, error_rate: float | None = None, shares: Mapping[str, float] = NEWS_FIRST
) -> Calibration:
    """Fit all at once: a scaling per kind with rows enough, temperatures, and limits in which news weighs most.

    `error_rate`: share of the answers that may be wrong; None keeps the rule "no worse than chance" for abstaining.
    """
    weights = weights_of(sentiment.kinds, shares)
    if sentiment.weights is not None:
        weights = weights * sentiment.weights
    plain = Calibration(
        round(temperature(sentiment.logits, sentiment.truth, weights), 4) if len(weights) else 1.0,
        round(temperature(topic.logits, topic.truth, topic.weights), 4),
        by_kind={kind: scaling(rows.logits, rows.truth, rows.weights) for kind, rows in _of_kinds(sentiment)},
        topic_by_kind={
            kind: round(temperature(rows.logits, rows.truth, rows.weights), 4) for kind, rows in _of_kinds(topic)
        },
    )
    if not len(weights):
        return plain
    p = plain.sentiment(sentiment.logits, sentiment.kinds)
    return replace(
        plain,
        negative_limit=negative_limit(p[:, 0], sentiment.truth == 0, weights),
        abstain_below=abstain_below(p, sentiment.truth, error_rate, weights),
    )


def _of_kinds(held: HeldOut) -> Iterator[tuple[str, HeldOut]]:
    """Each kind with rows enough for a scaling of its own, and its rows."""
    for kind in Kind:
        here = np.array([str(one) == kind for one in held.kinds], dtype=bool)
        if here.sum() >= _FEWEST_OF_A_KIND:
            yield str(kind), held.of(here)


def held_back(kinds: Sequence[str], some: Sequence[bool], most: float) -> Floats:
    """Return a weight per row (n,), under 1 for `some` where they would make more than the share `most` of a kind."""
    rows, some_of = np.array([str(kind) for kind in kinds]), np.array(some, dtype=bool)
    weights = np.ones(len(rows))
    for kind in set(rows):
        here = rows == kind
        few, others = here & some_of, int((here & ~some_of).sum())
        if few.any() and others:
            weights[few] = min(1.0, others * most / (1 - most) / few.sum())
    return weights


def weights_of(kinds: Sequence[str], shares: Mapping[str, float] = NEWS_FIRST) -> Floats:
    """Return a weight per row, with mean 1, by which each kind present has its share of the sum."""
    rows = np.array([str(kind) for kind in kinds])
    total = sum(share for kind, share in shares.items() if (rows == kind).any())
    weights = np.zeros(len(rows))
    for kind, share in shares.items():
        here = rows == kind
        if here.any():
            weights[here] = share / total * len(rows) / here.sum()
    return weights


def temperature(logits: Floats, truth: Ints, weights: Floats | None = None) -> float:
    """Return the temperature that makes the true labels most likely; 1 where rows are few.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    if len(truth) < _FEWEST_ROWS:
        return 1.0

    def surprise(log_t: float) -> float:
        return _surprise(logits / np.exp(log_t), truth, weights)

    return float(np.exp(minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded").x))


def scaling(logits: Floats, truth: Ints, weights: Floats | None = None, prior: float = _PRIOR) -> Scaling:
    """Return the temperature and bias that make the true sentiments most likely, the bias held small by a prior.

    `prior`: how many rows' worth of surprise a bias of 1 costs; where rows are few there is no scaling at all.
    Source: Guo et al. as above, "vector scaling", with one temperature for all labels.
    """
    if len(truth) < _FEWEST_ROWS:
        return Scaling(1.0)

    def surprise(x: Floats) -> float:
        return len(truth) * _surprise(logits / np.exp(x[0]) + x[1:], truth, weights) + prior * float(x[1:] @ x[1:])

    start = np.zeros(1 + logits.shape[1])
    found = minimize(surprise, start, method="L-BFGS-B", bounds=[(-2.0, 2.0), *[(-3.0, 3.0)] * logits.shape[1]]).x
    negative, neutral, positive = (round(float(value), 4) for value in found[1:])
    return Scaling(round(float(np.exp(found[0])), 4), (negative, neutral, positive))


def _surprise(scaled: Floats, truth: Ints, weights: Floats | None) -> float:
    likely = log_softmax(scaled, axis=1)[np.arange(len(truth)), truth]
    return -float(np.average(likely, weights=weights))


def probabilities(logits: Floats, temp: float | Floats) -> NDArray[np.float32]:
    """Return the softmax of logits over a temperature, of all rows or of each (n, 1), in float32."""
    return np.asarray(softmax(np.asarray(logits, dtype=np.float64) / temp, axis=1), dtype=np.float32)
