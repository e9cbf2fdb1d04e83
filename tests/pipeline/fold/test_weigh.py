"""Readings compared word by word, and evidence weighed by what was fitted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.fold.meaning import Likeness, Meaning, meanings, ready
from pipeline.fold.records import Article
from pipeline.fold.text import gist
from pipeline.fold.weigh import Evidence, Weights, evidence, score, shared_names

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
_SAME = Likeness(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
# Three directions: the same word always points the same way, "plunge" and "slump" nearly so.
_VECTORS = {"holt": (1, 0, 0), "plunge": (0, 1, 0), "slump": (0, 0.96, 0.28), "opens": (0, 0, 1)}


@dataclass
class View:
    """What an encoder would say, by hand."""

    whole: NDArray[np.float32]
    words: NDArray[np.float16]


@dataclass
class Reading:
    """Tokens with the same view for both encoders."""

    tokens: tuple[str, ...]
    published: View
    adapted: View


def reading(text: str) -> Reading:
    words = np.array([_VECTORS[word] for word in text.split()], dtype=np.float16)
    mean = words.astype(np.float32).mean(0)
    view = View(mean / np.linalg.norm(mean), words)
    return Reading(tuple(text.split()), view, view)


def compared(a: Reading, b: Reading, names: frozenset[str]) -> Meaning:
    return meanings(ready(a), [ready(b)], [names])[0]


def article(title: str, *entities: str) -> Article:
    return Article(title, "news", gist(title, ""), frozenset(entities), NOON, NOON, frozenset(entities))


def seen(a: str, b: str) -> Evidence:
    return evidence(article(a, "co:holt"), article(b, "co:holt"), 0.5, Meaning(_SAME, _SAME, 0.0, 0.0))


def test_a_synonym_is_near_and_another_event_far() -> None:
    near = compared(reading("holt plunge"), reading("holt slump"), frozenset({"holt"}))
    far = compared(reading("holt plunge"), reading("holt opens"), frozenset({"holt"}))
    assert near.adapted.best == pytest.approx(0.96, abs=0.01)
    assert near.adapted.mean == pytest.approx(0.96, abs=0.01)
    assert far.adapted.best == pytest.approx(0.0, abs=0.01)
    assert near.own_less == near.own_more == 0.5


def test_the_same_words_are_as_near_as_can_be_and_nothing_left_says_nothing() -> None:
    same = compared(reading("holt plunge"), reading("plunge holt"), frozenset())
    assert same.published.less == same.published.best == same.published.least == pytest.approx(1.0, abs=0.01)
    only_name = compared(reading("holt"), reading("holt opens"), frozenset({"holt"}))
    assert only_name.published.less == only_name.published.least == 0.5


@given(st.lists(st.lists(st.sampled_from(sorted(_VECTORS)), min_size=1, max_size=4), min_size=2, max_size=6))
def test_many_compared_at_once_are_as_each_by_itself(texts: list[list[str]]) -> None:
    mine, *others = (reading(" ".join(words)) for words in texts)
    names = [frozenset({"holt"} if n % 2 else ()) for n in range(len(others))]
    at_once = meanings(ready(mine), list(map(ready, others)), names)
    assert at_once == [compared(mine, other, shared) for other, shared in zip(others, names, strict=True)]


def test_evidence_tells_what_patterns_and_classes_say() -> None:
    assert seen("Holt opens plant in Milan", "Italian plant opened by Holt").same_place == 1.0
    assert seen("Holt asthma pill approved", "Holt migraine pill approved").other_thing == 0.5
    assert seen("Holt sells vans to army", "Army buys Holt vans").same_thing > 0.0
    assert seen("Holt denies plan to sell Maar", "Holt plans to sell Maar").denied == 1.0
    assert seen("Holt may sell Maar", "Holt sells Maar").expected == 1.0
    assert seen("Holt strike ends", "Holt staff go back to work").same_stage == 1.0
    assert seen("Holt shares rise", "Holt shares fall").reversed == 1.0


def test_shared_names_are_names_in_both() -> None:
    assert shared_names(gist("Holt buys unit of Maar", ""), gist("Maar unit goes to Holt", "")) == {"holt", "maar"}
    assert shared_names(gist("Holt buys unit", ""), gist("Unit of Maar sold", "")) == frozenset()


@given(st.lists(st.floats(-2, 2), min_size=len(Evidence._fields), max_size=len(Evidence._fields)))
def test_the_sum_is_that_of_single_weights_and_pairs(values: list[float]) -> None:
    n = len(values)
    rows = np.arange(n * n, dtype=float).reshape(n, n) / n**2
    weights = Weights(np.full(n, 0.5), np.full(n, 2.0), np.linspace(-1, 1, n), (rows + rows.T) / 2, 0.0)
    z = [(value - 0.5) / 2 for value in values]
    single = sum(w * x for w, x in zip(weights.single, z, strict=True))
    pairs = sum(weights.pairs[i, j] * z[i] * z[j] for i in range(n) for j in range(n))
    assert score(Evidence(*values), weights) == pytest.approx(single + pairs, abs=1e-6)
