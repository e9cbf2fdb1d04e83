"""Expected ranges beside trends: which fit judges which bucket, and what need not be judged again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.publish.judged import expected_ranges

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


class Doubling:
    """A judge that expects rate × stories, and counts how many buckets it was asked about."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(
        self, parameters: dict[str, Any], grain: str, bucket_start: Any, story_count: Any, negative_stories: Any
    ) -> pd.DataFrame:
        self.asked += len(story_count)
        expected = parameters["rate"] * np.asarray(story_count, float)
        return pd.DataFrame({"expected": expected, "low": expected - 1, "high": expected + 1, "p_value": 0.5, "z": 0.0})


def _days(key: str, count: int, back: int = 0) -> pd.DataFrame:
    starts = pd.date_range(end=pd.Timestamp("2026-03-03", tz="UTC") - pd.Timedelta(days=back), periods=count, freq="D")
    return pd.DataFrame(
        {"scope": "topic", "key": key, "grain": "day", "bucket_start": starts.as_unit("us"),
         "story_count": 10, "negative_stories": 2}
    )  # fmt: skip


def _fits(*fits: tuple[str, int, float, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"fit_id": f"{key}-{back}", "scope": "topic", "key": key, "grain": "day", "status": status,
             "fitted_for": pd.Timestamp(NOW - timedelta(days=back)).floor("D").as_unit("us"),
             "parameters": f'{{"rate": {rate}}}'}
            for key, back, rate, status in fits
        ],
        columns=["fit_id", "scope", "key", "grain", "status", "fitted_for", "parameters"],
    ).astype({"fitted_for": "datetime64[us, UTC]"})  # fmt: skip


def test_each_day_is_judged_by_the_fit_then_in_force() -> None:
    fits = _fits(("a", 4, 0.1, "ok"), ("a", 1, 0.3, "ok"))
    rows = expected_ranges(_days("a", 7), fits, Doubling(), NOW).sort_values("bucket_start")
    assert rows["expected"].tolist() == [1, 1, 1, 1, 1, 3, 3]
    assert rows["hindsight"].tolist() == [True, True, False, False, False, False, False]


def test_a_series_without_a_usable_fit_has_no_range() -> None:
    trends = pd.concat([_days("young", 2), _days("sparse", 2)], ignore_index=True)
    rows = expected_ranges(trends, _fits(("sparse", 3, 0.1, "too_sparse")), Doubling(), NOW)
    assert rows["expected"].isna().all()
    assert rows.groupby("key")["status"].first().to_dict() == {"young": "warming_up", "sparse": "too_sparse"}


def test_what_was_published_is_not_judged_again_unless_it_changed() -> None:
    fits = _fits(("a", 8, 0.1, "ok"))
    trends, judge = _days("a", 7), Doubling()
    first = expected_ranges(trends, fits, judge, NOW)
    assert judge.asked == 7
    trends.loc[6, "negative_stories"] = 9
    second = expected_ranges(trends, fits, judge, NOW, first)
    assert judge.asked == 8
    assert second["expected"].tolist() == first["expected"].tolist()


def test_days_out_of_the_window_are_left_out() -> None:
    rows = expected_ranges(_days("a", 400), _fits(("a", 500, 0.1, "ok")), Doubling(), NOW)
    assert rows["bucket_start"].min() >= NOW - timedelta(days=180)
    assert len(rows) == 180


def test_no_trends_at_all_give_no_rows() -> None:
    assert expected_ranges(_days("a", 0), _fits(), Doubling(), NOW).empty
