"""The likelihood ratio against a plain sum over all splits, its law against simulation, and runs of buckets."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, nbinom, poisson

from pipeline.detect import bursts
from pipeline.detect.bursts import Runs, alarms, log_ratio, run_p
from tests.trial.law import HEIGHTS, law, looks


def plain(y: int, n: int, volume: float, shape: float, share: float, rho: float, more: float) -> float:
    spread, wide = 1 / rho - 1, bursts.FLOOD_MEAN * volume

    def usual(k: int) -> float:
        total = k + n - y
        told = (1 - bursts.FLOOD) * nbinom.pmf(total, shape, shape / (shape + volume))
        told += bursts.FLOOD * nbinom.pmf(total, bursts.FLOOD_SHAPE, bursts.FLOOD_SHAPE / (bursts.FLOOD_SHAPE + wide))
        return float(told * betabinom.pmf(k, total, share * spread, (1 - share) * spread))

    return float(np.log(sum(poisson.pmf(j, more) * usual(y - j) for j in range(y + 1)) / usual(y)))


@pytest.mark.parametrize(
    "case",
    [
        (0, 3, 4.0, 3.0, 0.2, 0.03, 2.0),
        (4, 4, 0.5, 3.0, 0.2, 0.01, 0.5),
        (5, 9, 4.0, 3.0, 0.2, 0.03, 2.0),
        (20, 100, 5.0, 4.0, 0.2, 0.03, 4.0),
        (30, 60, 20.0, 4.0, 0.2, 0.03, 8.0),
        (90, 150, 60.0, 4.0, 0.3, 0.001, 70.0),
    ],
)
def test_the_ratio_is_that_of_the_sums(case: tuple[int, int, float, float, float, float, float]) -> None:
    values = [np.array([float(x)]) for x in case[:6]]
    assert log_ratio(*values, np.array([[case[6]]]))[0, 0] == pytest.approx(plain(*case), rel=1e-6)


def test_a_surge_of_ten_times_says_less_than_the_same_share_doubled() -> None:
    args = [np.full(1, x) for x in (10.0, 4.0, 0.2, 0.03)]
    more = np.array([[2.0]])
    surge = log_ratio(np.array([20.0]), np.array([100.0]), *args, more)[0, 0]
    burst = log_ratio(np.array([6.0]), np.array([14.0]), *args, more)[0, 0]
    assert surge < 0.5 < burst


@pytest.mark.parametrize("grain", ["hour", "day"])
def test_p_of_a_run_is_how_often_ordinary_buckets_score_so_high(grain: str) -> None:
    seen = np.mean([law(grain, seed, 800, 400) for seed in (101, 102)], axis=0)
    assert run_p(HEIGHTS, grain)[:5] == pytest.approx(seen[:5], rel=0.25)
    deep = run_p(np.array([6.0, 7.0, 8.0]), grain)
    assert deep[1] / deep[0] == pytest.approx(deep[2] / deep[1])
    assert run_p(np.array([-1.0, -np.inf]), grain).tolist() == [1.0, 1.0]


def test_the_looks_at_an_open_hour_share_one_budget() -> None:
    for closed, opened in looks(103, 600, 60).values():
        assert closed < opened
        assert opened / bursts.OPEN_LOOKS < closed * 1.15


def test_a_bucket_too_extreme_for_any_size_speaks_by_itself() -> None:
    ratios, counts = np.full((3, 1, 3), -1.0), np.array([[3.0, 3.0, 2.0]])
    own = np.array([[0.5, 1e-6, 1e-6]])
    runs = Runs(1, "hour", 3, 3)
    (found,) = alarms(ratios, counts, 2 * counts, 1e-4, lambda score, _: run_p(score, "hour"), runs, own)
    assert (found.first, found.last) == (1, 1)
    assert found.p == pytest.approx(1e-6 / bursts.OWN_PART)


def one_series(ratios: list[float], y: list[float], limit: float = 0.01) -> list[tuple[int, int]]:
    table = np.repeat(np.array(ratios)[None, None, :], 3, axis=0)
    runs = Runs(1, "hour", 3, 3)
    counts = np.array([y])
    none = np.ones(counts.shape)
    found = alarms(table, counts, 2 * counts, limit, lambda score, _: run_p(score, "hour"), runs, none)
    return [(one.first, one.last) for one in found]


def test_evidence_adds_up_over_a_run_and_starts_anew_after_an_alarm() -> None:
    assert one_series([-1, 1, 1.5, 1.5, -1], [1, 2, 2, 2, 1]) == [(1, 3)]
    assert one_series([-1, 6, -1, -1], [1, 5, 1, 1]) == [(1, 1)], "the echo of an alarm is none"
    assert one_series([6, 6], [5, 5]) == [(0, 0), (1, 1)]


def test_a_bucket_that_speaks_against_a_burst_raises_no_alarm_and_the_minimum_is_of_the_run() -> None:
    assert one_series([2.5, 2.5, -0.1], [1, 1, 5]) == []
    assert one_series([2.5, 2.5, 0.1], [1, 1, 1]) == [(0, 2)]


def test_no_run_goes_over_what_cannot_be_judged() -> None:
    assert one_series([2.5, float("nan"), 2.5], [3, 3, 3]) == []
    assert one_series([2.5, 0.0, 2.5], [3, 3, 3]) == [(0, 2)]
