"""What is usual for each series: share of negative stories by season, and how much it wavers. Batched in numpy, pure.

After Noufaily et al. (2013), Statistics in Medicine 32, 1206–1222, re-cast for counts out of a total: beta-binomial
negatives given all stories of the bucket, seasonal groups shrunk to the scope's pattern, recent buckets weighing
more, a guard band before the fitted day, past outbreaks weighing less.
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
from scipy.sparse import csr_array

from pipeline.incidents import hash_id
from pipeline.series.distribution import LEAST_RHO
from pipeline.series.expected import GROUPS, group_of, mid_p

__all__ = ["BUCKET", "WINDOW", "Fit", "Status", "fit", "rates"]

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
# Noufaily's threshold for a past outbreak, in standard deviations.
OUTBREAK = 2.58
# Strength of each shrinkage, in stories.
SERIES_STORIES, SEASON_STORIES, SCOPE_STORIES, LEVEL_NEGATIVES, RHO_STORIES = 20.0, 60.0, 100.0, 20.0, 30.0
LEVEL_RANGE = (2 / 3, 1.5)
LEVELS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
# A bucket this far out is an outbreak, not the tail we calibrate on.
_CLEAN = 5.0
_STRATUM = 5


class Status(StrEnum):
    """Whether the series can be judged."""

    OK = "ok"
    WARMING_UP = "warming_up"
    TOO_SPARSE = "too_sparse"


@dataclass(frozen=True)
class Fit:
    """One row of `fits`. `parameters` is what `series.expected.judge` reads; empty of rates where status is not ok."""

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


@dataclass(frozen=True)
class _Rates:
    """Per series and seasonal group: share of negatives; and the spread."""

    by_group: Array  # (S, G)
    rho: Array  # (S,)
    phi: Array  # (S,)
    weights: Array  # (S, T), of past outbreaks
    level: Array  # (S,)


def fit(
    frame: pd.DataFrame, grain: str, at: datetime, model_version: str = "", since: datetime | None = None
) -> list[Fit]:
    """A fit for every series in `frame`, from the buckets before `at` (less the guard band) and no other.

    `frame`: scope, key, bucket_start, story_count, negative_stories of one grain and model version; buckets that are
    not there had no story. `since`: the first bucket of the store (default: of the frame); a store younger than two
    weeks (hourly) or four (daily) is warming up, a series with under 40 stories is too sparse.
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
    recency = np.exp(-(length - np.arange(length)) / RECENCY[grain])
    found = rates(y, n, group, scopes, recency, GROUPS[grain])
    stories, buckets = n.sum(axis=1), (n > 0).sum(axis=1)
    young = at - began < LEAST_PAST[grain]
    status = [
        Status.WARMING_UP
        if young
        else Status.OK
        if s >= LEAST_STORIES and b >= LEAST_BUCKETS[grain]
        else Status.TOO_SPARSE
        for s, b in zip(stories, buckets, strict=True)
    ]
    ok = np.array([s is Status.OK for s in status])
    curves = _calibration(y, n, group, found, scopes, ok)
    return [
        Fit(
            str(series["scope"][i]),
            str(series["key"][i]),
            grain,
            model_version,
            at,
            status[i],
            int(buckets[i]),
            _parameters(found, i, float(stories[i]), curves[scopes[i]])
            if ok[i]
            else {"stories": float(stories[i]), "began": began.isoformat()},
        )
        for i in range(len(series))
    ]


