"""Quiet hours by the clock of a place: over midnight, at weekends, and when that clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.notify.quiet import DAYS, QuietHours, quiet_until


def window(begins: str, ends: str, zone: str = "Europe/London", **more: object) -> QuietHours:
    return QuietHours.model_validate({"from": begins, "to": ends, "zone": zone, **more})


NIGHT = window("22:00", "07:00")
WEEKEND = window("00:00", "00:00", days=["sat", "sun"])


@pytest.mark.parametrize(
    ("now", "until"),
    [
        # In summer London is an hour ahead of UTC.
        (datetime(2026, 7, 1, 21, tzinfo=UTC), datetime(2026, 7, 2, 6, tzinfo=UTC)),
        (datetime(2026, 7, 2, 5, 59, tzinfo=UTC), datetime(2026, 7, 2, 6, tzinfo=UTC)),
        (datetime(2026, 7, 2, 6, tzinfo=UTC), None),
        (datetime(2026, 7, 2, 20, 59, tzinfo=UTC), None),
        (datetime(2026, 1, 5, 22, tzinfo=UTC), datetime(2026, 1, 6, 7, tzinfo=UTC)),
        # The night in which the clock goes forward (29 March 2026) is an hour shorter.
        (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
    ],
)
def test_a_night_by_the_clock_of_london(now: datetime, until: datetime | None) -> None:
    assert quiet_until(now, [NIGHT]) == until


def test_windows_that_touch_are_one() -> None:
    friday_night = datetime(2026, 1, 9, 23, tzinfo=UTC)
    assert quiet_until(friday_night, [NIGHT, WEEKEND]) == datetime(2026, 1, 12, 7, tzinfo=UTC)


def test_without_a_gap_a_message_goes_out_within_eight_days() -> None:
    always = window("00:00", "00:00")
    now = datetime(2026, 1, 9, 23, tzinfo=UTC)
    until = quiet_until(now, [always])
    assert until is not None
    assert timedelta(days=7) <= until - now <= timedelta(days=8)


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/London", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]),
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=6, unique=True),
)
def test_the_end_is_ahead_and_not_quiet_itself(
    now: datetime, begins: time, ends: time, zone: str, days: list[str]
) -> None:
    quiet = QuietHours(begins=begins, ends=ends, zone=zone, days=tuple(days))
    until = quiet_until(now, [quiet])
    assert until is None or (until > now and quiet.until(until) is None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"zone": "Mars/Base"}, "no time zone"), ({"days": ["someday"]}, "days are mon"), ({"to": "25:00"}, "to")],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        QuietHours.model_validate({"from": "22:00", "to": "07:00", "zone": "UTC", **changes})
