"""Any text has an answer: probabilities, or a status that says why there are none. Never a silent neutral."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.bulk.answers import ANSWERS, Known, answers
from models import DEFAULT, Item
from models.scorer import Scorer, load
from tests.cli.bulk.fakes import CountingScorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return load(DEFAULT, "cpu")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        ("\0\0", "empty"),
        ("🎉🎉🎉", "empty"),
        ("... !!! 123", "empty"),
        ("8-K - VELMONT INC (0000000001) (Filer)", "filing"),
        ("Der Vorstand hat gestern beschlossen, dass die Dividende nicht mehr gezahlt werden soll", "language"),
        ("Simple recipe for roast chicken with lemon and thyme for the whole family", "not_financial"),
    ],
)
def test_what_cannot_be_scored_says_why(scorer: Scorer, text: str, status: str) -> None:
    answer = answers(scorer, [Item(text)])[0]
    assert list(answer) == list(ANSWERS)
    assert (answer["status"], answer["sentiment"]) == (status, status)
    assert [answer[name] for name in ("p_negative", "p_neutral", "p_positive", "topic", "truncated")] == [None] * 5
    assert answer["model_version"] == scorer.model_version


def test_a_text_of_any_length_has_an_answer_and_a_flag(scorer: Scorer) -> None:
    long, short = answers(scorer, [Item("profit warning " * 50_000), Item("profit warning")])
    assert (long["status"], long["truncated"], short["truncated"]) == ("scored", True, False)


def test_nul_and_half_characters_have_an_answer(scorer: Scorer) -> None:
    plain, nul, half = answers(
        scorer, [Item("Velmont shares fall"), Item("Velmont\0shares fall"), Item("Velmont shares \ud800 fall")]
    )
    assert nul["p_negative"] == pytest.approx(plain["p_negative"], abs=1e-5)
    assert half["status"] == "scored"


def test_an_unsure_answer_keeps_its_probabilities_and_claims_nothing() -> None:
    class Unsure(CountingScorer):
        abstain_below = 0.99

    answer = answers(Unsure(), [Item("Velmont shares fall")])[0]
    assert (answer["status"], answer["sentiment"]) == ("abstained", "abstained")
    assert answer["p_negative"] > 0.5


def test_what_is_known_stays_known_in_the_next_process(tmp_path: Path) -> None:
    items = [Item("Velmont profit"), Item("Velmont profit", "Velmont"), Item("Velmont profit"), Item("")]
    with Known(tmp_path / "known.sqlite") as known:
        first = known.answers(CountingScorer(), items)
    scorer = CountingScorer()
    with Known(tmp_path / "known.sqlite") as known:
        assert known.answers(scorer, items) == first
    assert scorer.calls == []
    assert first[0] == first[2] != first[1]
