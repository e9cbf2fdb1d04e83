"""Fits against statsmodels, p-values against the uniform they should be, and what a fit may not see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pipeline.detect.baseline import baseline
from pipeline.detect.fits import Status, fit
from pipeline.series.expected import calibrated, group_of, judge

START = datetime(2025, 6, 2, tzinfo=UTC)


def series(
    rng: np.random.Generator, key: str, days: int, volume: float, share: float, rho: float, grain: str = "day"
) -> pd.DataFrame:
    size = days if grain == "day" else 24 * days
    n = rng.poisson(volume * rng.gamma(4, 1 / 4, size))
    drawn = rng.beta(share * (1 / rho - 1), (1 - share) * (1 / rho - 1), size)
    return pd.DataFrame(
        {
            "bucket_start": pd.date_range(START, periods=size, freq="D" if grain == "day" else "h"),
            "scope": "sector",
            "key": key,
            "story_count": n,
            "negative_stories": rng.binomial(n, drawn),
        }
    )


def test_shares_and_dispersion_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(11)
    frame = series(rng, "a", 180, 400, 0.2, 0.01)
    group = group_of(frame["bucket_start"], "day")
    more = series(rng, "a", 180, 400, 0.3, 0.01)
    frame.loc[group == 1, ["story_count", "negative_stories"]] = more.loc[
        group == 1, ["story_count", "negative_stories"]
    ]
    y, n = frame["negative_stories"].to_numpy(float), frame["story_count"].to_numpy(float)
    recency = np.exp(-(180 - np.arange(180)) / 60)
    found = baseline(y[None], n[None], group, np.zeros(1, np.int64), recency, 2, passes=12)
    some = n > 0
    # Quasi-likelihood: a bucket of n stories weighs as many as its correlation leaves of them.
    weights = recency * found.outbreak[0] / (1 + (n - 1).clip(0) * found.rho[0])
    model = sm.GLM(
        np.column_stack([y, n - y])[some],
        np.eye(2)[group][some],
        family=sm.families.Binomial(),
        var_weights=weights[some],
    ).fit()
    oracle = 1 / (1 + np.exp(-model.params))
    # What remains is the shrinkage of each season to the whole.
    assert found.share[0] / found.level[0] == pytest.approx(oracle, rel=0.03)
    assert oracle[0] < found.share[0, 0] / found.level[0] < found.share[0, 1] / found.level[0] < oracle[1]
    mean = oracle[group]
    pearson = (y - n * mean)[some] ** 2 / (n * mean * (1 - mean))[some]
    assert model.pearson_chi2 == pytest.approx((weights[some] * pearson).sum(), rel=1e-6)
    told = (recency * found.outbreak[0])[some]
    assert found.phi[0] == pytest.approx((told * pearson).sum() / told.sum(), rel=0.35)
    assert found.rho[0] == pytest.approx(0.01, rel=0.4)


@pytest.mark.parametrize(("grain", "days", "volume"), [("day", 220, 30.0), ("hour", 60, 12.0)])
def test_p_values_of_clean_buckets_are_about_uniform(grain: str, days: int, volume: float) -> None:
    rng = np.random.default_rng(12)
    frame = pd.concat([series(rng, f"k{i}", days, volume, 0.15 + 0.02 * i, 0.02, grain) for i in range(8)])
    p = []
    for back in range(1, 31 if grain == "day" else 8):
        at = START + timedelta(days=days - back)
        fits = {one.key: one for one in fit(frame, grain, at, since=START)}
        starts = frame["bucket_start"]
        for key, rows in frame[(starts >= at) & (starts < at + timedelta(days=1))].groupby("key"):
            assert fits[str(key)].status is Status.OK
            ranges = judge(
                fits[str(key)].parameters, grain, rows["bucket_start"], rows["story_count"], rows["negative_stories"]
            )
            p += ranges["p_value"].tolist()
    drawn = np.array(p)
    assert np.mean(drawn < 0.5) == pytest.approx(0.45, abs=0.1)
    assert np.mean(drawn < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(drawn < 0.01) < 0.025


def test_a_past_outbreak_weighs_less() -> None:
    rng = np.random.default_rng(13)
    frame = series(rng, "a", 120, 60, 0.2, 0.01)
    at = START + timedelta(days=120)
    clean = fit(frame, "day", at)[0].parameters["rates"][0]
    bad = frame.copy()
    week = slice(80, 87)
    bad.loc[bad.index[week], "negative_stories"] = (bad["story_count"].iloc[week] * 0.8).astype(int)
    outbreak = fit(bad, "day", at)[0].parameters["rates"][0]
    naive = bad["negative_stories"].sum() / bad["story_count"].sum()
    assert clean < outbreak < clean + 0.6 * (naive - clean)


def test_nothing_from_the_guard_band_on_is_seen() -> None:
    frame = series(np.random.default_rng(14), "a", 100, 40, 0.2, 0.02)
    at = START + timedelta(days=80)
    changed = frame.copy()
    changed.loc[changed["bucket_start"] >= at - timedelta(days=1), "negative_stories"] = 0
    assert fit(frame, "day", at) == fit(changed, "day", at)


def test_too_young_and_too_sparse_say_so() -> None:
    rng = np.random.default_rng(15)
    young = fit(series(rng, "a", 20, 40, 0.2, 0.02), "day", START + timedelta(days=20))
    assert [one.status for one in young] == [Status.WARMING_UP]
    both = pd.concat([series(rng, "a", 90, 40, 0.2, 0.02), series(rng, "b", 90, 0.1, 0.2, 0.02)])
    found = {one.key: one for one in fit(both, "day", START + timedelta(days=90))}
    assert (found["a"].status, found["b"].status) == (Status.OK, Status.TOO_SPARSE)
    assert judge(found["b"].parameters, "day", [START], [5], [5]).isna().all(axis=None)
    assert fit(both.head(0), "day", START) == []


def test_recalibration_follows_its_table_and_never_flatters() -> None:
    p = np.array([0.5, 0.1, 0.01, 0.001, 1e-6])
    out = calibrated(p, [0.1, 0.01], [0.1, 0.03])
    assert out[1:3] == pytest.approx([0.1, 0.03])
    assert out[4] == pytest.approx(3e-6)
    assert (out >= p * (1 - 1e-12)).all()
    assert calibrated(p, [0.1], [0.02]) == pytest.approx(p)
