"""Rules of kind `negative_share`: buckets, and runs of them, with more negatives than a fit expects. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.detect.bursts import OPEN_LOOKS, Alarm, Runs, added, alarms, log_ratio, of_late, run_p
from pipeline.detect.excess import MARKET, excess_p
from pipeline.detect.findings import Finding, Labels, tier_in
from pipeline.detect.fits import BUCKET, Status
from pipeline.detect.rules import Rule, Rules
from pipeline.incidents import Detection
from pipeline.series.distribution import quantiles
from pipeline.series.expected import GROUPS, RANGE, calibrated, group_of, mid_p, z_of
from pipeline.watchlists import WatchLists

__all__ = ["Grid", "Judged", "findings", "judged", "recalibrated"]

Array = NDArray[np.float64]
Curve = Mapping[str, list[float]]

_EVEN: Curve = {"p": [], "actual": []}
# The least part of an open bucket that it is judged by.
_LEAST_OPEN = 0.05


@dataclass(frozen=True)
class Grid:
    """The judged series of one grain over all buckets from the first to the last, without gaps.

    `place` (S, T): number of the row in `rows`, −1 where nothing was told. `ratios` (K, S, T): see `bursts`; NaN where
    no fit is, and before the first row of a series. `own` (S, T): p of each bucket by itself. `curves`: recalibrations
    of runs, `which` (S, T) holds where. `market` (3, T): its stories, negatives and expected negatives, NaN where it
    cannot be judged.
    """

    series: pd.DataFrame
    place: NDArray[np.int64]
    y: Array
    n: Array
    open: NDArray[np.bool_]
    ratios: Array
    own: Array
    curves: list[Curve]
    which: NDArray[np.int64]
    market: Array
    grain: str

    def alarms(self, rows: NDArray[np.int64], limit: float, runs: Runs) -> list[Alarm]:
        """Of some rows; `series` of an alarm counts among these rows."""

        def p_of(score: Array, t: int) -> Array:
            p = run_p(score, self.grain)
            for number in np.unique(self.which[rows, t]):
                same = self.which[rows, t] == number
                p[same] = calibrated(p[same], self.curves[number]["p"], self.curves[number]["actual"])
            # The looks at an open bucket share one error budget.
            return np.minimum(p * OPEN_LOOKS, 1.0) if self.open[t] else p

        own = self.own[rows] * np.where(self.open, OPEN_LOOKS, 1.0)
        return alarms(self.ratios[:, rows], self.y[rows], self.n[rows], limit, p_of, runs, own)


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
    grids: Mapping[str, Grid]


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
    grids: dict[str, Grid] = {}
    for grain in GROUPS:
        ok = np.flatnonzero((rows["grain"] == grain) & (rows["status"] == Status.OK.value))
        if ok.size:
            grids[grain] = _judge_grain(rows, ok, grain, fits, parameters, now)
    return Judged(rows, fits, parameters, now, grids)


def _judge_grain(
    rows: pd.DataFrame,
    ok: NDArray[np.int64],
    grain: str,
    fits: pd.DataFrame,
    known: dict[int, dict[str, Any]],
    now: datetime,
) -> Grid:
    part = rows.iloc[ok]
    series = part[["scope", "key"]].drop_duplicates().sort_values(["scope", "key"]).reset_index(drop=True)
    of_series = pd.MultiIndex.from_frame(series)
    here = fits[(fits["grain"] == grain) & (fits["status"] == Status.OK.value)]
    owner = of_series.get_indexer(pd.MultiIndex.from_frame(here[["scope", "key"]]))
    here, owner = here[owner >= 0], owner[owner >= 0]
    # In a backtest one fit stands for several days.
    told = {text: json.loads(text) for text in here["parameters"].unique()}
    parsed = [told[text] for text in here["parameters"]]
    known.update(zip(here["fit"].tolist(), parsed, strict=True))

    starts = pd.DatetimeIndex(pd.to_datetime(part["bucket_start"], utc=True))
    grid = pd.date_range(starts.min(), starts.max(), freq=BUCKET[grain])
    row, column = of_series.get_indexer(pd.MultiIndex.from_frame(part[["scope", "key"]])), grid.get_indexer(starts)
    days, day = np.unique(grid.floor("D"), return_inverse=True)
    made_for = pd.DatetimeIndex(days, tz="UTC").get_indexer(
        pd.DatetimeIndex(pd.to_datetime(here["fitted_for"], utc=True))
    )
    by_day = np.full((len(series), len(days)), -1)
    by_day[owner[made_for >= 0], made_for[made_for >= 0]] = np.flatnonzero(made_for >= 0)
    fit, group = by_day[:, day], group_of(grid, grain)

    share = np.array([one["rates"] for one in parsed])[fit, group]
    rho = np.array([one["rho"] for one in parsed])[fit]
    without = [np.nan] * GROUPS[grain]
    volume = np.array([one.get("volumes", without) for one in parsed])[fit, group]
    shape = np.array([one.get("shape", np.nan) for one in parsed])[fit]

    place = np.full(fit.shape, -1)
    place[row, column] = ok
    # A series begins with its own first bucket, so that it is judged alone as it is among others.
    volume = np.where((fit >= 0) & (place >= 0).cumsum(axis=1).astype(bool), volume, np.nan)
    y, n = np.zeros(fit.shape), np.zeros(fit.shape)
    y[row, column] = part["negative_stories"].to_numpy(dtype=np.float64)
    n[row, column] = part["story_count"].to_numpy(dtype=np.float64)
    elapsed = np.asarray((pd.Timestamp(now) - grid) / pd.Timedelta(BUCKET[grain]), dtype=np.float64)
    so_far = of_late(y, n, volume, shape, share, grain) * np.clip(elapsed, _LEAST_OPEN, 1.0)
    ratios = log_ratio(y, n, so_far, shape, share, rho, added(share, so_far, grain, elapsed))

    p = mid_p(y[row, column], n[row, column], share[row, column], rho[row, column])
    p = recalibrated(p, [parsed[one] for one in fit[row, column]])
    own = np.ones(fit.shape)
    own[row, column] = np.where(np.isnan(volume[row, column]), 1.0, p)
    expected = n[row, column] * share[row, column]
    usual = {"rate": share[row, column], "rho": rho[row, column], "expected": expected}
    for name, values in (usual | {"p_value": p, "z": z_of(p)}).items():
        whole = rows[name].to_numpy(copy=True)
        whole[ok] = values
        rows[name] = whole
    curves, which = _curves(parsed)
    which = np.where(fit >= 0, which[fit], 0)
    market = np.full((3, len(grid)), np.nan)
    for i in of_series.get_indexer(pd.MultiIndex.from_tuples([MARKET])):
        if i >= 0:
            market = np.stack([n[i], y[i], np.where(fit[i] >= 0, n[i] * share[i], np.nan)])
    return Grid(series, place, y, n, elapsed < 1, ratios, own, curves, which, market, grain)


def _curves(parsed: list[dict[str, Any]]) -> tuple[list[Curve], NDArray[np.int64]]:
    """The recalibrations of runs that differ, and the number of that of each fit."""
    numbers: dict[str, int] = {}
    which = [numbers.setdefault(json.dumps(one.get("run_calibration", _EVEN)), len(numbers)) for one in parsed]
    return [json.loads(text) for text in numbers], np.array(which, dtype=np.int64)


def recalibrated(p: Array, parameters: list[dict[str, Any]]) -> Array:
    """Each p by the curve of its fit."""
    places: dict[tuple[float, ...], list[int]] = {}
    for i, one in enumerate(parameters):
        places.setdefault(tuple(one["calibration"]["actual"]), []).append(i)
    out = p.copy()
    for of_one in places.values():
        curve = parameters[of_one[0]]["calibration"]
        out[of_one] = calibrated(p[of_one], curve["p"], curve["actual"])
    return out


def findings(
    all_: Judged, rule: Rule, rules: Rules, labels: Labels, watchlists: WatchLists, oldest: datetime
) -> Iterator[Finding]:
    """What the rule finds, per series in order of time; buckets that ended at `oldest` or before find nothing."""
    grid = all_.grids.get(rule.grain)
    if grid is None:
        return
    keys = grid.series["key"].where(grid.series["scope"] == rule.scope)
    wanted = {i: (str(key), tier_in(watchlists, rule, str(key))) for i, key in keys.dropna().items()}
    chosen = np.array([i for i, (key, tier) in wanted.items() if rule.selects(key, tier)], dtype=np.int64)
    if not chosen.size:
        return
    look = _Look(all_, grid, rule, rules, labels, watchlists)
    runs = Runs(chosen.size, rule.grain, rule.min_negative, rule.min_stories)
    found = grid.alarms(chosen, rule.p_limit, runs)
    for alarm in sorted(found, key=lambda one: (one.series, one.last)):
        row = int(chosen[alarm.series])
        places = grid.place[row, alarm.first : alarm.last + 1]
        part = all_.rows.iloc[places[places >= 0]]
        finding = _finding(look, *wanted[row], part, alarm)
        if finding.end > oldest:
            yield finding


def _excess(part: pd.DataFrame, grid: Grid, alarm: Alarm, parameters: Mapping[str, Any]) -> float | None:
    counts = part[["story_count", "negative_stories", "expected"]].to_numpy(dtype=np.float64).T
    p = excess_p(counts, grid.market[:, alarm.first : alarm.last + 1], float(part["rho"].iloc[-1]))
    if p is None:
        return None
    curve = parameters["calibration"]
    return float(calibrated(np.array([p]), curve["p"], curve["actual"])[0])


def _how(alarm: Alarm, grid: Grid) -> str:
    if alarm.first < alarm.last:
        return "run of buckets"
    return "open bucket" if grid.open[alarm.last] else "bucket"


@dataclass(frozen=True)
class _Look:
    """What a rule looks at, and by what its findings are named and graded."""

    judged: Judged
    grid: Grid
    rule: Rule
    rules: Rules
    labels: Labels
    watchlists: WatchLists


def _finding(look: _Look, key: str, tier: int | None, part: pd.DataFrame, alarm: Alarm) -> Finding:
    rule, fits, known = look.rule, look.judged.fits, look.judged.parameters
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
        label=look.labels.of(rule.scope, key),
        severity=look.rules.severity_of(rule, effect=y / max(expected, 0.5), owners=owners, tier=tier),
        summary=f"{y} of {n} stories negative; usual {usual}, range {low_}–{high_}",
        bucket_start=start,
        seen_until=end,
        model_version=str(last["model_version"]),
        size=y,
        owners=owners,
        single_source=False,
    )
    fit = int(last["fit"])
    row = fits.iloc[fit]
    coverage = part["coverage"].min()
    numbers = {
        "coverage": None if pd.isna(coverage) else round(float(coverage), 4),
        "excess_p": _excess(part, look.grid, alarm, known[fit]) if rule.scope != MARKET[0] else None,
        "expected": round(expected, 4),
        "fit": {
            "fit_id": row["fit_id"],
            "fitted_for": pd.Timestamp(row["fitted_for"]).isoformat(),
            "n_baseline": int(row["n_baseline"]),
            "parameters": known[fit],
        },
        "found_in": _how(alarm, look.grid),
        "high": high_,
        "low": low_,
        "negative_stories": y,
        "news_volume": int(part["news_volume"].sum()),
        "owners": owners,
        "p_limit": rule.p_limit,
        "p_value": alarm.p,
        "story_count": n,
        # Of any list, whichever the rule looks at: a name of tier one is never taken for a part of something wider.
        "tier": look.watchlists.tier_of(key),
        "usual": usual,
    }
    as_of = pd.Timestamp(part["counted_at"].max()).to_pydatetime()
    return Finding(rule, detection, start, end, numbers, as_of=as_of)
