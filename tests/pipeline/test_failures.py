"""What only a scheduler saw fail: kept once among the runs, under the name of the stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipeline import task
from pipeline.errors import SettingsError
from pipeline.failures import failed, late, work_of


def kept(config: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(config.with_name("b.duckdb")), read_only=True) as con:
        return con.execute("SELECT run_id, stage, outcome, reason FROM runs ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    ("task_id", "promised", "work"),
    [
        ("ingest.fetch", "fold", "ingest"),
        ("detect", "publish", "detect"),
        ("shard", "score", "score"),
        ("maintain", "maintain", "maintain"),
        ("receivers", "report.write", "report.write"),
    ],
)
def test_a_failure_is_kept_under_the_stage_it_stopped(task_id: str, promised: str, work: str) -> None:
    assert work_of(task_id, promised) == work


def test_a_task_that_was_killed_is_kept_once(config: Path) -> None:
    since = datetime.now(UTC) - timedelta(minutes=3)
    for _ in range(2):
        failed("link", "scheduled__1", "Killed", since)
    assert kept(config) == [("scheduled__1", "link", "failed", "Killed")]


def test_what_a_stage_has_kept_itself_is_not_kept_again(config: Path) -> None:
    since = datetime.now(UTC)
    config.write_text(config.read_text() + '[model]\nname = "none-such"\n')
    with pytest.raises(Exception, match="none-such"):
        task.run("score", run_id="r1")
    failed("score", "r1", "WorkError", since)
    assert [row[:3] for row in kept(config)] == [("r1", "score", "failed")]


def test_a_missed_deadline_is_kept_as_airflow_tells_it(config: Path) -> None:
    since = datetime.now(UTC) - timedelta(minutes=12)
    late("ingest", {"dag_run": {"dag_id": "ingest", "dag_run_id": "scheduled__2", "queued_at": since.isoformat()}})
    assert kept(config) == [("scheduled__2", "ingest", "failed", "Late")]


def test_settings_that_cannot_be_read_are_told(config: Path) -> None:
    config.unlink()
    with pytest.raises(SettingsError):
        failed("link", "r", "Killed", None)