def rates(
    y: Array,
    n: Array,
    group: NDArray[np.int64],
    scopes: NDArray[np.int64],
    recency: Array,
    groups: int,
    passes: int = 3,
) -> _Rates:
    """Shares by seasonal group and their spread, for S series over T buckets; past outbreaks weigh less each pass.

    y, n: (S, T) negative and all stories. group: (T,). scopes: (S,) number of the scope of each series.
    """
    season, belongs = _membership(group, groups), _membership(scopes, int(scopes.max()) + 1)
    outbreak = np.ones_like(y)
    for _ in range(passes):
        weight = outbreak * recency
        by_group = _shares((weight * y) @ season, (weight * n) @ season, belongs)
        mean = n * by_group[:, group]
        free = mean * (1 - by_group[:, group])
        square, extra = (weight * (y - mean) ** 2), weight * free * np.maximum(n - 1, 0)
        over, room = square.sum(axis=1) - (weight * free).sum(axis=1), extra.sum(axis=1)
        pooled = (belongs.T @ over) / np.maximum(belongs.T @ room, 1e-9)
        strength = RHO_STORIES * (recency.mean() * 0.2)
        rho = (over + strength * np.maximum(pooled, 0)[scopes]) / (room + strength)
        rho = np.clip(rho, LEAST_RHO, 0.5)
        deviation = np.sqrt(free * (1 + np.maximum(n - 1, 0) * rho[:, None]))
        residual = np.divide(y - mean, deviation, out=np.zeros_like(y), where=deviation > 0)
        outbreak = np.where(residual > OUTBREAK, (np.maximum(residual, OUTBREAK) / OUTBREAK) ** -2.0, 1.0)
    phi = square.sum(axis=1) / np.maximum((weight * free).sum(axis=1), 1e-9)
    late = outbreak * recency**4
    level = ((late * y).sum(axis=1) + LEVEL_NEGATIVES) / ((late * mean).sum(axis=1) + LEVEL_NEGATIVES)
    level = np.clip(level, *LEVEL_RANGE)
    return _Rates(np.clip(by_group * level[:, None], 1e-4, 0.95), rho, phi, outbreak, level)


def _membership(of: NDArray[np.int64], groups: int) -> csr_array:
    # Sparse not for its size: a dense product goes to BLAS, whose threads crawl where the cores are shared.
    return csr_array((np.ones(of.size), (np.arange(of.size), of)), shape=(of.size, groups))


def _shares(num: Array, den: Array, belongs: csr_array) -> Array:
    """(S, G) shares: each series shrunk to its scope, each season to the series times the scope's pattern."""
    of_scope_y, of_scope_n = belongs.T @ num, belongs.T @ den
    whole = (of_scope_y.sum(axis=1) + 1) / (of_scope_n.sum(axis=1) + 5)
    pattern = (of_scope_y + SCOPE_STORIES * whole[:, None]) / (of_scope_n + SCOPE_STORIES) / whole[:, None]
    base = belongs @ whole
    own = (num.sum(axis=1) + SERIES_STORIES * base) / (den.sum(axis=1) + SERIES_STORIES)
    prior = np.clip(own[:, None] * (belongs @ pattern), 1e-4, 0.95)
    return np.asarray((num + SEASON_STORIES * prior) / (den + SEASON_STORIES))


def _calibration(
    y: Array, n: Array, group: NDArray[np.int64], found: _Rates, scopes: NDArray[np.int64], ok: NDArray[np.bool_]
) -> list[dict[str, list[float]]]:
    """Per scope: how often clean buckets of the past really were as unusual as a level says."""
    curves: list[dict[str, list[float]]] = []
    share = (found.by_group / found.level[:, None])[:, group]
    for scope in range(int(scopes.max()) + 1):
        rows = np.flatnonzero((scopes == scope) & ok)
        used = (n[rows] >= _STRATUM) & (found.weights[rows] > (_CLEAN / OUTBREAK) ** -2.0)
        at, when = np.nonzero(used)
        rows = rows[at]
        if not rows.size:
            curves.append({"p": [], "actual": []})
            continue
        p = mid_p(y[rows, when], n[rows, when], share[rows, when], found.rho[rows])
        levels = [level for level in LEVELS if level * rows.size >= 5]
        actual = [(float((p <= level).sum()) + 2) / (level * rows.size + 2) * level for level in levels]
        curves.append({"p": levels, "actual": [round(value, 7) for value in actual]})
    return curves


def _parameters(found: _Rates, i: int, stories: float, curve: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "family": "beta-binomial",
        "rates": [round(float(rate), 6) for rate in found.by_group[i]],
        "rho": round(float(found.rho[i]), 6),
        "phi": round(float(found.phi[i]), 4),
        "level": round(float(found.level[i]), 4),
        "stories": stories,
        "calibration": curve,
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
