"""SIMULATED: every closed day of the past judged by fits on its own trailing past only, with one pinned model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.detect.fits import BUCKET, Status, day_of, fit
from pipeline.series.expected import judge

__all__ = ["COLUMNS", "unusual_days"]

COLUMNS = (
    "bucket_start", "scope", "key", "story_count", "negative_stories", "expected", "low", "high", "p_value", "z",
    "model_version", "simulated",
)  # fmt: skip


def unusual_days(
    trends: pd.DataFrame,
    scope: str | None = None,
    *,
    most: int | None = 10,
    start: datetime | None = None,
    end: datetime | None = None,
    min_stories: int = 5,
    refit_days: int = 7,
) -> pd.DataFrame:
    """The most unusual days, most unusual first: rows of `COLUMNS`, `simulated` always true.

    `trends`: daily rows (bucket_start, scope, key, model_version, story_count, negative_stories) of one model
    version. A fit is made every `refit_days` and judges the days up to the next one, so that no day is judged by
    itself or by what came after it. Days while a series warms up, and days under `min_stories`, are left out.

    Raises:
        ValueError: rows of more than one model version.
    """
    versions = trends["model_version"].unique()
    if len(versions) > 1:
        raise ValueError(f"one model at a time: these rows are of {', '.join(map(str, versions))}")
    frame = trends if scope is None else trends[trends["scope"] == scope]
    starts = pd.to_datetime(frame["bucket_start"], utc=True)
    if frame.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    began = starts.min().to_pydatetime()
    last = (end or starts.max().to_pydatetime() + BUCKET["day"]).astimezone(began.tzinfo)
    parts: list[pd.DataFrame] = []
    at = day_of(max(start, began) if start else began)
    while at < last:
        until = min(at + timedelta(days=refit_days), last)
        judged = frame[(starts >= at) & (starts < until) & (frame["story_count"] >= min_stories)]
        parts += _judged(frame, judged, at, began) if len(judged) else []
        at = until
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    found = pd.concat(parts, ignore_index=True).sort_values(["p_value", "bucket_start", "scope", "key"])
    found = found.assign(model_version=str(versions[0]), simulated=True)[list(COLUMNS)].reset_index(drop=True)
    return found if most is None else found.head(most)


def _judged(frame: pd.DataFrame, days: pd.DataFrame, at: datetime, began: datetime) -> Sequence[pd.DataFrame]:
    fits = {(one.scope, one.key): one for one in fit(frame, "day", at, since=began)}
    parts = []
    for name, rows in days.groupby(["scope", "key"], sort=True):
        known = fits.get((str(name[0]), str(name[1])))
        if known is None or known.status is not Status.OK:
            continue
        stories, negative = (rows[c].to_numpy(dtype=np.float64) for c in ("story_count", "negative_stories"))
        ranges = judge(known.parameters, "day", rows["bucket_start"], stories, negative)
        counts = rows[["bucket_start", "scope", "key", "story_count", "negative_stories"]].reset_index(drop=True)
        parts.append(pd.concat([counts, ranges], axis=1))
    return parts
