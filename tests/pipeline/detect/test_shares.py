"""A slow burn that no single bucket gives away, an open bucket, and how rows without news count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.detect import bursts, rules, shares
from pipeline.detect.findings import Finding, Labels
from pipeline.detect.fits import fit
from pipeline.detect.reading import fit_rows
from pipeline.watchlists import WatchLists

TRENDS = [
    "bucket_start", "scope", "key", "grain", "model_version", "story_count", "negative_stories", "news_volume",
    "owners", "coverage", "counted_at",
]  # fmt: skip
DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULE = """[[rule]]
name = "hourly"
kind = "negative_share"
scope = "market"
p_limit = 0.001
min_stories = 5
min_negative = 5
"""


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


def of(known: shares.Judged, p_limit: float = 0.001) -> Iterator[Finding]:
    read = rules.parse(RULE.replace("0.001", str(p_limit)))
    return shares.findings(known, read.rules[0], read, Labels({}, {}), WatchLists(()), DAY - timedelta(days=1))


def found(today: list[tuple[int, int]], now: datetime) -> list[str]:
    return [str(one.numbers["found_in"]) for one in of(judged(today, now))]


def p_of_the_last(known: shares.Judged) -> float:
    return float([one.numbers["p_value"] for one in of(known, 0.05)][-1])


def test_a_slow_burn_is_found_as_a_run_and_ordinary_hours_are_not() -> None:
    later = DAY + timedelta(hours=12)
    assert found([(10, 2)] * 12, later) == []
    assert set(found([(10, 5)] * 7, later)) == {"run of buckets"}
    assert found([(10, 2), (10, 9)], later) == ["bucket"]


def test_an_open_bucket_is_judged_by_its_part_and_its_looks_share_the_limit() -> None:
    early = DAY + timedelta(hours=1, minutes=30)
    assert bool(judged([(10, 2), (8, 7)], early).rows["open"].iloc[1])
    assert found([(10, 2), (8, 7)], early) == ["open bucket"]
    assert found([(10, 2), (8, 6)], early) == []
    # Just before it closes the same counts must be three times as unusual as just after.
    last = judged([(10, 2), (10, 8)], DAY + timedelta(hours=2, seconds=-1))
    shut = judged([(10, 2), (10, 8)], DAY + timedelta(hours=2))
    p = [p_of_the_last(one) for one in (last, shut)]
    assert p[0] == pytest.approx(bursts.OPEN_LOOKS * p[1], rel=0.02)


def test_hours_without_news_wear_a_run_out() -> None:
    later = DAY + timedelta(hours=12)
    close = p_of_the_last(judged([(10, 5), (10, 5)], later))
    apart = p_of_the_last(judged([(10, 5), (0, 0), (0, 0), (10, 5)], later))
    assert apart > 1.2 * close


def test_a_fit_of_an_older_version_judges_buckets_but_no_runs() -> None:
    known = judged([(10, 2), (10, 10)], DAY + timedelta(hours=2))
    old = known.fits.drop(columns="fit")
    old["parameters"] = [
        json.dumps({k: v for k, v in json.loads(text).items() if k not in ("volumes", "shape")})
        for text in old["parameters"]
    ]
    again = shares.judged(known.rows[TRENDS], old, known.now)
    assert again.rows["p_value"].iloc[1] == known.rows["p_value"].iloc[1] < 0.001
    assert list(of(again)) == []


def test_the_larger_the_burst_the_smaller_its_p() -> None:
    later = DAY + timedelta(hours=12)
    p = [p_of_the_last(judged([(10, 2), (8 + more, 2 + more)], later)) for more in (8, 12, 20, 30, 60, 300)]
    assert p[:4] == sorted(p[:4], reverse=True)
    assert max(p[4:]) < 1e-12


def test_a_minimum_count_is_a_minimum_count() -> None:
    assert found([(4, 4)], DAY + timedelta(hours=5)) == []


def test_a_series_is_judged_alone_as_it_is_among_others() -> None:
    now = DAY + timedelta(hours=12)
    one = judged([(0, 0), (10, 3), (10, 5), (9, 5), (10, 2), (12, 8)], now)
    rows, fits = one.rows[TRENDS].iloc[1:], one.fits.drop(columns="fit")
    others = [rows.assign(key=key, story_count=rows["story_count"] + n, bucket_start=rows["bucket_start"] - HOUR)
              for n, key in enumerate(("aaa", "b", "zz"))]  # fmt: skip
    among = pd.concat([*others, rows], ignore_index=True)
    known = pd.concat([fits, *(fits.assign(key=key) for key in ("aaa", "b", "zz"))], ignore_index=True)
    alone = [(f.start, f.end, f.numbers["p_value"]) for f in of(shares.judged(rows, fits, now), 0.05)]
    together = shares.judged(among, known, now)
    assert alone
    assert [(f.start, f.end, f.numbers["p_value"]) for f in of(together, 0.05) if f.detection.key == "all"] == alone
