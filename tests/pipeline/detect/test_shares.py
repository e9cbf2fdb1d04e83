"""The CUSUM limit by simulation, and a slow burn that no single bucket gives away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.detect import rules, shares
from pipeline.detect.findings import Labels
from pipeline.detect.fits import fit
from pipeline.detect.reading import fit_rows
from pipeline.watchlists import WatchLists

DAY = datetime(2026, 3, 2, tzinfo=UTC)
RULE = """[[rule]]
name = "hourly"
kind = "negative_share"
scope = "market"
p_limit = 0.001
min_stories = 5
min_negative = 5
"""


def test_the_limit_of_the_sum_is_what_simulation_gives() -> None:
    z = np.random.default_rng(1).standard_normal((300, 2000)).clip(*shares.PUSH)
    total, seen = np.zeros(300), []
    for t in range(2000):
        total = np.maximum(0, total + z[:, t] - shares.ALLOWANCE)
        if t > 50:
            seen.append(total.copy())
    heights = np.concatenate(seen)
    for height in (1.0, 2.0, 3.0, 4.0):
        assert shares.cusum_p(height) == pytest.approx(np.mean(heights >= height), rel=0.25)


def judged(today: list[tuple[int, int]], now: datetime) -> shares.Judged:
    rng = np.random.default_rng(2)
    n = rng.poisson(10, 24 * 40)
    past = pd.DataFrame(
        {
            "bucket_start": pd.date_range(DAY - timedelta(days=40), periods=n.size, freq="h").as_unit("us"),
            "story_count": n,
            "negative_stories": rng.binomial(n, 0.2),
        }
    ).assign(scope="market", key="all", grain="hour")
    rows = pd.DataFrame(
        {
            "bucket_start": pd.date_range(DAY, periods=len(today), freq="h").as_unit("us"),
            "story_count": [pair[0] for pair in today],
            "negative_stories": [pair[1] for pair in today],
        }
    ).assign(scope="market", key="all", grain="hour", model_version="m", news_volume=9, owners=3, counted_at=now)
    rows["coverage"] = np.nan
    fits = fit_rows(fit(past, "hour", DAY, "m")).to_pandas()
    return shares.judged(rows, fits, now)


def found(today: list[tuple[int, int]], now: datetime) -> list[str]:
    known = rules.parse(RULE)
    everything = shares.findings(
        judged(today, now), known.rules[0], known, Labels({}, {}), WatchLists(()), DAY - timedelta(days=1)
    )
    return [str(one.numbers["found_in"]) for one in everything]


def test_a_slow_burn_is_found_as_a_run_and_ordinary_hours_are_not() -> None:
    later = DAY + timedelta(hours=12)
    assert found([(10, 2)] * 12, later) == []
    assert found([(10, 5)] * 7, later) == ["run of buckets"]
    assert found([(10, 2), (10, 9)], later) == ["bucket"]


def test_an_open_bucket_must_be_more_unusual_than_a_closed_one() -> None:
    at = DAY + timedelta(hours=1, minutes=30)
    rows = judged([(10, 2), (10, 7)], at).rows
    p = float(rows["p_value"].iloc[1])
    assert bool(rows["open"].iloc[1])
    assert 0.0005 / shares.OPEN_LOOKS < p < 0.0005
    assert found([(10, 2), (10, 7)], at) == []
    assert found([(10, 2), (10, 7)], DAY + timedelta(hours=2)) == ["bucket"]
    assert found([(10, 2), (10, 10)], at) == ["open bucket"]


def test_a_minimum_count_is_a_minimum_count() -> None:
    assert found([(4, 4)], DAY + timedelta(hours=5)) == []
