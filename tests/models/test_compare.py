"""Intervals against scipy's bootstrap, the paired test against statsmodels, and what each must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar

from models import SENTIMENTS
from models.compare import Sample, Verdict, intervals, paired


def sample(seed: int, n: int = 300, skill: float = 0.6, truth_seed: int = 1) -> Sample:
    """Answers to the same rows, right as often as `skill` makes them."""
    truth = np.random.default_rng(truth_seed).integers(0, 3, n)
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), n)
    p[np.arange(n), truth] += skill * rng.random(n)
    return Sample(truth, p / p.sum(1, keepdims=True), SENTIMENTS, np.arange(n))


def test_intervals_as_scipy_draws_them() -> None:
    given = sample(2)
    answer = given.probabilities.argmax(1)
    found = intervals(given)

    def accuracy(truth: np.ndarray, answer: np.ndarray) -> float:
        return float((truth == answer).mean())

    def macro(truth: np.ndarray, answer: np.ndarray) -> float:
        return float(f1_score(truth, answer, average="macro"))

    for name, statistic in (("accuracy", accuracy), ("macro_f1", macro)):
        oracle = bootstrap(
            (given.truth, answer), statistic, paired=True, vectorized=False, n_resamples=600, method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        assert found[name] == pytest.approx((oracle.low, oracle.high), abs=0.012)
    assert set(found["recall"]) == set(SENTIMENTS)
    assert found["ece"][0] < found["ece"][1]


def test_rows_that_belong_together_make_intervals_wider() -> None:
    one = sample(3, n=100)
    thrice = Sample(
        np.repeat(one.truth, 3), np.repeat(one.probabilities, 3, 0), SENTIMENTS, np.repeat(np.arange(100), 3)
    )
    alone = Sample(thrice.truth, thrice.probabilities, SENTIMENTS, np.arange(300))
    width = {
        name: np.ptp(intervals(given)["accuracy"])
        for name, given in (("one", one), ("together", thrice), ("alone", alone))
    }
    assert width["together"] == pytest.approx(width["one"], rel=0.1)
    assert width["alone"] < 0.75 * width["together"]


def test_equal_seeds_give_equal_intervals() -> None:
    assert intervals(sample(4), seed=7) == intervals(sample(4), seed=7)
    assert intervals(sample(4), seed=7) != intervals(sample(4), seed=8)
    empty = Sample(np.array([], int), np.empty((0, 3)), SENTIMENTS, np.array([], int))
    assert intervals(empty) == {}


def test_the_paired_test_as_statsmodels_has_it() -> None:
    good, bad = sample(5, skill=1.5), sample(6, skill=0.4)
    found = paired(good, bad)
    right = [given.probabilities.argmax(1) == given.truth for given in (good, bad)]
    table = [[int((right[0] == a)[right[1] == b].sum()) for b in (True, False)] for a in (True, False)]
    assert found.p_value == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert (found.only_first, found.only_second) == (table[0][1], table[1][0])
    assert found.accuracy_difference == pytest.approx(right[0].mean() - right[1].mean())
    low, high = found.accuracy_interval
    assert 0 < low < found.accuracy_difference < high
    assert found.verdict is Verdict.BETTER
    turned = paired(bad, good)
    assert turned.verdict is Verdict.WORSE
    assert turned.accuracy_interval == pytest.approx((-high, -low))


def test_a_model_does_not_differ_from_itself() -> None:
    found = paired(sample(7), sample(7))
    assert (found.p_value, found.accuracy_interval, found.verdict) == (1.0, (0.0, 0.0), Verdict.NO_DIFFERENCE)
    with pytest.raises(ValueError, match="same rows"):
        paired(sample(7), sample(7, truth_seed=2))
