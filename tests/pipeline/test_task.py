"""`pipeline.task`: what a scheduler calls, with the settings that BAROGRAPH_CONFIG names."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

import duckdb
import pytest

from pipeline import task
from pipeline.apart import run_module
from pipeline.errors import SettingsError, UsageError, WorkError
from pipeline.logs import RUN_VARIABLE


def test_a_stage_runs_on_the_store_that_the_settings_name(config: Path) -> None:
    counts = task.run("aggregate", run_id="r1")
    assert all(isinstance(value, int) for value in counts.values())
    assert (config.parent / "b.duckdb").exists()


def test_apart_answers_the_same_counts_and_passes_the_log_on(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    here = task.run("aggregate")
    caplog.clear()
    assert task.run_apart("aggregate") == here
    assert "INFO pipeline.stages: aggregate: " in caplog.text


def test_what_is_done_apart_belongs_to_the_run(config: Path) -> None:
    task.run_apart("aggregate", run_id="r1")
    run_module("cli.main", "aggregate", run_id="r2")
    assert os.environ.get(RUN_VARIABLE) is None
    with duckdb.connect(str(config.with_name("b.duckdb")), read_only=True) as con:
        assert con.execute("SELECT run_id FROM runs ORDER BY started_at").fetchall() == [("r1",), ("r2",)]


def test_a_missing_settings_file_is_a_usage_error_in_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAROGRAPH_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError) as here:
        task.run("link")
    with pytest.raises(UsageError) as apart:
        task.run_apart("link")
    assert str(apart.value) == str(here.value)


def test_apart_a_crash_is_work_that_failed_and_its_traceback_is_logged(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(WorkError, match="ended with status 1"):
        task.run_apart("no-such-stage")
    assert "ValueError: no stage is named no-such-stage" in caplog.text


class TimeIsUp(Exception):
    """What the handler of our signal raises."""


def test_apart_a_time_limit_ends_the_child_too(config: Path) -> None:
    config.write_text('[store]\nwarehouse = "duckdb:b.duckdb"\nlock_timeout_s = 60\n')

    def up(signum: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGUSR1, up)
    timer = threading.Timer(2, os.kill, (os.getpid(), signal.SIGUSR1))
    started = time.monotonic()
    try:
        # The child waits for the store that we hold.
        with duckdb.connect(config.parent / "b.duckdb"), pytest.raises(TimeIsUp):
            timer.start()
            task.run_apart("aggregate")
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < 30


def test_little_that_waits_is_not_shared_out(config: Path) -> None:
    assert task.shards(run_id="r") == []


def test_a_command_is_kept_among_the_runs_however_it_went(config: Path) -> None:
    assert task.command("schema", "cli.main", "--version", run_id="r").startswith("barograph ")
    with pytest.raises(UsageError, match="--shard 9/2: write which part of how many"):
        task.command("schema", "cli.main", "score", "--shard", "9/2", run_id="r")
    with duckdb.connect(str(config.with_name("b.duckdb")), read_only=True) as con:
        kept = con.execute("SELECT stage, outcome, reason FROM runs ORDER BY started_at").fetchall()
    assert kept == [("schema", "done", ""), ("schema", "failed", "UsageError")]
