"""Recomputed from the base tables as then known: the same decision, whatever came later; a change is named."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline import aggregate, detect
from pipeline.audit import Verdict, refit
from pipeline.context import Context
from tests.conftest import MovableClock
from tests.pipeline.audit.world import cases, cycle, generate, grow, store
from tests.pipeline.detect.world import NOON, stories
from tests.pipeline.notify.world import Memory
from tests.pipeline.seeds import put


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refit")
    context, clock = store(folder)
    generate(context)
    channel = Memory()
    cycle(context, channel)
    grow(context, clock, channel)
    return folder


@pytest.fixture
def made(prepared: Path, tmp_path: Path) -> tuple[Context, MovableClock]:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    context, clock = store(tmp_path)
    clock.now = NOON + timedelta(minutes=5)
    return context, clock


def refits(context: Context, rule: str | None = None) -> dict[str, list[tuple[Verdict, str]]]:
    found: dict[str, list[tuple[Verdict, str]]] = {}
    for case in cases(context, rule):
        with context.warehouse.read() as con:
            checked = [(one.verdict, one.detail) for one in refit(con, case)]
        found.setdefault(str(case.incident["rule"]), []).extend(checked)
    return found


def test_every_decision_comes_out_again_although_the_store_knows_more_by_now(
    made: tuple[Context, MovableClock],
) -> None:
    context, clock = made
    clock.now += timedelta(days=2)
    more = stories(np.random.default_rng(9), NOON.replace(hour=0), 12, 3.0, 0.1, "co:a", "later")
    put(context.warehouse, more)
    aggregate.run(context)
    detect.run(context)
    found = refits(context)
    assert found.keys() >= {"bad-news", "share-day", "share-hour", "volume-day", "late"}
    for rule, checked in found.items():
        assert checked, rule
        assert all(verdict is Verdict.SAME for verdict, _ in checked), (rule, checked)


def test_what_was_changed_in_the_base_tables_is_named(made: tuple[Context, MovableClock]) -> None:
    context, _ = made
    with context.warehouse.write("scores") as tx:
        tx.con.execute("UPDATE scores SET p_negative = 0.1 WHERE article_id LIKE 'today-3-%'")
    ((verdict, detail),) = refits(context, "share-day")["share-day"]
    assert verdict is Verdict.DIFFERS
    assert "negative then" in detail
    assert "negative_stories: 28 then" in detail or "recomputed" in detail


def test_a_past_that_was_changed_shows_in_the_fit(made: tuple[Context, MovableClock]) -> None:
    context, _ = made
    with context.warehouse.write("scores") as tx:
        tx.con.execute("UPDATE scores SET p_negative = 0.9 WHERE article_id LIKE 'past-5%'")
    ((verdict, detail),) = refits(context, "share-day")["share-day"]
    assert verdict is Verdict.DIFFERS
    assert "fit.parameters" in detail
