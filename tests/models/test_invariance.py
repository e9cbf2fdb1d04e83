"""Invariance: the swaps are what they say, and a scorer that hangs on a name, a country or a source is caught."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from models import SENTIMENTS, Item, Prediction
from models.invariance import Invariance, gate, report
from models.invariance.frames import KINDS, Frame, filled, frames, names, pairs

FOUND = frames()


@dataclass
class Sees:
    """Negative where one of its words stands, however it is written; else neutral."""

    words: tuple[str, ...]
    fold: bool = True
    model_version: str = "sees@1"
    abstain_below: float = 0.5

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        texts = [f"{item.text} {item.entity or ''}" for item in items]
        bad = [any(word in (text.lower() if self.fold else text) for word in self.words) for text in texts]
        sentiment = np.array([[0.8, 0.1, 0.1] if hit else [0.1, 0.8, 0.1] for hit in bad], np.float32)
        return Prediction(sentiment, np.ones((len(items), 1), np.float32), np.zeros(len(items), bool))


def rates(found: Invariance) -> dict[str, float]:
    return {one.kind: one.rate for one in found.flips}


def test_sentences_are_many_distinct_and_use_known_places() -> None:
    assert len(FOUND) >= 200
    assert len({frame.text for frame in FOUND}) == len(FOUND)
    assert {frame.sentiment for frame in FOUND} == set(SENTIMENTS)
    numbers = {"money", "pct", "count"}
    assert frozenset().union(*(frame.places for frame in FOUND)) <= set(names()) | numbers
    assert not any("{" in filled(frame) for frame in FOUND)


@pytest.mark.parametrize("kind", KINDS)
def test_a_swap_changes_what_it_says_and_nothing_else(kind: str) -> None:
    found = list(pairs(FOUND, kind))
    assert len(found) >= 50
    assert all(pair.text != pair.variant for pair in found)
    if kind in ("company", "person", "country"):
        for pair in found:
            known = sorted(names()[kind], key=len, reverse=True)
            first, second = (_without(text, known) for text in (pair.text, pair.variant))
            assert first == second
    if kind == "company_entity":
        assert all(pair.entity_text != pair.entity_variant for pair in found)
        assert all(str(pair.entity_variant) in pair.variant for pair in found)


def _without(text: str, known: Sequence[str]) -> str:
    for name in known:
        text = text.replace(name, "…")
    return text


def test_numbers_are_written_in_four_ways() -> None:
    frame = Frame("{company} sold {count:1200} for {money:1.2}, {pct:12} more", "positive")
    written = {filled(frame, {"company": "Velmont"}, style) for style in range(4)}
    assert "Velmont sold 1,200 for $1.2 billion, 12% more" in written
    assert "Velmont sold 1200 for $1.2bn, 12 percent more" in written
    assert "Velmont sold 1,200 for $1,200 million, 12 per cent more" in written
    assert len(written) == 4


def test_who_reads_no_names_passes() -> None:
    found = report(Sees(("bankrupt", "plunge", "fined")))
    assert set(rates(found).values()) == {0.0}
    assert gate(found) == []
    assert {spread.range for spread in found.spreads} == {0.0}
    assert 0.3 < found.right < 0.7


def test_who_hangs_on_a_country_is_caught() -> None:
    found = report(Sees(("turkey", "greece", "argentina", "venezuela")))
    assert rates(found)["country"] > 0.1
    assert rates(found)["person"] == 0.0
    assert any(line.startswith("swapping country: ") for line in gate(found))
    by = {spread.place: spread for spread in found.spreads}
    assert by["country"].range == pytest.approx(0.7, abs=0.01)
    assert min(by["country"].means, key=lambda name: by["country"].means[name]) in (
        "Turkey", "Greece", "Argentina", "Venezuela",
    )  # fmt: skip
    assert by["sector"].range == pytest.approx(0, abs=0.3)


def test_who_hangs_on_a_source_on_case_or_on_a_sign_is_caught() -> None:
    assert rates(report(Sees(("reuters",))))["source_tag"] > 0.1
    assert rates(report(Sees(("shares",), fold=False)))["case"] > 0.02
    assert rates(report(Sees(("%",))))["number_format"] > 0.1
    assert rates(report(Sees(("nyse",))))["ticker"] > 0.3
    assert rates(report(Sees((".",))))["punctuation"] > 0.1


def test_the_json_names_every_kind() -> None:
    raw = report(Sees(())).to_json()
    assert set(raw["flips"]) == set(KINDS)
    assert set(raw["spreads"]) == {"country", "sector", "company"}
    assert raw["flips"]["case"]["rate"] == 0.0
