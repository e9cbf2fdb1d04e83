"""The index by a worked example, its band, and that neither the future nor unknown coverage plays a part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.series.index import COVERAGE_FLOOR, with_index
from tests.pipeline.series import read_reference
from tests.pipeline.series.read_reference import Bucket

START = datetime(2026, 1, 1, tzinfo=UTC)


def days(polarity: list[float], stories: list[int] | None = None, **columns: object) -> pd.DataFrame:
    n = len(polarity)
    counts = np.array(stories or [10] * n, float)
    frame = pd.DataFrame(
        {
            "bucket_start": [START + timedelta(days=i) for i in range(n)],
            "scope": "market",
            "key": "all",
            "story_count": counts,
            "polarity_sum": np.array(polarity) * counts,
            "polarity_sq_sum": (np.array(polarity) ** 2 + 0.2) * counts,
            "abstained": 0,
            "expected": np.nan,
            "covered": np.nan,
        }
    )
    return frame.assign(**columns)


def test_the_worked_example_of_the_definitions() -> None:
    """Half-life one day: the second day's ratio is (0.5 × 10 × 0.2 + 30 × −0.4) / (0.5 × 10 + 30) = −11/35."""
    polarity = [0.2, -0.4, 0.3, 0.1] * 4
    frame = with_index(days(polarity, [10, 30, 10, 20] * 4), "day", half_life_hours=24)
    ratios, total, count = [], 0.0, 0.0
    for value, n in zip(polarity, [10, 30, 10, 20] * 4, strict=True):
        total, count = total / 2 + value * n, count / 2 + n
        ratios.append(total / count)
    assert ratios[1] == pytest.approx(-11 / 35)
    past = np.array(ratios[:12])
    assert frame["sentiment_index"].iloc[12] == pytest.approx((ratios[12] - past.mean()) / past.std(ddof=1))
    assert frame["net_sentiment"].tolist() == pytest.approx(polarity)
    assert frame["sentiment_index"].iloc[:10].isna().all(), "ten days are needed to compare with"


def test_the_future_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    polarity = list(rng.normal(0.1, 0.2, 60))
    whole, part = with_index(days(polarity), "day"), with_index(days(polarity[:40]), "day")
    pd.testing.assert_frame_equal(whole.head(40), part)


def test_the_band_is_wider_with_fewer_and_with_unsure_stories() -> None:
    polarity = list(np.random.default_rng(2).normal(0.1, 0.2, 40))
    width = {}
    many = days(polarity, [50] * 40)
    for name, frame in {"many": many, "few": days(polarity, [3] * 40), "unsure": many.assign(abstained=40)}.items():
        judged = with_index(frame, "day").iloc[-1]
        width[name] = judged["band_high"] - judged["band_low"]
        assert judged["band_low"] < judged["sentiment_index"] < judged["band_high"]
    assert width["few"] > 2 * width["many"]
    assert width["unsure"] > 1.2 * width["many"]


def test_coverage_under_the_floor_withholds_and_unknown_does_not() -> None:
    polarity = list(np.random.default_rng(3).normal(0.1, 0.2, 30))
    blind = days(polarity, expected=10.0, covered=10 * COVERAGE_FLOOR - 1)
    assert with_index(blind, "day")["sentiment_index"].isna().all()
    assert with_index(days(polarity), "day")["sentiment_index"].notna().sum() == 20
    assert with_index(days(polarity), "day")["coverage"].isna().all()


def test_series_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(4)
    one, two = days(list(rng.normal(0, 0.2, 30))), days(list(rng.normal(0.5, 0.2, 30))).assign(key="other")
    mixed = with_index(pd.concat([two, one]).sample(frac=1, random_state=1), "day")
    alone = with_index(one, "day")
    pd.testing.assert_frame_equal(mixed[mixed["key"] == "all"].reset_index(drop=True), alone)


def test_no_rows_are_no_failure() -> None:
    assert "sentiment_index" in with_index(days([]), "hour").columns


def test_buzz_is_stories_over_the_usual_of_such_days() -> None:
    """Weekdays bring ten stories, weekends two; the last Saturday brings six."""
    stories = [2 if (START + timedelta(days=i)).weekday() >= 5 else 10 for i in range(45)]
    saturday = max(i for i in range(45) if (START + timedelta(days=i)).weekday() == 5)
    stories[saturday] = 6
    frame = with_index(days([0.1] * 45, stories, owners=3), "day")
    assert frame["buzz_ratio"].iloc[saturday] == pytest.approx(3.0)
    assert frame["usual_stories"].iloc[saturday - 1] == pytest.approx(10.0)
    assert frame["buzz_ratio"].iloc[:8].isna().all(), "eight such days are needed to compare with"
    assert frame["corroboration"].eq(3).all()


def test_a_bucket_without_a_row_had_no_stories() -> None:
    frame = with_index(days([0.1] * 60, [10] * 60).iloc[[*range(0, 40, 2), 59]], "day")
    last = frame.iloc[-1]
    assert last["usual_stories"] < 5
    assert last["buzz_ratio"] == pytest.approx(10 / last["usual_stories"])


@st.composite
def series(draw: st.DrawFn) -> tuple[str, list[Bucket]]:
    """A few months of days, or a few weeks of hours, with gaps, empty and half-seen buckets."""
    grain = draw(st.sampled_from(["hour", "day"]))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    length = 260 if grain == "day" else 24 * 14
    busy, gaps = draw(st.sampled_from([0.3, 3.0, 30.0])), draw(st.sampled_from([0.0, 0.3, 0.8]))
    buckets = []
    for n in range(length):
        if rng.random() < gaps:
            continue
        stories = int(rng.poisson(busy))
        polarity = rng.uniform(-1, 1, stories)
        expected = None if rng.random() < 0.2 else float(rng.integers(1, 9))
        covered = None if expected is None else float(expected * rng.choice([0, 0.4, 0.5, 1]))
        start = START + n * (timedelta(days=1) if grain == "day" else timedelta(hours=1))
        square = float((polarity**2).sum())
        buckets.append(Bucket(start, stories, float(polarity.sum()), square, int(rng.poisson(1)), expected, covered))
    return grain, buckets


@settings(max_examples=12, deadline=None)
@given(series())
def test_what_is_read_is_what_the_definitions_say(drawn: tuple[str, list[Bucket]]) -> None:
    grain, buckets = drawn
    if not buckets:
        return
    frame = pd.DataFrame(
        {
            "bucket_start": [b.start for b in buckets],
            "story_count": [b.stories for b in buckets],
            "polarity_sum": [b.polarity_sum for b in buckets],
            "polarity_sq_sum": [b.polarity_sq_sum for b in buckets],
            "abstained": [b.abstained for b in buckets],
            "expected": [b.expected for b in buckets],
            "covered": [b.covered for b in buckets],
        }
    )
    found = with_index(frame, grain)
    expected = pd.DataFrame(read_reference.read(buckets, grain))
    for name in expected.columns:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-7, err_msg=name)
