"""What a fit expects of a bucket: the usual number of negative stories given all of them, and how unusual it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.series.distribution import quantiles, tails

__all__ = ["GROUPS", "RANGE", "calibrated", "group_of", "judge", "mid_p", "z_of"]

Array = NDArray[np.float64]

# Seasonal groups: hour of the day × weekend, and weekday or weekend (UTC).
GROUPS = {"hour": 48, "day": 2}
# The range shown: what 95% of such buckets hold.
RANGE = (0.025, 0.975)
_LEAST_P = 1e-15


def group_of(bucket_start: Any, grain: str) -> NDArray[np.int64]:
    """The seasonal group of each bucket (starts as datetimes, UTC)."""
    starts = pd.DatetimeIndex(pd.to_datetime(np.asarray(bucket_start), utc=True))
    weekend = (starts.day_of_week >= 5).astype(np.int64)
    return np.asarray(weekend if grain == "day" else starts.hour + 24 * weekend, dtype=np.int64)


def judge(
    parameters: Mapping[str, Any],
    grain: str,
    bucket_start: Any,
    story_count: Any,
    negative_stories: Any,
) -> pd.DataFrame:
    """For each bucket: expected, low, high (95% range of the number of negative stories), p_value and z.

    `parameters` is `fits.parameters`, read. The p-value is the mid-p of the upper tail, recalibrated on the clean
    past of the scope; z is its normal score before that. A bucket without stories has
    expected 0, p .5 and z 0. A fit that cannot judge (warming up, too sparse) answers NaN throughout.
    """
    n, y = np.asarray(story_count, np.float64), np.asarray(negative_stories, np.float64)
    columns = ("expected", "low", "high", "p_value", "z")
    if "rates" not in parameters:
        return pd.DataFrame({name: np.full(n.shape, np.nan) for name in columns})
    rate = np.asarray(parameters["rates"], np.float64)[group_of(bucket_start, grain)]
    p = mid_p(y, n, rate, float(parameters["rho"]))
    low, high = quantiles(n, rate, float(parameters["rho"]), *RANGE)
    known = parameters.get("calibration", {"p": [], "actual": []})
    values = (n * rate, low, high, calibrated(p, known["p"], known["actual"]), z_of(p))
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def mid_p(y: Array, n: Array, rate: Array, rho: Array | float) -> Array:
    """P(Y > y) + P(Y = y) / 2: half-way between the two tails, so that small counts are judged evenly."""
    at_least, more = tails(y, n, rate, rho)
    return np.asarray(np.clip((at_least + more) / 2, _LEAST_P, 1.0))


def z_of(p: Array) -> Array:
    """The normal score of an upper-tail probability."""
    return np.asarray(-ndtri(np.clip(p, _LEAST_P, 1 - _LEAST_P)))


def calibrated(p: Array, levels: Sequence[float], actual: Sequence[float]) -> Array:
    """`p` as it really occurs: straight lines in log-log between `levels` and how often they were `actual`ly reached.

    Levels fall from large to small. Beyond the last one its ratio holds. Never smaller than `p`.
    """
    if not len(levels):
        return p
    x = np.concatenate([[0.0], -np.log10(np.asarray(levels, np.float64))])
    lift = np.concatenate([[0.0], np.maximum(np.log10(np.asarray(actual) / np.asarray(levels)), 0.0)])
    depth = -np.log10(p)
    return np.asarray(np.minimum(10 ** (np.interp(depth, x, lift) - depth), 1.0))
