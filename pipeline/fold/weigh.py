"""Whether two headlines tell one event: evidence weighed, two sentence encoders' among it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.fold.against import other_matter
from pipeline.fold.lexicon import lexicon
from pipeline.fold.meaning import Meaning
from pipeline.fold.places import agree
from pipeline.fold.records import Article, Reason
from pipeline.fold.text import Gist, opposed

__all__ = ["Evidence", "Weights", "beyond", "evidence", "score", "shared_names"]

_DAY = 86_400.0


class Evidence(NamedTuple):
    """What is weighed, each 0 to 1 or nearly so. The first are `Meaning`'s: of the published encoder, then of the
    adapted one."""

    whole: float
    less: float
    more: float
    best: float
    least: float
    most: float
    mean: float
    adapted_whole: float
    adapted_less: float
    adapted_more: float
    adapted_best: float
    adapted_least: float
    adapted_most: float
    adapted_mean: float
    own_less: float
    own_more: float
    words: float
    shared_words: float
    shared_figures: float
    one_has_figures: float
    shared_entities: float
    unshared_names: float
    other_names: float
    single_event: float
    same_kind: float
    other_kind: float
    other_thing: float
    loosely_other_thing: float
    same_thing: float
    one_names_thing: float
    same_place: float
    one_names_place: float
    denied: float
    expected: float
    both_expected: float
    reversed: float
    other_stage: float
    same_stage: float
    summaries: float
    hours_apart: float
    shorter: float
    longer_by: float
    capitals: float


class Weights(NamedTuple):
    """Of each piece of evidence its mean and deviation, its weight, and its weight times each (`pairs`, symmetric);
    `limit` is what the sum must reach."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    single: NDArray[np.float64]
    pairs: NDArray[np.float64]
    limit: float


@cache
def _shipped() -> Weights:
    """Fitted by `python -m tests.benchmarks.fit_folding` on pairs written for that and the tuning half."""
    raw = json.loads(Path(__file__).with_name("weights.json").read_text(encoding="utf-8"))
    names = Evidence._fields
    mean, deviation, single = (
        np.array([raw[part][name] for name in names]) for part in ("mean", "deviation", "single")
    )
    pairs = np.zeros((len(names), len(names)))
    for i, name in enumerate(names):
        pairs[i, i:] = raw["pairs"][name]
    return Weights(mean, deviation, single, (pairs + pairs.T) / 2, float(raw["limit"]))


def shared_names(a: Gist, b: Gist) -> frozenset[str]:
    """Words that both titles use as names: capitalised, or first."""
    return _names(a) & _names(b)


def evidence(article: Article, other: Article, alike: float, seen: Meaning) -> Evidence:
    """The evidence on two articles that no other company, figure, period or place speaks against; `alike` of their
    titles' words."""
    mine, theirs = article.gist, other.gist
    figures = mine.numbers & theirs.numbers
    names = 0
    if mine.names is not None and theirs.names is not None:
        names = min(len((mine.names & mine.words) - theirs.words), len((theirs.names & theirs.words) - mine.words), 2)
    both = len(mine.summary & theirs.summary)
    same_kind, other_kind = _kinds(mine.words, theirs.words)
    other_thing, loosely, same_thing, one_names_thing = _things(mine, theirs)
    shorter, longer = sorted((len(mine.words), len(theirs.words)))
    return Evidence(
        *seen.published,
        *seen.adapted,
        own_less=seen.own_less,
        own_more=seen.own_more,
        words=alike,
        shared_words=min(len((mine.words & theirs.words) - figures), 5) / 5,
        shared_figures=min(len(figures), 2) / 2,
        one_has_figures=float(bool(mine.numbers) != bool(theirs.numbers)),
        shared_entities=float(bool(article.entities & other.entities)),
        unshared_names=names / 2,
        other_names=float(other_matter(article, other) is Reason.OTHER_NAMES),
        single_event=float(mine.singles != theirs.singles),
        same_kind=same_kind,
        other_kind=other_kind,
        other_thing=other_thing,
        loosely_other_thing=loosely,
        same_thing=same_thing,
        one_names_thing=one_names_thing,
        same_place=float(agree(mine.places, theirs.places)),
        one_names_place=float(bool(mine.places) != bool(theirs.places)),
        denied=float(mine.denial != theirs.denial),
        expected=float(mine.ahead != theirs.ahead),
        both_expected=float(mine.ahead and theirs.ahead),
        reversed=float(opposed(mine, theirs)),
        other_stage=float(mine.stages != theirs.stages),
        same_stage=float(bool(mine.stages) and mine.stages == theirs.stages),
        summaries=both / min(len(mine.summary), len(theirs.summary)) if both else 0.0,
        hours_apart=min(abs((article.happened_at - other.happened_at).total_seconds()) / _DAY, 1.0),
        shorter=min(shorter, 20) / 10,
        longer_by=min(longer - shorter, 20) / 10,
        capitals=float(mine.names is None or theirs.names is None),
    )


def score(seen: Evidence, weights: Weights) -> float:
    """The weighed sum: each piece by itself and times each other."""
    z = (np.array(seen) - weights.mean) / weights.deviation
    return float(z @ weights.single + z @ weights.pairs @ z)


def beyond(seen: Evidence) -> float:
    """By how much the weighed sum passes the limit (log odds); negative where it does not."""
    weights = _shipped()
    # Rounded, so that the last bits of a float sum decide nothing.
    return round(score(seen, weights) - weights.limit, 6)


def _names(gist: Gist) -> frozenset[str]:
    return ((gist.names or frozenset()) | {gist.lead}) & gist.words


def _things(mine: Gist, theirs: Gist) -> tuple[float, float, float, float]:
    """Of how many classes both name a member and it is another (of classes that tell events apart, and of loose ones),
    or the same; and of how many only one names any."""
    loose = lexicon().loose
    a, b = ({kind for kind, _ in gist.things} for gist in (mine, theirs))
    same = {kind for kind, _ in mine.things & theirs.things}
    other = (a & b) - same
    return (
        min(len(other - loose), 2) / 2,
        min(len(other & loose), 2) / 2,
        min(len(same), 3) / 3,
        min(len(a ^ b), 4) / 4,
    )


def _kinds(mine: frozenset[str], theirs: frozenset[str]) -> tuple[float, float]:
    """How far two sets of words tell events of one kind, and whether they tell events of different kinds."""
    known = lexicon().kinds
    a = {kind for word in mine for kind in known.get(word, ())}
    b = {kind for word in theirs for kind in known.get(word, ())}
    if not a or not b:
        return 0.0, 0.0
    return len(a & b) / min(len(a), len(b)), float(not a & b)
