"""Cadence and lateness: a dead feed is late, a quiet night and a batch publisher are not."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import health
from pipeline.local_time import UTC_CLOCK, is_zone, local_time
from tests.conftest import ROOT

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
    assert health.cadence(np.sort(MONDAY - np.arange(40) / 60), MONDAY) is None
    assert health.cadence(np.sort(MONDAY - np.arange(10.0) * 20), MONDAY) is None


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


ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "")
hours = st.floats(min_value=MONDAY - 20 * 168, max_value=MONDAY + 40 * 168, allow_nan=False)


def feed(seed: int, per_hour: float, weeks: int = 8, until: float = MONDAY) -> np.ndarray:
    """Arrivals of a Poisson feed over the weeks before `until`, sorted."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(until - weeks * 168, until, rng.poisson(per_hour * weeks * 168)))


def known(seed: int, per_hour: float, zone: str = "") -> health.Cadence:
    made = health.cadence(feed(seed, per_hour), MONDAY, local_time(zone))
    assert made is not None
    return made


@settings(deadline=None)
@given(st.sampled_from(ZONES), hours)
def test_the_clock_of_a_place_is_what_the_iana_base_says(zone: str, when: float) -> None:
    moment = datetime.fromtimestamp(when * 3600, UTC)
    offset = moment.astimezone(ZoneInfo(zone) if zone else UTC).utcoffset()
    assert offset is not None
    assert local_time(zone).of(when) - when == pytest.approx(offset.total_seconds() / 3600)


def test_an_unknown_place_is_utc_and_is_said_to_be_unknown() -> None:
    assert local_time("Atlantis/Centre") is UTC_CLOCK
    assert not is_zone("Atlantis/Centre")
    assert not is_zone("../../etc/passwd")
    assert is_zone("Europe/London")


def test_a_worked_example_of_the_shrunk_cadence() -> None:
    # 24 articles at 09:30 on eight Mondays, three each; the span is eight weeks less nine and a half hours.
    seen = np.repeat(MONDAY - 168 * np.arange(8, 0, -1) + 9.5, 3)
    made = health.cadence(seen, MONDAY)
    assert made is not None
    mean = 24 / (8 * 168 - 9.5)
    assert made.articles[9] == pytest.approx((24 + 2 * mean) / (7.5 + 2))
    assert made.articles[10] == pytest.approx(2 * mean / (8 + 2))


def test_a_desk_that_starts_at_nine_does_so_in_summer_too() -> None:
    winter = datetime(2026, 3, 6, tzinfo=ZoneInfo("America/New_York"))
    end = health.hours_of(winter)
    place = local_time("America/New_York")
    # Twenty articles between nine and ten of every local morning, all in winter (14:00 UTC).
    mornings = np.sort(np.concatenate([end - 24 * day + 9 + np.linspace(0, 0.95, 20) for day in range(1, 57)]))
    at_home, in_utc = health.cadence(mornings, end, place), health.cadence(mornings, end)
    assert at_home is not None
    assert in_utc is not None
    summer = health.hours_of(datetime(2026, 3, 17, 13, tzinfo=UTC))
    assert health.expected_arrivals(at_home, summer, summer + 1) == pytest.approx(20, abs=4)
    assert health.expected_arrivals(in_utc, summer, summer + 1) < 1
    assert health.lateness(at_home, summer - 1, summer + 1.5).expected > 15


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 50), st.floats(0.05, 20), st.sampled_from(ZONES), hours, st.lists(st.floats(0, 900), max_size=6))
def test_expectations_add_up_and_never_fall(
    seed: int, per_hour: float, zone: str, start: float, steps: list[float]
) -> None:
    made = known(seed, per_hour, zone)
    edges = np.cumsum([start, *steps])
    parts = health.expected_arrivals(made, edges[:-1], edges[1:])
    assert (parts >= 0).all()
    assert parts.sum() == pytest.approx(float(health.expected_arrivals(made, start, edges[-1])), abs=1e-6)
    chances = health.chance_of_silence(made, start, edges)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert (np.diff(chances) <= 1e-12).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 50), st.floats(0.05, 20), st.sampled_from(ZONES))
