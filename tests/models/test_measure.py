"""Measures against scikit-learn and against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score

from models import SENTIMENTS, Item, Prediction
from models.data import Example
from models.evaluate import disagreeing, evaluate, without_twins
from models.measure import calibration_error, measures
from models.taxonomy import taxonomy


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


class Always:
    """A scorer that always answers the same."""

    topics = taxonomy().labels

    def score(self, items: list[Item], progress: object = None) -> Prediction:
        n = len(items)
        sentiment = np.tile(np.array([0.6, 0.3, 0.1], np.float32), (n, 1))
        topic = np.full((n, 20), 0.05, np.float32)
        topic[:, 5] = 0.5
        return Prediction(sentiment, topic, np.zeros(n, bool))


def test_evaluate_takes_each_head_where_its_label_is_known() -> None:
    rows = [Example("a", None, 0, -1), Example("b", "B", 2, -1), Example("c", None, -1, 5), Example("d", None, 0, 4)]
    found = evaluate(Always(), rows)
    assert found.n == 4
    assert found.sentiment is not None
    assert found.topic is not None
    assert (found.sentiment.n, found.sentiment.accuracy) == (3, pytest.approx(2 / 3))
    assert (found.topic.n, found.topic.accuracy) == (2, 0.5)
    assert evaluate(Always(), rows[:2]).topic is None


def test_subsets_of_the_final_rows() -> None:
    rows = [Example("C gains on D 5", "C", 2), Example("C gains on D 5", "D", 0), Example("A falls", "A", 0)]
    assert disagreeing(rows) == rows[:2]
    assert without_twins(rows, {"c gains on d"}) == rows[2:]
