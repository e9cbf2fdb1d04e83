"""The trial in small: a detector swap shows here, and whoever is always in alarm gains nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trial.__main__ import ORACLE, REFERENCE, SHIPPED, calibration, compared, methods, table
from tests.trial.episodes import Outcome, interval, outcome
from tests.trial.real import injected
from tests.trial.shipped import Shipped
from tests.trial.worlds import DAILY, HOURLY, World, simulated


def test_whoever_is_always_in_alarm_hits_little_and_pays_for_it() -> None:
    world = simulated(3, 10, weeks=10)
    found = outcome(world, np.ones(world.y.shape, dtype=bool))
    assert found.false_rate() > 0.8 * 168 / HOURLY.longest
    assert found.hours_in_alarm() == 168
    assert found.recall() < 0.5
    assert outcome(world, np.zeros(world.y.shape, dtype=bool)).recall() == 0


def test_a_burst_is_hit_where_an_episode_begins_in_it_and_its_echo_counts_for_nobody() -> None:
    world = simulated(3, 10, weeks=10)
    burst = world.bursts[0]
    alarms = np.zeros(world.y.shape, dtype=bool)
    alarms[burst.series, burst.start + 2 : burst.start + burst.length + 3] = True
    found = outcome(world, alarms)
    assert found.delay[0] == 2
    assert found.false.sum() == 0
    alarms[burst.series, burst.start - 3 : burst.start] = True
    found = outcome(world, alarms)
    assert np.isnan(found.delay[0]), "it was in alarm already"
    assert found.false.sum() == 1


def test_bursts_only_add_and_surges_leave_the_share_alone() -> None:
    world = simulated(4, 20, weeks=10)
    on = world.during()
    calm = ~on & (world.volume > 2)
    assert (world.y[calm].sum() / (world.share * world.n)[calm].sum()) == pytest.approx(1, abs=0.03)
    assert world.y[on].sum() > 1.5 * (world.share * world.volume)[on].sum()
    again = simulated(4, 20, weeks=10)
    assert (again.y == world.y).all(), "seeded"


def test_the_shipped_detector_beats_the_reference_and_nears_the_oracle() -> None:
    worlds = [simulated(seed, 24, weeks=11) for seed in (11, 12)]
    judged = [Shipped.on(world) for world in worlds]
    by = [methods(world, one) for world, one in zip(worlds, judged, strict=True)]
    chosen = [{name: one[name] for name in (REFERENCE, SHIPPED, ORACLE)} for one in by]
    lines = compared(worlds[:1], chosen[:1], worlds[1:], chosen[1:], [0.2])
    recall = {line.method: line.recall.value for line in lines}
    assert recall[SHIPPED] >= 1.35 * recall[REFERENCE]
    assert recall[SHIPPED] >= 0.8 * recall[ORACLE]
    shipped = next(line.found for line in lines if line.method == SHIPPED)
    assert shipped.median_delay() <= 2
    assert shipped.false_rate() < 0.6
    assert len(table(lines, "hours")) == 5
    p = judged[1].clean["p"]
    assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.02)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.004)
    assert len(calibration(judged[1].clean)) == 5


def test_a_series_is_drawn_whole_by_the_bootstrap() -> None:
    world: World = simulated(5, 12, weeks=10)
    found = outcome(world, world.during())
    score = interval(found, Outcome.recall)
    assert score.value == 1
    assert (score.draws == 1).all()
    assert str(score.over(score)) == "1.00 (1.00–1.00)"


def test_bursts_go_into_real_days_that_have_stories() -> None:
    rng = np.random.default_rng(6)
    n = rng.poisson(8, (3, 729)).astype(float) * (rng.random((3, 729)) > 0.1)
    y = rng.binomial(n.astype(int), 0.2).astype(float)
    world = injected(y, n, "tune", 7)
    assert world.clock is DAILY
    assert world.n.shape == (3, 364)
    assert world.bursts
    for burst in world.bursts:
        days = slice(burst.start, burst.start + burst.length)
        assert (n[burst.series, days] > 0).all()
        added = world.y[burst.series, burst.start : burst.start + burst.length] - y[burst.series, days]
        assert (added >= 0).all()
    assert not Shipped.on(world).alarms(14.0).any()
