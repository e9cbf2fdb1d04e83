"""The DAGs without a scheduler: they load fast and light, say what they are, and use only pools that exist."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.stages import STAGES

ROOT = Path(__file__).resolve().parents[2]
# What a DAG has beside the stages: what shares work out, closes or tells.
BESIDE = {"articles", "any_failed", "shards", "shard"}
BY_HAND = {"backfill", "train"}
DAGS = {"alert", "backfill", "ingest", "maintain", "report", "score", "train"}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("airflow")
    program = [sys.executable, str(Path(__file__).with_name("describe.py")), str(ROOT / "dags"), str(folder / "d.json")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment["AIRFLOW_HOME"] = str(folder)
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    return answer


def tasks(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for dag_id, dag in described["dags"].items():
        for task_id, task in dag["tasks"].items():
            yield f"{dag_id}.{task_id}", task


def test_all_dags_load(described: dict[str, Any]) -> None:
    assert described["errors"] == {}
    assert set(described["dags"]) == DAGS


def test_files_import_nothing_heavy_and_little_of_ours(described: dict[str, Any]) -> None:
    assert set(described["imports"]["files"]) >= DAGS
    assert described["imports"]["heavy"] == []
    # The report's hour stands in the settings, what a missed deadline calls must be importable: no more than that.
    assert set(described["imports"]["ours"]) <= {
        "pipeline",
        "pipeline.errors",
        "pipeline.failures",
        "pipeline.settings",
    }


def test_steps_are_the_stages_in_order(described: dict[str, Any]) -> None:
    steps = [step for dag_id in ("ingest", "score", "alert") for step in described["dags"][dag_id]["steps"]]
    assert tuple(step for step in steps if step not in BESIDE) == STAGES


def test_each_dag_says_what_it_is_and_is_bounded(described: dict[str, Any]) -> None:
    for dag_id, dag in described["dags"].items():
        assert dag["doc_md"], dag_id
        assert "──" in dag["doc_md"], f"{dag_id}: no picture"
        assert dag["tags"] == ["barograph"], dag_id
        assert dag["max_active_runs"] == (3 if dag_id == "backfill" else 1), dag_id
        # What a person starts, a person looks at; all else is told when it is late.
        assert dag["deadlines"] == ([] if dag_id in BY_HAND else ["pipeline.failures.late"]), dag_id
        assert (dag["timetable"] == "NullTimetable") == (dag_id in BY_HAND), dag_id
        assert dag["catchup"] is False, dag_id
        assert dag["run_timeout"], dag_id
        assert dag["restored_tasks"] == sorted(dag["tasks"]), f"{dag_id}: lost on the way to the scheduler"


def test_each_task_is_owned_retried_and_bounded(described: dict[str, Any]) -> None:
    for name, task in tasks(described):
        assert task["owner"] == "barograph", name
        assert 0 < task["timeout"] <= described["dags"][name.partition(".")[0]]["run_timeout"], name
        if not name.endswith("any_failed"):
            assert task["retries"] >= 1, name
            assert task["backoff"], name
            assert task["policy"], f"{name}: what will not heal is tried again"
            told = name.partition(".")[0] not in BY_HAND
            assert bool(task["failures_as"]) == told, f"{name}: a failure that no stage saw is not kept"


def test_what_fails_or_is_late_is_kept_under_a_name_that_success_is_kept_under_too(described: dict[str, Any]) -> None:
    said = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "dags").glob("*.py"))
    kept = set(re.findall(r'kept\("([a-z.]+)"', said))
    assert kept == {"maintain", "report.write", "report.mail"}
    failures = {name: task["failures_as"] for name, task in tasks(described) if task["failures_as"]}
    late = {dag_id: dag["late_as"] for dag_id, dag in described["dags"].items() if dag["late_as"]}
    for name, (work,) in (failures | late).items():
        assert work in kept | set(STAGES), f"{name}: nothing would ever end the alarm of {work}"
    assert failures["maintain.maintain"] == ["maintain"]
    assert failures["report.mail"] == ["report.mail"], "as the command that failed has kept it, so that it counts once"


def test_pools_exist_and_have_the_slots_we_count_on(described: dict[str, Any]) -> None:
    pools = json.loads((ROOT / "docker" / "pools.json").read_text(encoding="utf-8"))
    used = {task["pool"] for _, task in tasks(described)} - {"default_pool"}
    # A task in a pool that does not exist is never scheduled and never fails.
    assert used == set(pools)
    assert pools["duckdb_writer"]["slots"] == 1


def test_writers_share_one_slot_and_scoring_has_its_own_place(described: dict[str, Any]) -> None:
    by_name = dict(tasks(described))
    writers = {name for name, task in by_name.items() if task["pool"] == "duckdb_writer"}
    assert writers == {
        *("ingest.ingest.batches", "ingest.ingest.load", "ingest.link", "ingest.fold"),
        *("alert.aggregate", "alert.detect", "alert.notify", "alert.publish"),
        *("backfill.take", "backfill.link", "backfill.fold", "maintain.maintain"),
    }
    with_model = {name for name, task in by_name.items() if task["pool"] == "gpu"}
    assert with_model == {name for name, task in by_name.items() if task["queue"] == "gpu"}
    assert with_model == {
        *("score.shard", "score.score", "backfill.score"),
        *(f"train.{name}" for name in ("train", "evaluate", "gate", "shadow", "watch", "promote")),
    }


def test_one_closing_task_of_a_dag_emits_an_asset(described: dict[str, Any]) -> None:
    emitting = {name: task["outlets"] for name, task in tasks(described) if task["outlets"]}
    assert emitting == {
        "ingest.articles": ["articles"],
        "score.score": ["scores"],
        "backfill.score": ["scores"],
        "alert.publish": ["snapshot"],
        "report.write": ["reports"],
        "train.promote": ["models"],
    }
    assert "DONE" in described["dags"]["ingest"]["tasks"]["ingest.load"]["trigger_rule"].upper()


def test_alert_runs_on_the_asset_and_on_the_clock(described: dict[str, Any]) -> None:
    assert described["dags"]["alert"]["timetable"] == "AssetOrTimeSchedule"


@pytest.mark.parametrize("dag_id", ["ingest", "alert", "backfill"])
def test_a_failed_task_shows_in_the_run(described: dict[str, Any], dag_id: str) -> None:
    dag = described["dags"][dag_id]["tasks"]
    assert dag["any_failed"]["upstream"] == sorted(set(dag) - {"any_failed"})


def test_a_backfill_takes_each_archive_as_a_part_and_its_days_in_their_order_as_one(described: dict[str, Any]) -> None:
    assert described["parts"] == {
        "archives": [["import", "a.csv", "--publisher", "Desk"], ["import", "b.csv", "--publisher", "Desk"]],
        "days": [["ingest", "--from-raw", "2026-02-27", "--from-raw", "2026-02-28", "--from-raw", "2026-03-01"]],
        "one day": [["ingest", "--from-raw", "2026-02-27"]],
        "model": [],
        "both": [["import", "a.csv", "--tz", "UTC"], ["ingest", "--from-raw", "2026-02-27"]],
    }


def test_a_backfill_refuses_days_that_name_none(described: dict[str, Any]) -> None:
    refused = described["refused"]
    assert refused["no first day"] == "last_day is 2026-03-01, and first_day says not from when on"
    assert refused["backwards"] == "last_day 2026-02-27 is before first_day 2026-03-01"


def test_a_worse_model_is_refused_for_good_and_a_different_one_is_looked_at(described: dict[str, Any]) -> None:
    passed, shut = described["worse"]
    assert passed == ""
    assert shut == "m@1 is not good enough: recall (x.csv): so"
    alike, apart, unseen = described["different"]
    assert alike == ""
    assert apart.startswith("m@1 has the sentiment of the active model in 50.0% of 10 rows")
    assert unseen.startswith("m@1 has the sentiment of the active model in 0.0%")


def test_ruff_finds_nothing_of_airflow_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "AIR3", "--no-cache", str(ROOT / "dags")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
