"""The sentiment index, its band, net sentiment and coverage: computed when read, from counts and sums. Pure."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["COVERAGE_FLOOR", "HALF_LIFE_HOURS", "READ_BACK", "TRAILING", "with_index"]

Array = NDArray[np.float64]

HALF_LIFE_HOURS = {"hour": 24.0, "day": 7 * 24.0}
TRAILING = "180D"
# What must be read of the past: 180 days to compare with, and thirty half-lives, after which 10⁻⁹ of a story is left.
READ_BACK = {"hour": timedelta(days=180 + 30), "day": timedelta(days=180 + 30 * 7)}
COVERAGE_FLOOR = 0.5
# Fewer buckets than this are no past to be compared with.
LEAST_PAST = {"hour": 48, "day": 10}
# What is usual of the number of stories: over so many hours, from so many buckets alike.
_BUZZ_HOURS = {"hour": 8 * 7 * 24.0, "day": 180 * 24.0}
_LEAST_ALIKE = 8
_BAND = 1.96
# Until a series has shown its own, a story's polarity is taken to vary like this, as if two stories had said so.
_PRIOR_VARIANCE, _PRIOR_STORIES = 0.25, 2.0
_NEW = (
    "net_sentiment",
    "sentiment_index",
    "band_low",
    "band_high",
    "coverage",
    "ratio",
    "usual",
    "deviation",
    "corroboration",
    "usual_stories",
    "buzz_ratio",
)


def with_index(frame: pd.DataFrame, grain: str, half_life_hours: float | None = None) -> pd.DataFrame:
    """`frame` (rows of `trends` of one grain, any number of series), sorted, with eleven more columns.

    net_sentiment: polarity_sum / story_count (−1 … 1), NaN without stories. sentiment_index: ratio of exponentially
    decayed sums of polarity and stories, minus the mean and over the deviation of this ratio in the series' own 180
    days before (the bucket itself left out); NaN while there is too little past, and where coverage is under the
    floor. band_low, band_high: index ± 1.96 standard errors, wider with fewer or unsure stories. coverage: covered /
    expected, NaN where unknown (which withholds nothing). ratio, usual, deviation: what the index is made of: (ratio −
    usual) / deviation. corroboration: distinct owners. buzz_ratio: stories over usual_stories, their mean in the
    series' own past at such hours or days, NaN with too little of it. Worked examples: docs/definitions.md.
    """
    half_life = half_life_hours or HALF_LIFE_HOURS[grain]
    by = [name for name in ("scope", "key", "model_version") if name in frame.columns]
    ordered = frame.sort_values([*by, "bucket_start"], kind="stable").reset_index(drop=True)
    if ordered.empty:
        return ordered.assign(**{name: pd.Series(dtype="float64") for name in _NEW})
    parts = [part for _, part in ordered.groupby(by, sort=False)] if by else [ordered]
    return pd.concat([_of_series(part, grain, half_life) for part in parts]).sort_index()


def _of_series(part: pd.DataFrame, grain: str, half_life: float) -> pd.DataFrame:
    starts = pd.DatetimeIndex(pd.to_datetime(part["bucket_start"], utc=True))
    hours = starts.as_unit("us").asi8 / 3.6e9
    stories, polarity, squares, abstained = (
        part[name].to_numpy(dtype=np.float64)
        for name in ("story_count", "polarity_sum", "polarity_sq_sum", "abstained")
    )
    keep = np.exp2(-np.diff(hours, prepend=hours[0]) / half_life)
    n, total, square, unsure = (_decayed(x, keep) for x in (stories, polarity, squares, abstained))
    weight = _decayed(stories, keep**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(n > 0, total / n, np.nan)
        spread = np.maximum(square - n * np.nan_to_num(ratio) ** 2, 0.0)
        variance = (spread + _PRIOR_STORIES * _PRIOR_VARIANCE) / (n + _PRIOR_STORIES)
        error = np.sqrt(variance * weight) / n * np.sqrt((n + unsure) / n)
        net = np.where(stories > 0, polarity / stories, np.nan)
        coverage = _number(part, "covered") / _number(part, "expected")
    past = pd.Series(ratio, index=starts).rolling(TRAILING, closed="left", min_periods=LEAST_PAST[grain])
    mean, deviation = past.mean().to_numpy(), past.std().to_numpy()
    deviation = np.where(deviation > 1e-9, deviation, np.nan)
    index = (ratio - mean) / deviation
    half = _BAND * error / deviation
    index = np.where(coverage < COVERAGE_FLOOR, np.nan, index)
    usual = _usual_stories(starts, stories, grain)
    buzz = np.divide(stories, usual, out=np.full(len(stories), np.nan), where=usual > 0)
    owners = _number(part, "owners") if "owners" in part else np.full(len(stories), np.nan)
    values = (net, index, index - half, index + half, coverage, ratio, mean, deviation, owners, usual, buzz)
    return part.assign(**dict(zip(_NEW, values, strict=True)))


def _usual_stories(starts: pd.DatetimeIndex, stories: Array, grain: str) -> Array:
    """Of each bucket: the mean number of stories of such buckets before it: hour × weekend, or weekday and weekend.

    Over eight weeks (hours) or 180 days (days), a bucket without a row counting as none; NaN with fewer than eight.
    """
    step = pd.Timedelta(1, "h" if grain == "hour" else "D")
    calendar = pd.date_range(starts[0], starts[-1], freq=step)
    places = calendar.get_indexer(starts)
    told = np.zeros(len(calendar))
    told[places] = stories
    weekend = (calendar.day_of_week >= 5).astype(np.int64)
    groups = np.asarray(weekend if grain == "day" else calendar.hour + 24 * weekend)
    hours = calendar.as_unit("us").asi8 / 3.6e9
    usual = np.full(len(calendar), np.nan)
    for group in np.unique(groups):
        mine = np.flatnonzero(groups == group)
        sums = np.concatenate([[0.0], np.cumsum(told[mine])])
        first = np.searchsorted(hours[mine], hours[mine] - _BUZZ_HOURS[grain])
        seen = np.arange(len(mine)) - first
        with np.errstate(invalid="ignore", divide="ignore"):
            usual[mine] = np.where(seen >= _LEAST_ALIKE, (sums[:-1] - sums[first]) / seen, np.nan)
    return np.asarray(usual[places])


def _decayed(values: Array, keep: Array) -> Array:
    """Running sums in which what came before counts `keep` as much at each step."""
    out = np.empty_like(values)
    running = 0.0
    for i, (value, kept) in enumerate(zip(values.tolist(), keep.tolist(), strict=True)):
        running = running * kept + value
        out[i] = running
    return out


def _number(part: pd.DataFrame, name: str) -> Array:
    return pd.to_numeric(part[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
