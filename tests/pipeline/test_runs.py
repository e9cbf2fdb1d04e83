"""The record of runs: what is kept, what it adds up to, and that it never makes a run fail."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline import runs
from pipeline.context import Context, Report
from pipeline.errors import StoreBusy
from pipeline.runs import Outcome, Run
from pipeline.stages import STAGES, run_stage
from pipeline.warehouse.engines import DuckDBFile
from tests.support.holder import held
from tests.support.rows import rows

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_all_stages_of_a_run_carry_its_id(context: Context) -> None:
    one = replace(context, run_id="one")
    for stage in STAGES[1:3]:
        run_stage(stage, one)
    run_stage("link", replace(context, run_id="two"))
    assert rows(context, "SELECT run_id, stage, outcome, reason FROM runs ORDER BY ALL") == [
        ("one", "fold", "done", ""),
        ("one", "link", "done", ""),
        ("two", "link", "done", ""),
    ]


def test_a_failure_is_kept_with_its_class_and_raised(context: Context) -> None:
    def work() -> Report:
        raise StoreBusy("held")

    with pytest.raises(StoreBusy):
        runs.recorded("link", context, work)
    assert rows(context, "SELECT outcome, reason, counts FROM runs") == [("failed", "StoreBusy", "{}")]
    assert rows(context, "SELECT name, reason, n FROM tallies WHERE kind = 'run'") == [("failed", "StoreBusy", 1.0)]


def test_tallies_only_grow_also_when_old_runs_are_removed(context: Context) -> None:
    for n in (3, 4):
        runs.recorded("link", context, lambda n=n: Report("link", {"articles": n, "themes": 0}))
        context.warehouse.transact("runs", lambda tx: tx.con.execute("DELETE FROM runs"))
    assert rows(context, "SELECT kind, name, n FROM tallies WHERE kind <> 'seconds' ORDER BY ALL") == [
        ("result", "articles", 7.0),
        ("run", "done", 2.0),
    ]


def test_what_a_run_adds() -> None:
    run = Run("r", "notify", NOON, NOON, 1.5, Outcome.DONE, "", {"sent": 2, "dead": 0})
    assert runs.tally(run) == {("run", "done", ""): 1.0, ("seconds", "", ""): 1.5, ("result", "sent", ""): 2.0}


def test_a_record_that_cannot_be_kept_is_told_and_the_work_stands(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    assert isinstance(context.warehouse.engine, DuckDBFile)
    context.warehouse.lock_timeout_s = 0.2
    with held(context.warehouse.engine.path), caplog.at_level(logging.WARNING):
        report = runs.recorded("link", context, lambda: Report("link", {"articles": 1}))
    assert report.counts == {"articles": 1}
    assert "this run is not in the record" in caplog.text
    assert "PID" in caplog.text


def test_counts_are_kept_as_json(context: Context) -> None:
    runs.recorded("link", context, lambda: Report("link", {"b": 2, "a": 1}))
    ((counts,),) = rows(context, "SELECT counts FROM runs")
    assert json.loads(str(counts)) == {"a": 1, "b": 2}
