"""Measures against scikit-learn and against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from models import SENTIMENTS
from models.measure import calibration_error, confusion_counts, measures, reliability_bins, tally, totals


def test_by_hand() -> None:
    truth = np.array([0, 0, 1, 2])
    p = np.array([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.9, 0.0], [0.5, 0.3, 0.2]])
    found = measures(truth, p, SENTIMENTS)
    assert found.accuracy == 0.5
    # F1: negative 2·1/(2+2), neutral 2·1/(2+1), positive 0.
    assert found.macro_f1 == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert found.weighted_f1 == pytest.approx((2 * 0.5 + 2 / 3 + 0) / 4)
    assert found.recall == {"negative": 0.5, "neutral": 1.0, "positive": 0.0}
    # Each in a bin of its own: |1−.8| + |0−.6| + |1−.9| + |0−.5| over four.
    assert found.ece == pytest.approx((0.2 + 0.6 + 0.1 + 0.5) / 4)


def test_as_scikit_learn_finds_them() -> None:
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 4, 300)
    p = rng.dirichlet(np.ones(5), 300)
    p[np.arange(300), truth] += 0.4
    answer = p.argmax(1)
    found = measures(truth, p, tuple("abcde"))
    assert found.accuracy == pytest.approx(accuracy_score(truth, answer))
    assert found.macro_f1 == pytest.approx(f1_score(truth, answer, average="macro"))
    assert found.weighted_f1 == pytest.approx(f1_score(truth, answer, average="weighted"))
    expected = recall_score(truth, answer, average=None, labels=range(4))
    assert list(found.recall.values()) == pytest.approx(list(expected))


def test_calibration_error_of_the_calibrated_and_of_the_boastful() -> None:
    p = np.tile([0.75, 0.25], (400, 1))
    honest = np.array([0, 0, 0, 1] * 100)
    assert calibration_error(honest, p) == pytest.approx(0)
    assert calibration_error(1 - honest, p) == pytest.approx(0.5)
    assert calibration_error(np.array([], dtype=int), np.empty((0, 2))) == 0


def test_a_label_that_does_not_occur_has_no_recall() -> None:
    found = measures(np.array([0, 0]), np.array([[0.9, 0.1, 0.0]] * 2), SENTIMENTS)
    assert found.recall == {"negative": 1.0}
    assert found.macro_f1 == 1.0


def test_of_one_tally_any_groups_give_the_same_sums() -> None:
    rng = np.random.default_rng(4)
    truth, p = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    grouped = tally(truth, p, rng.integers(0, 7, 50))
    assert grouped.shape == (7, 3 * 3 + 15)
    assert totals(grouped) == pytest.approx(totals(tally(truth, p)))


def test_a_model_without_probabilities_has_no_calibration() -> None:
    found = measures(np.array([0, 1]), np.eye(3)[[0, 2]], SENTIMENTS, certain=True)
    assert (found.accuracy, found.ece) == (0.5, None)
    assert measures(np.array([], dtype=int), np.empty((0, 3)), SENTIMENTS).ece == 0.0


def test_confusion_and_reliability_by_hand() -> None:
    truth, answer = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    assert confusion_counts(truth, answer, 3).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    p = np.array([[0.95, 0.05], [0.95, 0.05], [0.4, 0.6]])
    found = reliability_bins(np.array([0, 1, 1]), p, bins=10)
    assert found.share == pytest.approx([0] * 6 + [1 / 3, 0, 0, 2 / 3])
    assert (found.accuracy[9], found.confidence[9]) == (0.5, pytest.approx(0.95))
    assert np.isnan(found.accuracy[0])
