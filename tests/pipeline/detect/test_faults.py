"""detect under faults: the store fails at any call, is held, the clock jumps back, a rule file breaks while we run."""

from __future__ import annotations

import multiprocessing
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline import aggregate, detect
from pipeline.context import Context
from pipeline.detect import configurations
from pipeline.errors import RulesError, StoreBusy, StoreError
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.audit.world import RULES, bankruptcy, store
from tests.pipeline.detect.world import NOON
from tests.pipeline.seeds import activate_model, put
from tests.support.canonical import canonical
from tests.support.holder import held
from tests.support.rows import rows

SPAWN = multiprocessing.get_context("spawn")


class Failing:
    """A connection whose calls fail from the k-th on that the whole warehouse makes."""

    def __init__(self, con: duckdb.DuckDBPyConnection, warehouse: FailingWarehouse) -> None:
        self._con, self._warehouse = con, warehouse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._con, name)
        if name not in ("execute", "begin", "commit", "register"):
            return found

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._warehouse.calls += 1
            if self._warehouse.calls == self._warehouse.fails_at:
                raise duckdb.IOException("IO Error: the disk is gone, for the test")
            return found(*args, **kwargs)

        return counted


class FailingWarehouse(Warehouse):
    """A warehouse one of whose calls fails."""

    calls = 0
    fails_at = 0

    def _connect_once(self, read_only: bool) -> Any:
        return Failing(super()._connect_once(read_only), self)


def seeded(at: Path) -> tuple[Context, MovableClock]:
    context, clock = store(at)
    context.settings.detect.rules.write_text(RULES, encoding="utf-8")
    context.settings.detect.watchlists.write_text('[watchlists.core]\nowner = "d"\ntier1 = ["co:small"]\n')
    activate_model(context.warehouse)
    put(context.warehouse, [bankruptcy(1, "Paper 1", 50)])
    aggregate.run(context)
    return context, clock


def steps(context: Context) -> list[tuple[Any, ...]]:
    return rows(context, "SELECT action, reason FROM incident_events ORDER BY happened_at, incident_id, seq")


def test_the_store_fails_at_every_kth_call_and_the_next_pass_ends_with_the_same_tables(tmp_path: Path) -> None:
    before, here = tmp_path / "before", tmp_path / "here"
    before.mkdir()
    seeded(before)

    def start_over(fails_at: int) -> Context:
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(before, here)
        context, clock = store(here)
        warehouse = FailingWarehouse(context.settings.store.warehouse, clock, 10)
        warehouse.fails_at = fails_at
        return Context(context.settings, warehouse, clock)

    undisturbed = start_over(0)
    detect.run(undisturbed)
    calls = undisturbed.warehouse.calls  # type: ignore[attr-defined]
    wanted = canonical(undisturbed.warehouse)
    assert wanted["incidents"]
    assert wanted["evidence"]
    assert calls > 20
    # Every third, and all of the last ones, where it writes: each costs two passes over a store of its own.
    for k in sorted({*range(1, calls + 1, 3), *range(calls - 11, calls + 1)}):
        failing = start_over(k)
        with pytest.raises(StoreError, match="for the test"):
            detect.run(failing)
        again = store(here)[0]
        detect.run(again)
        assert canonical(again.warehouse) == wanted, f"failed at call {k}"


def test_a_held_store_is_waited_for_and_then_nothing_is_half_done(tmp_path: Path) -> None:
    context, _ = seeded(tmp_path)
    hurried = Warehouse(context.settings.store.warehouse, context.clock, 0.3)
    path = Path(context.settings.store.warehouse.removeprefix("duckdb:"))
    with held(path) as pid, pytest.raises(StoreBusy, match=rf"PID {pid}"):
        detect.run(Context(context.settings, hurried, context.clock))
    assert steps(context) == []
    detect.run(context)
    assert [action for action, _ in steps(context)] == ["open", "fire"]


