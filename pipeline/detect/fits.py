"""Fits: what is usual for each series, made for one day from its past only, and how often it was wrong so far. Pure.

The estimates are of `detect/baseline.py`; here are the window they look at, what cannot be judged, and the
recalibration: how often clean buckets of the past, by volume, really were as unusual as a p-value said.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect.baseline import Baseline, baseline, residuals
from pipeline.detect.bursts import LONGEST, Runs, added, log_ratio, of_late, run_p
from pipeline.incidents import hash_id
from pipeline.series.distribution import tails
from pipeline.series.expected import GROUPS, group_of

__all__ = ["BUCKET", "WINDOW", "Fit", "Status", "fit"]

Array = NDArray[np.float64]

BUCKET = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
WINDOW = {"hour": timedelta(weeks=8), "day": timedelta(days=180)}
GUARD = {"hour": 2, "day": 1}
# The past a store must have before anything is called unusual.
LEAST_PAST = {"hour": timedelta(days=14), "day": timedelta(days=28)}
LEAST_BUCKETS = {"hour": 48, "day": 14}
LEAST_STORIES = 40
# Buckets after which a past one weighs 1/e; a quarter of it for the level of late.
RECENCY = {"hour": 4 * 168.0, "day": 60.0}
LEVELS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
# Volume strata of the recalibration, in stories a bucket.
STRATA = {"hour": (3.0, 12.0), "day": (10.0, 40.0)}
# Deviations from which on a bucket is an outbreak, not the tail we calibrate on: its neighbours', its own.
_CALM_AROUND, _OUTLIER = 2.0, 5.0
# Buckets of the past that runs are calibrated on, and the minimum count they are asked for.
_RUN_BUCKETS, _LEAST_NEGATIVE = 4 * 168, 3
# Buckets that a curve rests on at most.
_MOST = 100_000


class Status(StrEnum):
    """Whether the series can be judged."""

    OK = "ok"
    WARMING_UP = "warming_up"
    TOO_SPARSE = "too_sparse"


@dataclass(frozen=True)
class Fit:
    """One row of `fits`. `parameters` is what `series.expected.judge` reads; empty of rates where status is not ok.

    Their `span` is the past that they were made from: start of its first bucket, end of its last one.
    """

    scope: str
    key: str
    grain: str
    model_version: str
    fitted_for: datetime
    status: Status
    n_baseline: int
    parameters: dict[str, Any]

    @property
    def fit_id(self) -> str:
        """Hash of what identifies it: the same series, model and day have one fit."""
        return hash_id(
            self.scope, self.key, self.grain, self.model_version, self.fitted_for.astimezone(UTC).isoformat()
        )

    def as_json(self) -> str:
        """The parameters, with sorted keys."""
        return json.dumps(self.parameters, sort_keys=True)


def fit(
    frame: pd.DataFrame, grain: str, at: datetime, model_version: str = "", since: datetime | None = None
) -> list[Fit]:
    """A fit for every series in `frame`, from the buckets before `at` (less the guard band) and no other.

    `frame`: scope, key, bucket_start, story_count, negative_stories of one grain and model version; buckets that are
    not there had no story. `since`: the first bucket of the store (default: of the frame), kept with a fit that cannot
    judge. Where the model's first story is younger than two weeks (hourly) or four (daily), all are warming up; a
    series with under 40 stories is too sparse.
    """
    width, window = BUCKET[grain], WINDOW[grain]
    stop = at - GUARD[grain] * width
    starts = pd.to_datetime(frame["bucket_start"], utc=True)
    past = frame[(starts < stop) & (starts >= at - window)]
    series = past[["scope", "key"]].drop_duplicates().sort_values(["scope", "key"]).reset_index(drop=True)
    if series.empty:
        return []
    first = pd.to_datetime(past["bucket_start"], utc=True).min()
    began = min(since, first) if since else first
    length = int((stop - first) // pd.Timedelta(width))
    y, n = _dense(past, series, first, width, length)
    grid = pd.date_range(first, periods=length, freq=width)
    group = group_of(grid.to_numpy(), grain)
    scopes = pd.factorize(series["scope"])[0].astype(np.int64)
    found = baseline(y, n, group, scopes, _recency(length, grain), GROUPS[grain])
    stories, buckets = n.sum(axis=1), (n > 0).sum(axis=1)
    # News that this model has not scored is no past.
    told = (n.sum(axis=0) > 0).argmax() if n.any() else length
    young = at - grid[0] - told * width < LEAST_PAST[grain]
    status = [
        Status.WARMING_UP
        if young
        else Status.OK
        if s >= LEAST_STORIES and b >= LEAST_BUCKETS[grain]
        else Status.TOO_SPARSE
        for s, b in zip(stories, buckets, strict=True)
    ]
    ok = np.array([s is Status.OK for s in status])
    curves = _curves(y, n, group, found, scopes, ok, grain)
    return [
        Fit(
            scope,
            key,
            grain,
            model_version,
            at,
            status[i],
            int(buckets[i]),
            _parameters(found, i, float(stories[i]), curves[i]) | {"span": [first.isoformat(), stop.isoformat()]}
            if ok[i]
            else {"stories": float(stories[i]), "began": began.isoformat()},
        )
        for i, (scope, key) in enumerate(zip(series["scope"].tolist(), series["key"].tolist(), strict=True))
    ]


def _recency(length: int, grain: str) -> Array:
    return np.exp(-(length - np.arange(length)) / RECENCY[grain])


def _curves(
    y: Array,
    n: Array,
    group: NDArray[np.int64],
    found: Baseline,
    scopes: NDArray[np.int64],
    ok: NDArray[np.bool_],
    grain: str,
) -> list[dict[str, Any]]:
    """Of each series: the curve of its scope and volume stratum for buckets, and of its scope for runs."""
    stratum = np.searchsorted(STRATA[grain], n.mean(axis=1), side="right")
    even = found.share / found.level[:, None]
    curves: list[dict[str, Any]] = [{} for _ in range(scopes.size)]
    for scope in range(int(scopes.max()) + 1):
        here = np.flatnonzero((scopes == scope) & ok)
        if not here.size:
            continue
        some = _enough(here, min(y.shape[1], _RUN_BUCKETS))
        runs = _of_runs(y[some], n[some], group, found, even[some], some, grain)
        for level in np.unique(stratum[here]):
            rows = here[stratum[here] == level]
            some = _enough(rows, y.shape[1])
            buckets = _of_buckets(y[some], n[some], group, even[some], found.rho[some])
            for row in rows:
                curves[row] = {"calibration": buckets, "run_calibration": runs}
    return curves


def _clean(residual: Array) -> NDArray[np.bool_]:
    """(S, T) whether a bucket shows the ordinary tail: high alone it does, high among high ones it is an outbreak."""
    padded = np.pad(residual, ((0, 0), (2, 2)))
    around = (padded[:, :-4] + padded[:, 1:-3] + padded[:, 3:-1] + padded[:, 4:]) / 2
    return np.asarray((around < _CALM_AROUND) & (residual < _OUTLIER))


def _enough(rows: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Rows evenly chosen from all, so that there are `_MOST` buckets or a little more."""
    return rows[:: max(rows.size * buckets // _MOST, 1)]


def _of_buckets(y: Array, n: Array, group: NDArray[np.int64], share: Array, rho: Array) -> dict[str, list[float]]:
    """How often a p drawn evenly between the two tails of a clean bucket falls below each level.

    Exactly: the chance of it, added up, so that nothing is drawn.
    """
    row, when = np.nonzero(_clean(residuals(y, n, share[:, group], rho)) & (n > 0))
    at_least, more = tails(y[row, when], n[row, when], share[row, group[when]], rho[row])
    width = np.maximum(at_least - more, 1e-300)
    counts = [float(np.clip((level - more) / width, 0, 1).sum()) for level in LEVELS]
    return _curve(counts, row.size)


def _of_runs(
    y: Array,
    n: Array,
    group: NDArray[np.int64],
    found: Baseline,
    share: Array,
    rows: NDArray[np.int64],
    grain: str,
) -> dict[str, list[float]]:
    """How often the p of runs in clean stretches of the last weeks fell below each level."""
    late = slice(max(y.shape[1] - _RUN_BUCKETS, 0), None)
    y, n, group = y[:, late], n[:, late], group[late]
    share, shape = share[:, group], found.shape[rows][:, None]
    clean = _clean(residuals(y, n, share, found.rho[rows]))
    volume = of_late(y, n, found.volume[rows][:, group], shape, share, grain)
    ratios = log_ratio(y, n, volume, shape, share, found.rho[rows][:, None], added(share, volume, grain))
    ratios[:, ~clean] = np.nan
    runs = Runs(rows.size, grain, _LEAST_NEGATIVE, _LEAST_NEGATIVE)
    counts, levels = np.zeros(len(LEVELS)), np.array(LEVELS)[:, None]
    for t in range(y.shape[1]):
        p = run_p(runs.step(ratios[:, :, t], y[:, t], n[:, t]), grain)
        if t >= LONGEST[grain]:
            counts += (p <= levels).sum(axis=1)
    return _curve(counts.tolist(), int(clean[:, LONGEST[grain] :].sum()))


def _curve(counts: Sequence[float], buckets: int) -> dict[str, list[float]]:
    """Levels that enough buckets could have reached, and how often they were; two buckets' worth of the level in it."""
    used = [(level, count) for level, count in zip(LEVELS, counts, strict=True) if level * buckets >= 5]
    actual = [round((count + 2) / (level * buckets + 2) * level, 7) for level, count in used]
    return {"p": [level for level, _ in used], "actual": actual}


def _parameters(found: Baseline, i: int, stories: float, curves: dict[str, Any]) -> dict[str, Any]:
    return {
        "family": "beta-binomial",
        "rates": [round(float(rate), 6) for rate in found.share[i]],
        "volumes": [round(float(volume), 4) for volume in found.volume[i]],
        "rho": round(float(found.rho[i]), 6),
        "shape": round(float(found.shape[i]), 4),
        "phi": round(float(found.phi[i]), 4),
        "level": round(float(found.level[i]), 4),
        "stories": stories,
        **curves,
    }


def _dense(
    past: pd.DataFrame, series: pd.DataFrame, first: pd.Timestamp, width: timedelta, length: int
) -> tuple[Array, Array]:
    index = pd.MultiIndex.from_frame(series)
    row = index.get_indexer(pd.MultiIndex.from_frame(past[["scope", "key"]]))
    starts = pd.to_datetime(past["bucket_start"], utc=True)
    column = ((starts - first) // pd.Timedelta(width)).to_numpy(dtype=np.int64)
    y, n = np.zeros((len(series), length)), np.zeros((len(series), length))
    y[row, column] = past["negative_stories"].to_numpy(dtype=np.float64)
    n[row, column] = past["story_count"].to_numpy(dtype=np.float64)
    return y, n


def day_of(moment: datetime) -> datetime:
    """The UTC midnight before."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def days_between(start: datetime, end: datetime) -> Sequence[datetime]:
    """The UTC midnights that the span from `start` to `end` touches."""
    first = day_of(start)
    return [first + timedelta(days=n) for n in range((day_of(end) - first).days + 1)]
