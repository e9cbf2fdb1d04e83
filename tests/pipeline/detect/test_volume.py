"""Rules of kind `volume`: a surge is told, ordinary days and a young store are not; tails by simulation and scipy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.detect.findings import Labels
from pipeline.detect.rules import parse
from pipeline.detect.volume import findings, usual
from pipeline.incidents import Severity
from pipeline.watchlists import WatchLists

DAY = datetime(2026, 3, 2, tzinfo=UTC)
RULES = parse(
    '[[rule]]\nname = "v"\nkind = "volume"\nscope = "market"\ngrain = "hour"\np_limit = 0.001\n'
    '[[severity]]\nkind = "volume"\nseverity = "info"\n'
)


def past(seed: int = 1, days: int = 40) -> pd.DataFrame:
    """Nights are quiet: mean 2 before six o'clock, 12 after; over-dispersed (α = .2)."""
    rng = np.random.default_rng(seed)
    starts = pd.date_range(DAY - timedelta(days=days), periods=24 * days, freq="h").as_unit("us")
    mean = np.where(starts.hour < 6, 2.0, 12.0)
    counts = rng.poisson(rng.gamma(5.0, mean / 5.0))
    return pd.DataFrame({"bucket_start": starts, "scope": "market", "key": "all", "story_count": counts})


def today(counts: dict[int, int]) -> pd.DataFrame:
    rows = pd.DataFrame(
        {"bucket_start": [DAY + timedelta(hours=hour) for hour in counts], "story_count": list(counts.values())}
    )
    rows = rows.assign(scope="market", key="all", grain="hour", model_version="m", owners=2, coverage=np.nan)
    return rows.assign(negative_stories=0, news_volume=rows["story_count"], counted_at=DAY + timedelta(days=1))


def found(counts: dict[int, int], began: datetime = DAY - timedelta(days=40)) -> list[tuple[int, str]]:
    known = usual(past(), "hour", DAY, began)
    hits = findings(today(counts), known, RULES.rules[0], RULES, Labels({}, {}), WatchLists(()), DAY)
    return [(one.start.hour, one.detection.summary) for one in hits]


def test_a_surge_is_told_by_the_hour_of_the_day() -> None:
    assert [hour for hour, _ in found({3: 16, 12: 16, 15: 60})] == [3, 15]
    assert found({15: 60})[0][1].startswith("60 stories; usual 1")


def test_a_young_store_finds_nothing() -> None:
    assert found({15: 60}, began=DAY - timedelta(days=10)) == []


def test_a_volume_rule_is_informational() -> None:
    known = usual(past(), "hour", DAY, DAY - timedelta(days=40))
    hits = list(findings(today({15: 60}), known, RULES.rules[0], RULES, Labels({}, {}), WatchLists(()), DAY))
    assert hits[0].detection.severity is Severity.INFO
    assert hits[0].numbers["p_value"] <= hits[0].numbers["p_limit"]
    assert hits[0].numbers["story_count"] == 60


def test_ordinary_buckets_pass_the_limit_about_as_often_as_it_says() -> None:
    known = usual(past(days=56), "hour", DAY, DAY - timedelta(days=56))
    rule = parse('[[rule]]\nname = "v"\nkind = "volume"\np_limit = 0.05\n').rules[0]
    hits = 0
    for seed in range(20):
        later = past(seed + 100, days=10)
        rows = today(dict.fromkeys(range(240), 0)).assign(story_count=later["story_count"].to_numpy())
        hits += len(list(findings(rows, known, rule, RULES, Labels({}, {}), WatchLists(()), DAY)))
    assert hits / (20 * 240) == pytest.approx(0.05, rel=0.5)


def test_an_old_surge_does_not_raise_what_is_usual() -> None:
    frame = past()
    surged = frame.assign(story_count=np.where(np.arange(len(frame)) % 167 == 15, 150, frame["story_count"]))
    plain, after = (usual(one, "hour", DAY, DAY - timedelta(days=40)) for one in (frame, surged))
    assert after.mean.mean() < 1.15 * plain.mean.mean()