def test_a_clock_that_jumps_back_opens_and_resolves_nothing_twice(tmp_path: Path) -> None:
    context, clock = seeded(tmp_path)
    detect.run(context)
    for hours in (-2, -2, 1, 3):
        clock.now += timedelta(hours=hours)
        detect.run(context)
        assert [action for action, _ in steps(context)] == ["open", "fire"]
    clock.now = NOON + timedelta(hours=30)
    detect.run(context)
    clock.now -= timedelta(hours=6)
    detect.run(context)
    clock.now += timedelta(hours=7)
    detect.run(context)
    assert [action for action, _ in steps(context)] == ["open", "fire", "resolve"]
    assert rows(context, "SELECT count(*) FROM incidents") == [(1,)]


@pytest.fixture
def running(tmp_path: Path) -> tuple[Context, MovableClock]:
    return seeded(tmp_path)


def test_a_rule_file_that_breaks_while_running_leaves_the_old_one_in_force_and_says_so(
    running: tuple[Context, MovableClock],
) -> None:
    context, clock = running
    assert detect.run(context).notes == [] or not any("stay in force" in n for n in detect.run(context).notes)
    clock.now += timedelta(minutes=5)
    context.settings.detect.rules.write_text("[[rule]]\nname = 'half a", encoding="utf-8")
    put(context.warehouse, [bankruptcy(2, "Paper 2", 2, story_id="story-b1")])
    notes = detect.run(context).notes
    (said,) = [note for note in notes if "stay in force" in note]
    assert "rules.toml" in said
    assert "the rules of 2026-03-03 12:00 UTC stay in force" in said
    assert steps(context)[-1] == ("escalate", "corroborated"), "the old rules work on"
    evidence = rows(context, "SELECT count(*) FROM configurations WHERE kind = 'rules'")
    assert evidence == [(1,)]


def test_a_rule_file_kept_by_a_version_that_let_more_pass_stays_in_force(
    running: tuple[Context, MovableClock],
) -> None:
    """A key that its rule never looked at is refused now: the alarm goes on by the rules of before until it is out."""
    context, _ = running
    loose = RULES + '[[rule]]\nname = "full"\nkind = "health"\nwhat = "disk_full"\nafter = "1h"\n'
    wanted = [configurations.Configuration("rules", "", loose, "risk desk")]
    context.warehouse.transact("incidents", partial(configurations.keep, wanted=wanted))
    context.settings.detect.rules.write_text(loose, encoding="utf-8")
    (said,) = [note for note in detect.run(context).notes if "stay in force" in note]
    assert "after is not looked at by what = 'disk_full'. Take it out." in said
    assert [action for action, _ in steps(context)] == ["open", "fire"]


def test_a_watch_list_that_breaks_leaves_the_old_one_in_force(running: tuple[Context, MovableClock]) -> None:
    context, _ = running
    detect.run(context)
    context.settings.detect.watchlists.write_text("nonsense = 1\n", encoding="utf-8")
    assert any("the watchlists of" in note and "stay in force" in note for note in detect.run(context).notes)


def test_a_file_that_never_worked_stops_the_pass(running: tuple[Context, MovableClock]) -> None:
    context, _ = running
    context.settings.detect.rules.write_text("nonsense = 1\n", encoding="utf-8")
    with pytest.raises(RulesError, match="unknown key"):
        detect.run(context)
    assert steps(context) == []


def test_a_mended_rule_is_in_force_from_then_on_and_the_evidence_says_since_when(
    running: tuple[Context, MovableClock],
) -> None:
    context, clock = running
    detect.run(context)
    clock.now += timedelta(minutes=5)
    path = context.settings.detect.rules
    path.write_text(RULES.replace('author = "risk desk"', 'author = "new desk"'), encoding="utf-8")
    put(context.warehouse, [bankruptcy(2, "Paper 2", 2, story_id="story-b1")])
    detect.run(context)
    found = rows(
        context,
        "SELECT json_extract_string(payload, '$.rule_author'), json_extract_string(payload, '$.rule_effective_at')"
        " FROM evidence WHERE kind = 'decision' ORDER BY recorded_at",
    )
    assert found == [("risk desk", "2026-03-03T12:00:00+00:00"), ("new desk", "2026-03-03T12:05:00+00:00")]
