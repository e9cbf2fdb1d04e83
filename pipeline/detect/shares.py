"""Rules of kind `negative_share`: buckets, and evidence piled up over buckets, beyond what a fit expects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect.findings import Finding, Labels, tier_in
from pipeline.detect.fits import BUCKET, Status
from pipeline.detect.rules import Rule, Rules
from pipeline.incidents import Detection
from pipeline.series.distribution import quantiles
from pipeline.series.expected import GROUPS, RANGE, calibrated, group_of, mid_p, z_of
from pipeline.watchlists import WatchLists

__all__ = ["OPEN_LOOKS", "Judged", "cusum_p", "findings", "judged"]

Array = NDArray[np.float64]

# An open bucket is looked at every few minutes. The looks share one error budget: they hang together so closely
# that a sixth of it for each is about what all of them need.
OPEN_LOOKS = 6
# CUSUM: what each bucket must exceed to add up, and how far one bucket can push.
ALLOWANCE, PUSH = 0.75, (-3.0, 6.0)
# P(C ≥ c) of that sum over standard normal scores: .45 e^(−1.5 c), from simulation (4 million steps, c = 1 … 6).
_CUSUM_FACTOR = 0.45


@dataclass(frozen=True)
class Judged:
    """All buckets of the horizon beside what was expected of them, and the fits they were judged by.

    `rows`: scope, key, grain, bucket_start, story_count, negative_stories, news_volume, owners, coverage, counted_at,
    status, fit (number in `fits`), rate, rho, expected, p_value, z, open.
    """

    rows: pd.DataFrame
    fits: pd.DataFrame
    parameters: dict[int, dict[str, Any]]
    now: datetime


def judged(trends: pd.DataFrame, fits: pd.DataFrame, now: datetime) -> Judged:
    """Each bucket judged by the fit made for its own day; those without one keep NaN and say why in `status`."""
    fits = fits.reset_index(drop=True).assign(fit=lambda f: np.arange(len(f)))
    rows = trends.copy()
    rows["fitted_for"] = pd.to_datetime(rows["bucket_start"], utc=True).dt.floor("D").astype("datetime64[us, UTC]")
    keyed = fits[["scope", "key", "grain", "fitted_for", "status", "fit"]]
    keyed = keyed.assign(fitted_for=pd.to_datetime(keyed["fitted_for"], utc=True).astype("datetime64[us, UTC]"))
    rows = rows.merge(keyed, on=["scope", "key", "grain", "fitted_for"], how="left")
    rows["status"] = rows["status"].fillna(Status.WARMING_UP.value)
    width = rows["grain"].map(BUCKET)
    rows["open"] = pd.to_datetime(rows["bucket_start"], utc=True) + pd.to_timedelta(width) > pd.Timestamp(now)
    for name in ("rate", "rho", "expected", "p_value", "z"):
        rows[name] = np.nan
    parameters: dict[int, dict[str, Any]] = {}
    for grain in GROUPS:
        ok = np.flatnonzero((rows["grain"] == grain) & (rows["status"] == Status.OK.value))
        if ok.size:
            _judge_grain(rows, ok, grain, fits, parameters)
    return Judged(rows, fits, parameters, now)


def _judge_grain(
    rows: pd.DataFrame, ok: NDArray[np.int64], grain: str, fits: pd.DataFrame, known: dict[int, dict[str, Any]]
) -> None:
    part = rows.iloc[ok]
    used, place = np.unique(part["fit"].to_numpy(dtype=np.int64), return_inverse=True)
    parsed = [json.loads(text) for text in fits["parameters"].iloc[used]]
    known.update(zip(used.tolist(), parsed, strict=True))
    rates = np.array([one["rates"] for one in parsed])
    rho = np.array([one["rho"] for one in parsed])[place]
    rate = rates[place, group_of(part["bucket_start"], grain)]
    n, y = part["story_count"].to_numpy(dtype=np.float64), part["negative_stories"].to_numpy(dtype=np.float64)
    p = mid_p(y, n, rate, rho)
    curves = [json.dumps(one["calibration"]) for one in parsed]
    of_row = np.array(curves, dtype=object)[place]
    for curve in set(curves):
        same = of_row == curve
        table = json.loads(curve)
        p[same] = calibrated(p[same], table["p"], table["actual"])
    for name, values in (("rate", rate), ("rho", rho), ("expected", n * rate), ("p_value", p), ("z", z_of(p))):
        column = rows[name].to_numpy(copy=True)
        column[ok] = values
        rows[name] = column


def findings(
    all_: Judged, rule: Rule, rules: Rules, labels: Labels, watchlists: WatchLists, oldest: datetime
) -> Iterator[Finding]:
    """What the rule finds, per series in order of time; buckets that ended at `oldest` or before find nothing."""
    rows = all_.rows
    rows = rows[(rows["scope"] == rule.scope) & (rows["grain"] == rule.grain) & (rows["status"] == Status.OK.value)]
    wanted = {key: tier_in(watchlists, rule, key) for key in rows["key"].unique()}
    chosen = [rule.selects(str(key), wanted[key]) for key in rows["key"]]
    rows = rows[np.array(chosen, dtype=bool)].sort_values(["key", "bucket_start"])
    hits: list[tuple[str, pd.DataFrame, float, str]] = []
    for key, series in rows.groupby("key", sort=True):
        hits += [(str(key), part, p, how) for part, p, how in _hits(series, rule)]
    for key, part, p, how in hits:
        finding = _finding(key, part, p, how, all_, rule, rules, labels, wanted[key])
        if finding.end > oldest:
            yield finding


def cusum_p(c: float) -> float:
    """The chance that the sum stands this high when nothing is unusual."""
    return min(_CUSUM_FACTOR * float(np.exp(-2 * ALLOWANCE * c)), 1.0) if c > 0 else 1.0


def _hits(series: pd.DataFrame, rule: Rule) -> Iterator[tuple[pd.DataFrame, float, str]]:
    """Buckets, and runs of closed buckets, over the rule's limit."""
    limit = rule.p_limit / 2
    gaps = _gaps(series, rule)
    total, start = 0.0, 0
    for i, (z, p, n, y, expected, is_open) in enumerate(
        zip(*(series[c] for c in ("z", "p_value", "story_count", "negative_stories", "expected", "open")), strict=True)
    ):
        enough = n >= rule.min_stories and y >= rule.min_negative and y > expected
        if enough and p <= (limit / OPEN_LOOKS if is_open else limit):
            yield series.iloc[i : i + 1], float(p), "open bucket" if is_open else "bucket"
            total = 0.0
            continue
        if is_open:
            continue
        fading = max(total - ALLOWANCE * gaps[i], 0.0)
        start = start if fading > 0 else i
        total = max(0.0, fading + float(np.clip(z, *PUSH)) - ALLOWANCE)
        run = series.iloc[start : i + 1]
        if z > 0 and len(run) > 1 and cusum_p(total) <= limit and _enough(run, rule):
            yield run, cusum_p(total), "run of buckets"
            total = 0.0