def test_a_steady_feed_is_expected_at_its_own_pace_through_every_change_of_clocks(
    seed: int, per_hour: float, zone: str
) -> None:
    seen = feed(seed, per_hour)
    made = health.cadence(seen, MONDAY, local_time(zone))
    assert made is not None
    # 26 weeks in UTC hold both changes of the clock; a week is expected to bring what a week brought.
    assert float(health.expected_arrivals(made, MONDAY, MONDAY + 26 * 168)) / 26 == pytest.approx(
        seen.size / made.span_hours * 168, rel=0.03
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 50), st.floats(0.2, 10), st.floats(1, 400))
def test_what_is_not_polled_or_late_is_never_covered(seed: int, per_hour: float, silent: float) -> None:
    seen = feed(seed, per_hour)
    made = health.before_silence(seen, MONDAY)
    assert made is not None
    starts = np.floor(seen[-1]) + np.arange(0, 40, dtype=float) * silent / 40
    everywhere = np.arange(starts[0], starts[-1] + 2, 0.25)
    good = health.covered(made, seen, everywhere, starts, starts + 1)
    assert not health.covered(made, seen, np.empty(0), starts, starts + 1).any()
    late = np.array([health.lateness(made, float(seen[-1]), at + 1).late for at in starts])
    assert (good == ~late).all()
    # Without a new article a feed that is late stays so.
    assert (np.diff(late.astype(int)) >= 0).all()


def test_the_limits_cost_a_healthy_feed_what_the_docs_say() -> None:
    seen = feed(7, 25 / 24, weeks=200)
    made = health.cadence(seen, MONDAY)
    assert made is not None
    starts = np.arange(MONDAY - 190 * 168, MONDAY)
    lost = 1 - health.covered(made, seen, starts, starts, starts + 1).mean()
    assert 0.002 < lost < 0.02
    silences = health.chance_of_silence(made, seen[:-1], seen[1:])
    days = 200 * 7
    assert (silences < health.LATE_P).sum() / days == pytest.approx(1 / 4, rel=0.4)
    assert (silences < health.ALARM_P).sum() / days == pytest.approx(1 / 40, rel=0.6)


def test_the_rule_that_ships_alarms_at_the_limit_of_alarms() -> None:
    rules = tomllib.loads((ROOT / "pipeline" / "defaults" / "rules.toml").read_text(encoding="utf-8"))["rule"]
    assert [rule["p_limit"] for rule in rules if rule.get("what") == "late_feed"] == [health.ALARM_P]


def test_silence_does_not_become_a_habit() -> None:
    seen = feed(8, 1.0)
    months = MONDAY + 20 * 168
    assert health.cadence(seen, months) is None
    known_before = health.before_silence(seen, months)
    assert known_before is not None
    assert health.expected_arrivals(known_before, months, months + 24) == pytest.approx(24, rel=0.2)
    assert health.before_silence(np.empty(0), months) is None


def test_a_slow_feed_is_quiet_for_long_by_its_days() -> None:
    # Ten days with news over 900 hours, then silence.
    seen = np.sort(np.concatenate([MONDAY - 100.0 * np.arange(10), MONDAY - 100.0 * np.arange(10) + 0.5]))
    soon, late = health.quiet_for_long(seen, MONDAY + 240), health.quiet_for_long(seen, MONDAY + 2_400)
    assert soon is not None
    assert late is not None
    assert (soon.late, late.late) == (False, True)
    # Nine gaps over 38 days: p = (1 + silent / span)^−9, the last article half an hour after MONDAY.
    assert late.p_value == pytest.approx((1 + 2_399.5 / (38 * 24)) ** -9, rel=0.1)
    assert health.quiet_for_long(np.repeat(MONDAY, 50), MONDAY + 9_999) is None
