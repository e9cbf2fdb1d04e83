"""Cadence and lateness: a dead feed is late, a quiet night and a batch publisher are not."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline import health

MONDAY = 20_517 * 24.0 + 96.0  # some Monday 00:00 UTC, in hours since 1970


def test_monday_is_hour_zero_of_the_week() -> None:
    assert (MONDAY + 72) % 168 == 0


def test_a_steady_feed_is_late_after_hours_and_not_after_one() -> None:
    arrivals = MONDAY - np.arange(1, 24 * 30) * 0.9
    known = health.cadence(np.sort(arrivals), MONDAY)
    assert known is not None
    assert not health.lateness(known, MONDAY, MONDAY + 1).late
    silent = health.lateness(known, MONDAY, MONDAY + 9)
    assert silent.late
    assert silent.expected == pytest.approx(10, abs=0.5)


def test_the_tail_is_poisson_for_a_poisson_feed() -> None:
    arrivals = np.sort(np.random.default_rng(5).uniform(MONDAY - 8 * 168, MONDAY, 8 * 168))
    known = health.cadence(arrivals, MONDAY)
    assert known is not None
    assert -np.log(health.chance_of_silence(known, MONDAY, MONDAY + 168)) == pytest.approx(168, rel=0.1)


def test_a_feed_that_publishes_once_a_day_is_not_dead_between() -> None:
    batches = np.sort(np.concatenate([MONDAY - 24 * day + np.linspace(7, 7.5, 25) for day in range(1, 50)]))
    known = health.cadence(batches, MONDAY)
    assert known is not None
    last = batches[-1]
    assert not health.lateness(known, last, last + 20).late
    assert health.lateness(known, last, last + 24 * 5).late


def test_a_young_feed_has_no_cadence() -> None:
    assert health.cadence(np.empty(0), MONDAY) is None
    assert health.cadence(MONDAY - np.arange(40) / 60, MONDAY) is None
    assert health.cadence(MONDAY - np.arange(10.0) * 20, MONDAY) is None


def test_a_bucket_is_covered_when_polled_and_not_late() -> None:
    arrivals = MONDAY - np.arange(24 * 20, 0, -1) * 1.0
    known = health.cadence(arrivals, MONDAY)
    assert known is not None
    starts = np.array([MONDAY - 3, MONDAY - 2, MONDAY + 20])
    polls = np.array([MONDAY - 2.5, MONDAY + 20.5])
    assert health.covered(known, arrivals, polls, starts, starts + 1).tolist() == [True, False, False]


@pytest.mark.parametrize("start", [0.0, 30.5, 167.9])
def test_expected_arrivals_add_up(start: float) -> None:
    known = health.cadence(np.sort(np.random.default_rng(6).uniform(MONDAY - 900, MONDAY, 400)), MONDAY)
    assert known is not None
    whole = health.expected_arrivals(known, start, start + 200)
    parts = sum(health.expected_arrivals(known, start + n, start + n + 1) for n in range(200))
    assert parts == pytest.approx(float(whole))
