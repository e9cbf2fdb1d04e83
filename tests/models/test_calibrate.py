"""Calibration: the temperature undoes over-confidence, limits follow from held-out rows, bad files are refused."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibrate import Calibration, abstain_below, negative_limit, probabilities, temperature
from models.errors import WeightsCorrupt
from models.measure import calibration_error


def test_temperature_finds_what_the_logits_were_multiplied_with() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(6000, 3)) * 1.5
    p = probabilities(logits, 1.0)
    truth = np.array([rng.choice(3, p=row / row.sum()) for row in p.astype(float)])
    found = temperature(logits * 2.5, truth)
    assert found == pytest.approx(2.5, rel=0.08)
    before = calibration_error(truth, probabilities(logits * 2.5, 1.0))
    after = calibration_error(truth, probabilities(logits * 2.5, found))
    assert after < before / 4


def test_temperature_of_few_rows_is_one() -> None:
    assert temperature(np.ones((3, 3)), np.zeros(3, int)) == 1.0


def test_negative_limit_lies_between_the_two_groups() -> None:
    p = np.array([0.1, 0.2, 0.46] * 30 + [0.52, 0.6, 0.9] * 30)
    negative = np.array([False] * 90 + [True] * 90)
    assert 0.46 < negative_limit(p, negative) <= 0.52
    assert negative_limit(p[:90], negative[:90]) == 0.5


def test_abstain_where_answers_are_no_better_than_chance() -> None:
    sure = np.tile([0.9, 0.05, 0.05], (50, 1))
    unsure = np.tile([0.45, 0.35, 0.2], (50, 1))
    p = np.vstack([sure, unsure])
    right = np.zeros(100, int)
    assert abstain_below(p, right) == 0.4
    wrong_when_unsure = np.array([0] * 50 + [1] * 50)
    assert abstain_below(p, wrong_when_unsure) == 0.5


def test_round_trip_and_refusals() -> None:
    kept = Calibration(1.2, 0.9, 0.41, 0.44, 0.999)
    assert Calibration.from_json(kept.to_json()) == kept
    for change in (
        {"temperature_topic": 0.0},
        {"negative_limit": 1.5},
        {"surprise": 1.0},
        {"temperature_sentiment": None},
    ):
        with pytest.raises(WeightsCorrupt, match="out of range"):
            Calibration.from_json({**kept.to_json(), **change})
