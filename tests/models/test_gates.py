"""Gates: what an artifact says of itself, what is measured anew, the challenge, and the model that is followed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from models import SENTIMENTS, Item, Prediction
from models import challenge as suite
from models.challenge import KIND_AT_LEAST, OVERALL_AT_LEAST, Result, Tally
from models.compare import Sample
from models.data import Source
from models.errors import WeightsCorrupt
from models.examine import examine
from models.gates import Gate, Limits, challenge, comparison, failed, from_metrics, from_sample


def part(recall: float, ece: float) -> dict[str, object]:
    return {"n": 500, "sentiment": {"recall": {"negative": recall, "neutral": 0.9}, "ece": ece}, "topic": None}


def sample(right: int, wrong: int, confidence: float = 0.9) -> Sample:
    """Negative rows, `right` of them found."""
    n = right + wrong
    p = np.full((n, 3), (1 - confidence) / 2)
    p[np.arange(n), [0] * right + [1] * wrong] = confidence
    return Sample(np.zeros(n, int), p, SENTIMENTS, np.arange(n))


def test_the_final_sets_are_believed_first_then_the_held_out_rows() -> None:
    final = {"tweets": {"all": part(0.8, 0.04), "without_near_twins": part(0.1, 0.9)}}
    dev = {"rows": part(0.6, 0.02)}
    found = from_metrics({"final": final, "dev": dev})
    assert [(f.gate, f.on, f.passed) for f in found] == [
        (Gate.BEARISH_RECALL, "tweets", True),
        (Gate.CALIBRATION, "tweets", True),
    ]
    shut = failed(from_metrics({"final": {}, "dev": dev}))
    assert [(f.gate, f.value, f.limit) for f in shut] == [(Gate.BEARISH_RECALL, 0.6, Limits().bearish_recall)]
    assert "60.0%" in shut[0].says


@pytest.mark.parametrize("metrics", [{}, {"dev": {"t": {"n": 3, "sentiment": None, "topic": {}}}}])
def test_a_model_that_measured_nothing_fails(metrics: dict[str, object]) -> None:
    found = failed(from_metrics(metrics))
    assert {f.gate for f in found} == {Gate.BEARISH_RECALL, Gate.CALIBRATION}
    assert "--data" in found[0].says


def test_measured_anew() -> None:
    assert failed(from_sample("mine", sample(90, 10))) == []
    shut = failed(from_sample("mine", sample(50, 50)))
    assert {f.gate for f in shut} == {Gate.BEARISH_RECALL, Gate.CALIBRATION}
    assert shut[1].value == pytest.approx(0.4)
    exact = Limits(bearish_recall=0.9, ece=0.0001)
    assert failed(from_sample("mine", sample(90, 10), exact)) == [], "a limit that is met to the letter is met"


def test_too_few_negative_rows_tell_nothing() -> None:
    few = from_sample("mine", sample(29, 0))
    assert [(f.passed, f.value) for f in few] == [(False, None)]
    assert "29 negative rows" in few[0].says
    assert not from_sample("mine", None)[0].passed


def result(first: int, second: int, n: int = 20) -> Result:
    tallies = (Tally("denial", "open", n, first), Tally("idiom", "open", n, second))
    return Result(suite.FROZEN, ("open",), tallies, ())


def test_the_challenge_gate_names_the_kinds() -> None:
    passed = challenge(result(20, 12))
    assert [(f.passed, f.on, f.value, f.limit) for f in passed] == [(True, "open", 0.8, OVERALL_AT_LEAST)]
    shut = challenge(result(20, 9))
    assert [(f.on, f.passed, f.value, f.limit) for f in shut] == [
        ("open", False, 29 / 40, OVERALL_AT_LEAST),
        ("idiom", False, 9 / 20, KIND_AT_LEAST),
    ]


def test_a_candidate_may_be_better_or_alike_but_not_clearly_worse() -> None:
    versions = ("new@1", "old@1")
    assert comparison("f", sample(80, 20), sample(80, 20), versions).passed
    assert comparison("f", sample(99, 1), sample(50, 50), versions).passed
    worse = comparison("f", sample(50, 50), sample(99, 1), versions)
    assert not worse.passed
    assert worse.value == pytest.approx(-0.49)
    assert "old@1" in worse.says


class Says:
    """A scorer that answers one sentiment to everything."""

    topics: tuple[str, ...] = ("Macro",)

    def __init__(self, sentiment: int, model_version: str = "says@1") -> None:
        self.sentiment = sentiment
        self.model_version = model_version

    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction:
        n = len(items)
        row = np.where(np.arange(3) == self.sentiment, 0.9, 0.05).astype(np.float32)
        return Prediction(np.tile(row, (n, 1)), np.ones((n, 1), np.float32), np.zeros(n, bool))


def test_examined_by_its_metrics_or_on_files(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"dev": {"rows": part(0.9, 0.01)}}), "utf-8")
    by_metrics = examine(Says(0), tmp_path)
    assert [f.on for f in by_metrics[:2]] == ["rows", "rows"]
    assert not any(f.passed for f in by_metrics if f.gate is Gate.CHALLENGE), "always negative is no understanding"
    labelled = tmp_path / "mine.csv"
    labelled.write_text(
        "text,sentiment\n" + "".join(f"headline number {chr(97 + n % 26)}{n},negative\n" for n in range(40))
    )
    on_file = examine(Says(1), tmp_path, [Source(labelled)], Says(0, "old@1"))
    assert {f.gate for f in failed(on_file)} >= {Gate.BEARISH_RECALL, Gate.NOT_WORSE}
    assert [f.on for f in on_file if f.gate is Gate.NOT_WORSE] == ["mine.csv"]


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_unreadable_metrics_are_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "metrics.json").write_text(text, "utf-8")
    with pytest.raises(WeightsCorrupt, match=r"metrics\.json"):
        examine(Says(0), tmp_path)