def _enough(run: pd.DataFrame, rule: Rule) -> bool:
    negative = run["negative_stories"].sum()
    return bool(
        run["story_count"].sum() >= rule.min_stories
        and negative >= rule.min_negative
        and negative > run["expected"].sum()
    )


def _gaps(series: pd.DataFrame, rule: Rule) -> NDArray[np.int64]:
    """Buckets without a row before each one: nothing was told in them, and the sum fades."""
    starts = pd.to_datetime(series["bucket_start"], utc=True)
    steps = (starts.diff() // pd.Timedelta(BUCKET[rule.grain])).fillna(1)
    return np.asarray(steps.to_numpy(dtype=np.int64) - 1)


def _finding(
    key: str,
    part: pd.DataFrame,
    p: float,
    how: str,
    all_: Judged,
    rule: Rule,
    rules: Rules,
    labels: Labels,
    tier: int | None,
) -> Finding:
    last = part.iloc[-1]
    start = pd.Timestamp(part["bucket_start"].iloc[0]).to_pydatetime()
    end = pd.Timestamp(last["bucket_start"]).to_pydatetime() + BUCKET[rule.grain]
    n, y = int(part["story_count"].sum()), int(part["negative_stories"].sum())
    expected = float(part["expected"].sum())
    # A run is shown by the range of one bucket of its size at its mean share.
    rate = np.array([expected / n])
    low, high = quantiles(np.array([float(n)]), rate, np.array([float(last["rho"])]), *RANGE)
    owners = int(part["owners"].max())
    usual, low_, high_ = round(expected), int(low[0]), int(high[0])
    detection = Detection(
        rule=rule.name,
        kind=rule.kind.value,
        scope=rule.scope,
        key=key,
        label=labels.of(rule.scope, key),
        severity=rules.severity_of(rule, effect=y / max(expected, 0.5), owners=owners, tier=tier),
        summary=f"{y} of {n} stories negative; usual {usual}, range {low_}–{high_}",
        bucket_start=start,
        seen_until=end,
        model_version=str(last["model_version"]),
        size=y,
        owners=owners,
        single_source=False,
    )
    fit = int(last["fit"])
    row = all_.fits.iloc[fit]
    coverage = part["coverage"].min()
    numbers = {
        "coverage": None if pd.isna(coverage) else round(float(coverage), 4),
        "expected": round(expected, 4),
        "fit": {
            "fit_id": row["fit_id"],
            "fitted_for": pd.Timestamp(row["fitted_for"]).isoformat(),
            "n_baseline": int(row["n_baseline"]),
            "parameters": all_.parameters[fit],
        },
        "found_in": how,
        "high": high_,
        "low": low_,
        "negative_stories": y,
        "news_volume": int(part["news_volume"].sum()),
        "owners": owners,
        "p_limit": rule.p_limit,
        "p_value": p,
        "story_count": n,
        "usual": usual,
    }
    as_of = pd.Timestamp(part["counted_at"].max()).to_pydatetime()
    return Finding(rule, detection, start, end, numbers, as_of=as_of)
