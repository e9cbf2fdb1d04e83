"""An alert budget is kept: counted where the past is long, carried on where it is short, pooled where it is thin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.detect.budgets import Basis, Episode, Limit, Tally, limit_for
from pipeline.detect.rules import parse

DAY = datetime(2026, 3, 2, tzinfo=UTC)


def rule(budget: str, ceiling: float = 0.01) -> object:
    text = f'[[rule]]\nname = "r"\nkind = "negative_share"\nbudget = "{budget}"\np_limit = {ceiling}\n'
    return parse(text).rules[0]


def past(
    rng: np.random.Generator, weeks: int, own: int, others: int = 0, scale: float = 1.0, tests: int = 168
) -> list[Tally]:
    """Every bucket of every series draws a p-value (uniform ** scale); those under the ceiling are episodes."""
    found = []
    for week in range(weeks):
        p = rng.uniform(size=(own + others, tests)) ** scale
        episodes = tuple(
            Episode(f"k{row}", float(value), DAY, row < own)
            for row, values in enumerate(p)
            for value in values[values <= 0.01]
        )
        tally = Tally(DAY + timedelta(weeks=week), 1.0, episodes, p.size, own * tests, own * tests, own)
        found.append(tally)
    return found


def set_by(budget: str, tallies: list[Tally], ceiling: float = 0.01) -> Limit:
    return limit_for(tallies, rule(budget, ceiling))  # type: ignore[arg-type]


def rate(limit: float, tests: int, scale: float = 1.0) -> float:
    """Alerts a week that a limit really brings."""
    return tests * limit ** (1 / scale)


@pytest.mark.parametrize("scale", [1.0, 1.3, 1.8])
def test_a_long_past_is_counted_whatever_the_p_values_promise(scale: float) -> None:
    limit = set_by("3 a week", past(np.random.default_rng(1), 26, 20, scale=scale))
    assert limit.basis is Basis.COUNTED
    assert limit.per_week == pytest.approx(3, abs=0.05)
    assert rate(limit.p_limit, 20 * 168, scale) == pytest.approx(3, rel=0.3)


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_a_rare_alert_is_carried_on_from_the_tail(scale: float) -> None:
    limits = [set_by("1 a month", past(np.random.default_rng(seed), 8, 20, scale=scale)) for seed in range(60)]
    assert {limit.basis for limit in limits} == {Basis.EXTRAPOLATED}
    realised = np.mean([rate(limit.p_limit, 20 * 168, scale) for limit in limits])
    assert realised == pytest.approx(7 / 30.44, rel=0.35)


def test_few_series_of_their_own_are_judged_by_the_whole_scope() -> None:
    rng = np.random.default_rng(3)
    alone = [set_by("1 a month", past(rng, 8, 4)).p_limit for _ in range(40)]
    pooled = [set_by("1 a month", past(rng, 8, 4, others=96)) for _ in range(40)]
    assert all(limit.pooled and limit.series == 4 for limit in pooled)
    wanted = 7 / 30.44 / (4 * 168)
    spread = [np.std(np.log([value / wanted for value in values])) for values in (alone, [x.p_limit for x in pooled])]
    assert spread[1] < spread[0] / 1.5
    assert np.mean([rate(limit.p_limit, 4 * 168) for limit in pooled]) == pytest.approx(7 / 30.44, rel=0.25)


def test_a_past_too_short_for_one_alert_never_makes_a_loose_limit() -> None:
    limit = set_by("1 a year", past(np.random.default_rng(1), 2, 5))
    assert limit.p_limit <= 7 / 365.25 / (5 * 168) * 1.001


def test_a_budget_is_at_most_and_the_ceiling_holds() -> None:
    limit = set_by("100 a day", past(np.random.default_rng(1), 8, 2), ceiling=0.001)
    assert (limit.p_limit, limit.basis) == (0.001, Basis.CEILING)
    assert limit.per_week < 700


def test_while_nothing_was_judged_yet_the_p_values_are_taken_at_their_word() -> None:
    warming = [Tally(DAY, 1.0, (), 0, 0, 400, 4), Tally(DAY, 1.0, (), 0, 0, 600, 5)]
    assert set_by("1 a week", warming) == Limit(1 / 500, 0.0, 0.0, 5, Basis.ASSUMED, False)
    assert set_by("1 a week", []).p_limit == 0.01


def test_ties_never_break_the_budget() -> None:
    tallies = [Tally(DAY, 10.0, tuple(Episode(f"k{n}", 0.001, DAY, True) for n in range(40)), 5000, 5000, 5000, 9)]
    limit = set_by("2 a week", tallies)
    assert limit.p_limit < 0.001
    assert limit.per_week == 0
