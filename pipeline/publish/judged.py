"""Each day and hour of a series beside the range its own past explains: decided here, without the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pandas as pd

__all__ = ["DAYS_JUDGED", "HOURS_JUDGED", "Judge", "expected_ranges", "unusual_days"]

DAYS_JUDGED = timedelta(days=180)
HOURS_JUDGED = timedelta(days=14)
WARMING_UP = "warming_up"

_SERIES = ["scope", "key", "grain"]
_FACTS = [*_SERIES, "bucket_start", "story_count", "negative_stories"]
_TIME = "datetime64[us, UTC]"
_RANGE = ["expected", "low", "high", "p_value"]


class Judge(Protocol):
    """`pipeline.series.expected.judge`: a row (expected, low, high, p_value, z) for each bucket handed in."""

    def __call__(
        self, parameters: dict[str, Any], grain: str, bucket_start: Any, story_count: Any, negative_stories: Any
    ) -> pd.DataFrame: ...


def expected_ranges(
    trends: pd.DataFrame, fits: pd.DataFrame, judge: Judge, now: datetime, known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The range of every bucket of the last 180 days (hours: 14 days), by the fit in force when it began.

    Buckets older than the first fit are judged by that one, and say so (`hindsight`).

    Args:
        trends: rows of the table `trends`, of one model version.
        fits: rows of the table `fits`, of the same.
        judge: the statistics.
        now: the clock.
        known: what the last snapshot published; rows whose counts and fit are the same are taken from it.
    """
    days = trends["grain"] == "day"
    recent = trends["bucket_start"] >= pd.Timestamp(now - HOURS_JUDGED)
    recent |= days & (trends["bucket_start"] >= pd.Timestamp(now - DAYS_JUDGED))
    rows = trends.loc[recent, _FACTS]
    rows = _with_fit(rows.reset_index(drop=True), fits)
    for column in _RANGE:
        rows[column] = np.nan
    todo = pd.Series(rows["status"] == "ok")
    if known is not None and len(known):
        todo &= ~_take_over(rows, known)
    parameters: Mapping[str, str] = dict(zip(fits["fit_id"], fits["parameters"], strict=True))
    for fit_id, group in rows[todo].groupby("fit_id", sort=False):
        ranges = judge(
            json.loads(parameters[str(fit_id)]),
            str(group["grain"].iloc[0]),
            group["bucket_start"].to_numpy(),
            group["story_count"].to_numpy(),
            group["negative_stories"].to_numpy(),
        )
        rows.loc[group.index, _RANGE] = ranges[_RANGE].to_numpy()
    return rows


def _with_fit(rows: pd.DataFrame, fits: pd.DataFrame) -> pd.DataFrame:
    """`rows` with `fit_id`, `status`, `hindsight`: of the last fit made for their start or before, else the first."""
    # An empty frame does not know what it would hold, and the join asks for equal types.
    names: dict[str, Any] = dict.fromkeys(_SERIES, "object")
    fits = fits[[*_SERIES, "fitted_for", "fit_id", "status"]].sort_values(["fitted_for", "fit_id"])
    fits = fits.astype({**names, "fitted_for": _TIME})
    rows = rows.sort_values("bucket_start", kind="stable").astype({**names, "bucket_start": _TIME})
    before = pd.merge_asof(rows, fits, left_on="bucket_start", right_on="fitted_for", by=_SERIES, direction="backward")
    after = pd.merge_asof(rows, fits, left_on="bucket_start", right_on="fitted_for", by=_SERIES, direction="forward")
    missing = before["fit_id"].isna()
    before["hindsight"] = missing & after["fit_id"].notna()
    before["fit_id"] = before["fit_id"].where(~missing, after["fit_id"])
    before["status"] = before["status"].where(~missing, after["status"]).fillna(WARMING_UP)
    return before.drop(columns="fitted_for")


def _take_over(rows: pd.DataFrame, known: pd.DataFrame) -> pd.Series[bool]:
    """Fill `rows` from `known` where nothing that decides the range has changed; answers which."""
    on = [*_FACTS, "fit_id"]
    found = rows[on].merge(known[on + _RANGE].drop_duplicates(on), on=on, how="left")
    rows[_RANGE] = found[_RANGE].to_numpy()
    return pd.Series(found["expected"].notna().to_numpy(), index=rows.index)


def unusual_days(expected: pd.DataFrame, trends: pd.DataFrame, labels: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The open day and the newest closed one of every series that had stories then, with its label.

    A row without a usable fit keeps its counts; its status says why there is no range.
    """
    today = pd.Timestamp(now).floor("D")
    two = expected["bucket_start"].isin([today, today - pd.Timedelta(days=1)])
    days = expected[(expected["grain"] == "day") & two & (expected["story_count"] > 0)]
    on = [*_SERIES, "bucket_start"]
    days = days.merge(trends[[*on, "news_volume", "owners"]], on=on, how="left")
    days = days.merge(labels, on=["scope", "key"], how="left")
    days["label"] = days["label"].fillna(days["key"])
    days["open"] = days["bucket_start"] == today
    return days
