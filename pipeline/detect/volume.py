"""Rules of kind `volume`: more stories in a bucket than the series' own past explains. Informational, and pure.

Stories of a bucket are taken as negative binomial: mean μ by seasonal group, variance μ + αμ² (Lawless 1987, Canadian
Journal of Statistics 15, 209–225), both by weighted moments; past surges weigh less after Noufaily et al. (2013).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import nbinom

from pipeline.detect.findings import Finding, Labels, tier_in
from pipeline.detect.fits import BUCKET, GUARD, LEAST_PAST, WINDOW
from pipeline.detect.rules import Rule, Rules
from pipeline.incidents import Detection
from pipeline.series.expected import GROUPS, RANGE, group_of
from pipeline.watchlists import WatchLists

__all__ = ["Usual", "findings", "usual"]

Array = NDArray[np.float64]

# Buckets after which a past one weighs 1/e; Noufaily's threshold for a past outbreak, in standard deviations.
_RECENCY, _OUTBREAK = {"hour": 4 * 168.0, "day": 60.0}, 2.58
# Strength of the shrinkage of a seasonal group to the series' mean times the scope's pattern, in buckets.
_SEASON_BUCKETS = 4.0
_LEAST_MEAN, _ALPHA = 1e-3, (0.01, 10.0)


@dataclass(frozen=True)
class Usual:
    """Per series (`place`: (scope, key) to row) and group: stories of a bucket (S, G), and their spread α (S,)."""

    grain: str
    place: dict[tuple[str, str], int]
    mean: Array
    alpha: Array
    at: datetime

    def of(self, rows: pd.DataFrame) -> tuple[Array, Array]:
        """μ and α of each bucket; NaN for a series that had no story in the past."""
        pairs = zip(rows["scope"], rows["key"], strict=True)
        place = np.array([self.place.get(pair, -1) for pair in pairs], dtype=np.int64)
        if not self.place:
            return np.full(place.size, np.nan), np.full(place.size, np.nan)
        mean = self.mean[place, group_of(rows["bucket_start"], self.grain)]
        return np.where(place < 0, np.nan, mean), np.where(place < 0, np.nan, self.alpha[place])


def usual(past: pd.DataFrame, grain: str, at: datetime, began: datetime | None) -> Usual:
    """What is usual for every series in `past` (scope, key, bucket_start, story_count; no row: no story) before `at`.

    `began`: the first bucket of the store. While it is young nothing is usual yet, and nothing is found.
    """
    nothing = Usual(grain, {}, np.empty((0, GROUPS[grain])), np.empty(0), at)
    starts = pd.to_datetime(past["bucket_start"], utc=True)
    stop = at - GUARD[grain] * BUCKET[grain]
    past = past[(starts < stop) & (starts >= at - WINDOW[grain])]
    if past.empty or began is None or at - began < LEAST_PAST[grain]:
        return nothing
    starts = pd.to_datetime(past["bucket_start"], utc=True)
    first, width = starts.min(), pd.Timedelta(BUCKET[grain])
    length = int((stop - first) // width)
    series = past[["scope", "key"]].drop_duplicates().sort_values(["scope", "key"]).reset_index(drop=True)
    row = pd.MultiIndex.from_frame(series).get_indexer(pd.MultiIndex.from_frame(past[["scope", "key"]]))
    n = np.zeros((len(series), length))
    n[row, ((starts - first) // width).to_numpy(dtype=np.int64)] = past["story_count"].to_numpy(dtype=np.float64)
    grid = pd.date_range(first, periods=length, freq=width)
    group = group_of(grid.to_numpy(), grain)
    recency = np.exp(-(length - np.arange(length)) / _RECENCY[grain])
    scopes = pd.factorize(series["scope"])[0]
    mean, alpha = _moments(n, group, scopes, recency, GROUPS[grain])
    pairs = zip(series["scope"].astype(str), series["key"].astype(str), strict=True)
    return Usual(grain, {pair: i for i, pair in enumerate(pairs)}, mean, alpha, at)


def _moments(
    n: Array, group: NDArray[np.int64], scopes: NDArray[np.int64], recency: Array, groups: int
) -> tuple[Array, Array]:
    """(S, G) means and (S,) α of counts n (S, T), surges weighing less each pass."""
    weight = np.broadcast_to(recency, n.shape)
    belongs = [np.flatnonzero(scopes == scope) for scope in range(int(scopes.max()) + 1)]
    seasons = [np.flatnonzero(group == g) for g in range(groups)]
    for _ in range(3):
        num = np.column_stack([(weight[:, at] * n[:, at]).sum(axis=1) for at in seasons])
        den = np.column_stack([weight[:, at].sum(axis=1) for at in seasons])
        own = num.sum(axis=1) / np.maximum(den.sum(axis=1), 1e-9)
        pattern = np.ones((len(n), groups))
        for rows in belongs:
            base = num[rows].sum() / max(den[rows].sum(), 1e-9)
            shares = num[rows].sum(axis=0) / np.maximum(den[rows].sum(axis=0), 1e-9)
            pattern[rows] = np.where(den[rows].sum(axis=0) > 0, shares / max(base, 1e-9), 1.0)
        prior = own[:, None] * pattern
        mean = np.maximum((num + _SEASON_BUCKETS * prior) / (den + _SEASON_BUCKETS), _LEAST_MEAN)
        mu = mean[:, group]
        room = (weight * mu**2).sum(axis=1)
        alpha = np.clip((weight * ((n - mu) ** 2 - mu)).sum(axis=1) / room, *_ALPHA)
        residual = (n - mu) / np.sqrt(mu + alpha[:, None] * mu**2)
        surge = np.where(residual > _OUTBREAK, (np.maximum(residual, _OUTBREAK) / _OUTBREAK) ** -2.0, 1.0)
        weight = surge * recency
    return mean, alpha


def findings(
    rows: pd.DataFrame,
    known: Usual,
    rule: Rule,
    rules: Rules,
    labels: Labels,
    watchlists: WatchLists,
    oldest: datetime,
) -> Iterator[Finding]:
    """Buckets with more stories than usual, in order of time.

    An open bucket is held against what a full one usually brings, so that no look at it comes too early.
    """
    part = rows[(rows["scope"] == rule.scope) & (rows["grain"] == rule.grain)]
    part = part[part["story_count"] >= max(rule.min_stories, 1)]
    tiers = {str(key): tier_in(watchlists, rule, str(key)) for key in part["key"].unique()}
    part = part[part["key"].map({key: rule.selects(key, tier) for key, tier in tiers.items()}).astype(bool)]
    part = part.sort_values(["bucket_start", "key"])
    mean, alpha = known.of(part)
    n = part["story_count"].to_numpy(dtype=np.float64)
    with np.errstate(invalid="ignore"):
        tail = nbinom(1 / alpha, 1 / (1 + alpha * mean))
        p = np.asarray(tail.sf(n) + tail.pmf(n) / 2)
        hits = np.flatnonzero((p <= rule.p_limit) & (n > mean))
    for i in hits:
        finding = _finding(
            part.iloc[i], float(mean[i]), float(alpha[i]), float(p[i]), known, rule, rules, labels, tiers
        )
        if finding.end > oldest:
            yield finding


def _finding(
    row: pd.Series,
    mean: float,
    alpha: float,
    p: float,
    known: Usual,
    rule: Rule,
    rules: Rules,
    labels: Labels,
    tiers: dict[str, int | None],
) -> Finding:
    key, n, owners = str(row["key"]), int(row["story_count"]), int(row["owners"])
    start = pd.Timestamp(row["bucket_start"]).to_pydatetime()
    end = start + BUCKET[rule.grain]
    low, high = (int(x) for x in nbinom(1 / alpha, 1 / (1 + alpha * mean)).ppf(RANGE))
    detection = Detection(
        rule=rule.name,
        kind=rule.kind.value,
        scope=rule.scope,
        key=key,
        label=labels.of(rule.scope, key),
        severity=rules.severity_of(rule, effect=n / max(mean, 0.5), owners=owners, tier=tiers[key]),
        summary=f"{n} stories; usual {round(mean)}, range {low}–{high}",
        bucket_start=start,
        seen_until=end,
        model_version=str(row["model_version"]),
        size=n,
        owners=owners,
    )
    coverage = row["coverage"]
    numbers = {
        "alpha": round(alpha, 6),
        "coverage": None if pd.isna(coverage) else round(float(coverage), 4),
        "expected": round(mean, 4),
        "fitted_for": known.at.isoformat(),
        "high": high,
        "low": low,
        "negative_stories": int(row["negative_stories"]),
        "news_volume": int(row["news_volume"]),
        "owners": owners,
        "p_limit": rule.p_limit,
        "p_value": p,
        "story_count": n,
        "usual": round(mean),
    }
    return Finding(rule, detection, start, end, numbers, as_of=pd.Timestamp(row["counted_at"]).to_pydatetime())
