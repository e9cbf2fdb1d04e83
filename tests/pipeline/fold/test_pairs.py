"""The labelled pairs: what must never happen, and how well folding does on the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.fold.decide import Article, How, decide
from pipeline.fold.text import gist
from pipeline.fold.window import Window
from tests.pipeline.fold.pairs import PAIRS, Pair

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def _article(name: str, title: str, summary: str, companies: str, when: datetime) -> Article:
    return Article(name, "news", gist(title, summary), frozenset(filter(None, companies.split("|"))), when, when)


def folds(pair: Pair) -> bool:
    """Whether the second of the pair joins the story of the first, by the whole way an article goes."""
    first = _article("a", pair.a, pair.summary_a, pair.companies_a, NOON)
    second = _article("b", pair.b, pair.summary_b, pair.companies_b, NOON + timedelta(hours=pair.hours))
    window = Window()
    window.prepare([first, second])
    window.add(first, decide(first, window.candidates(first)).story_id)
    return decide(second, window.candidates(second)).how is not How.FIRST


def test_precision_and_recall_of_the_labelled_pairs() -> None:
    joined = [pair for pair in PAIRS if folds(pair)]
    same = [pair for pair in PAIRS if pair.same]
    precision = sum(pair.same for pair in joined) / len(joined)
    recall = sum(pair.same for pair in joined) / len(same)
    assert precision >= 0.97, [pair for pair in joined if not pair.same]
    assert recall >= 0.85, [pair for pair in same if pair not in joined]


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.case.startswith(("other company", "far", "reversal"))], ids=str)
def test_never_folds_across_companies_directions_or_weeks(pair: Pair) -> None:
    assert not folds(pair)


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.case == "reprint"], ids=str)
def test_reprints_always_fold(pair: Pair) -> None:
    assert folds(pair)
