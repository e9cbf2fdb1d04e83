"""The load, small: nothing is lost and nothing is there twice on a lake that all stages write at once."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.soak.load.arrivals import HOSTS, Load, arrivals
from tests.soak.load.lanes import Lane
from tests.soak.load.result import STAGES, Result
from tests.soak.load.run import run
from tests.soak.load.show import picture, table

# Read at import: the environment of a test has no variables of ours.
WANTED = bool(os.environ.get("CI") or os.environ.get("BAROGRAPH_SOAK"))


def test_arrivals_are_of_the_seed_and_of_the_rate() -> None:
    load = Load(1200, rate=5)
    entries = arrivals(load)
    assert entries == arrivals(load)
    assert entries != arrivals(Load(1200, rate=5, seed=2))
    assert len(entries) == pytest.approx(6000, rel=0.1)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    per_second = np.bincount([int(entry.at) for entry in entries])
    assert per_second.max() > 150  # a burst
    assert np.median(per_second) == pytest.approx(3.75, abs=1.3)  # and three quarters of the rate between them


def test_every_feed_counts_from_nought_and_no_publisher_prints_a_title_twice() -> None:
    entries = arrivals(Load(300, rate=5, feeds=40))
    for feed in range(40):
        numbers = [entry.number for entry in entries if entry.feed == feed]
        assert numbers == list(range(len(numbers)))
    printed = Counter((entry.feed % HOSTS, entry.title) for entry in entries)
    assert printed.most_common(1)[0][1] == 1
    copied = Counter(entry.title for entry in entries)
    assert sum(n > 1 for n in copied.values()) > 50


def test_a_lane_that_ends_for_whatever_reason_is_seen() -> None:
    stop = threading.Event()
    lane = Lane("link", lambda: json.loads("{broken"), pause=0.0)
    lane.run(stop)
    assert isinstance(lane.error, json.JSONDecodeError)
    assert stop.is_set()


def test_a_week_has_its_nights_and_weekends() -> None:
    hours = np.bincount([int(entry.at // 3600) for entry in arrivals(Load(168 * 3600, rate=0.02, burst=1, hour=0))])
    days = hours.reshape(7, 24).sum(axis=1)
    assert days[5:].mean() < days[:5].mean() / 2
    assert hours[:120].reshape(5, 24).mean(axis=0)[2] < hours[:120].reshape(5, 24).mean(axis=0)[14] / 2


@pytest.mark.parametrize(("slow", "gives"), [("", ""), ("ingest", "ingest"), ("fold", "fold"), ("score", "score")])
def test_the_stage_that_cannot_keep_up_is_named_and_not_those_that_wait_for_it(slow: str, gives: str) -> None:
    appeared = np.arange(0, 100, 0.1)
    # One that is slow needs twice the time between two arrivals for each.
    done = {"ingest": appeared * (2 if slow == "ingest" else 1) + 5}
    done["link"] = done["ingest"] + 1
    done["fold"] = done["link"] * (2 if slow == "fold" else 1) + 1
    done["score"] = done["ingest"] * (2 if slow == "score" else 1) + 3
    done["publish"] = np.maximum(done["fold"], done["score"]) + 4
    result = Result(
        Load(100), 250.0, appeared, done, served=1000, missing=[], twice={}, strange=[], counted_once=True, never=0,
        ran=[], looks=[], sizes=[],
    )  # fmt: skip
    assert result.gives() == gives
    assert result.problems() == []
    assert result.lag("link") == pytest.approx(np.ones(1000))


@pytest.mark.postgres
@pytest.mark.skipif(not WANTED, reason="takes most of a minute; set BAROGRAPH_SOAK=1, or run `make load`")
@pytest.mark.timeout(900)
def test_under_load_nothing_is_lost_and_nothing_is_there_twice(tmp_path: Path, lake_setting: str) -> None:
    load = Load(8, rate=15, burst=60, feeds=60)
    result = run(load, lake_setting, tmp_path, scorers=2, pause=4)
    assert result.problems() == [], table(result)
    assert result.served == len(arrivals(load)) > 50
    assert not np.isnan(np.concatenate([result.lag(stage) for stage in STAGES])).any()
    picture(result, tmp_path / "load.svg")
    assert (tmp_path / "load.svg").stat().st_size > 10_000
