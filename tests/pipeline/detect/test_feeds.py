"""Late feeds: who is accused, by whose clock, and who is not in the list any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline import health
from pipeline.detect.feeds import late_feeds
from pipeline.detect.rules import Health, load
from pipeline.local_time import local_time
from pipeline.series.coverage import FeedHistory

RULES = load(Path(pipeline.__file__).parent / "defaults" / "rules.toml")
(LATE,) = (rule for rule in RULES.rules if rule.what is Health.LATE_FEED)
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
AT = health.hours_of(NOON)


def history(arrivals: np.ndarray, zone: str = "") -> FeedHistory:
    nothing = np.empty(0)
    return FeedHistory("f", "Wire", "Harbour Wire", AT - 5_000, arrivals, arrivals, nothing, np.inf, local_time(zone))


def accused(feed: FeedHistory, at: datetime = NOON) -> list[str]:
    return [finding.detection.summary for finding in late_feeds([feed], LATE, RULES, at)]


def test_a_feed_that_left_the_list_is_not_late_and_one_that_is_dead_stays_so() -> None:
    dead = history(AT - 3_000 + np.arange(0, 1_300, 0.5))
    assert len(accused(dead)) == 1
    assert "nothing new for 71 days" in accused(dead)[0]
    assert accused(replace(dead, removed=AT - 1)) == []
    assert len(accused(replace(dead, removed=AT + 1))) == 1


def test_a_desk_is_not_late_because_its_clock_was_put_on() -> None:
    # Six articles in each hour from nine to five of every day in New York, until the evening before the change.
    evening = health.hours_of(datetime(2026, 3, 7, 22, tzinfo=UTC))
    first = health.hours_of(datetime(2026, 1, 1, 14, tzinfo=UTC))
    days = [first + 24 * day + np.arange(0, 8, 1 / 6) for day in range(80)]
    arrivals = np.concatenate(days)
    arrivals = arrivals[arrivals < evening]
    # On Sunday nine o'clock is 13:00 UTC: four articles are due by 13:40. A clock in UTC would expect none of them yet.
    nine = health.hours_of(datetime(2026, 3, 8, 13, tzinfo=UTC))
    for zone, due in (("America/New_York", 3.5), ("", 0.3)):
        known = health.before_silence(arrivals, nine, local_time(zone))
        assert known is not None
        assert float(health.expected_arrivals(known, nine, nine + 40 / 60)) == pytest.approx(due, abs=0.6), zone
