"""The doctor: what each figure is judged to be, and the whole of it on stores that are well, held, or wrong."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from pipeline.context import open_context
from pipeline.doctor import Check, State, installation, scheduler, store
from pipeline.doctor.check import attempt
from pipeline.metrics.facts import Facts, Latest, Waiting
from pipeline.runs import Outcome
from pipeline.settings import load
from tests.conftest import ROOT
from tests.pipeline.seeds import activate_model
from tests.support.holder import held

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
SECRET = "hush-4a71e0"
WELL = Facts(at=NOON, version="0", snapshot_at=NOON, disk_free_bytes=int(50e9), store_bytes=10)


def states(checks: Any) -> dict[str, State]:
    return {check.name: check.state for check in checks}


def test_a_store_that_is_well_has_nothing_to_do() -> None:
    found = list(store.judge(WELL))
    assert {check.state for check in found} == {State.OK}
    assert [check.todo for check in found if check.todo] == []


@pytest.mark.parametrize(
    ("name", "state", "changed"),
    [
        ("backlog", State.OK, {"waiting": {"score": Waiting(9, NOON - timedelta(minutes=10))}}),
        ("backlog", State.WARN, {"waiting": {"score": Waiting(9, NOON - timedelta(hours=2))}}),
        ("messages", State.WARN, {"notifications": {"failed": 1}}),
        ("messages", State.WRONG, {"notifications": {"failed": 1, "dead": 1}}),
        ("snapshot", State.WARN, {"snapshot_at": NOON - timedelta(hours=1)}),
        ("snapshot", State.WARN, {"snapshot_at": None}),
        ("disk", State.WARN, {"disk_free_bytes": int(2e9)}),
        ("disk", State.WRONG, {"disk_free_bytes": int(5e8)}),
    ],
)
def test_what_is_not_well_says_what_to_do(name: str, state: State, changed: dict[str, Any]) -> None:
    (found,) = (check for check in store.judge(replace(WELL, **changed)) if check.name == name)
    assert found.state is state
    assert bool(found.todo) == (state is not State.OK)


def test_a_stamp_of_the_future_is_a_clock_that_is_wrong() -> None:
    assert store.judge_clock(NOON + timedelta(seconds=30), NOON).state is State.OK
    assert store.judge_clock(None, NOON).state is State.OK
    found = store.judge_clock(NOON + timedelta(minutes=10), NOON)
    assert found.state is State.WRONG
    assert "600 s" in found.detail


def test_days_that_the_store_has_lost_are_named_with_the_command() -> None:
    assert store.judge_raw([]).state is State.OK
    found = store.judge_raw([date(2026, 3, 1), date(2026, 3, 3)])
    assert found.state is State.WRONG
    assert found.detail.endswith("barograph ingest --from-raw 2026-03-01 --from-raw 2026-03-03")
    assert found.todo


def test_a_load_of_the_day_on_which_attempts_begin_to_be_let_go_is_not_missed(folder: Path) -> None:
    """`maintain` lets attempts go by the hour, and the raw store answers by the day."""
    context = open_context()
    limit = datetime.now(UTC) - timedelta(days=load().maintain.fetches_days)
    for days in (0, 1):
        at = limit.replace(hour=0, minute=0) + timedelta(days=days)
        kept = load().store.raw / f"{at:%Y-%m-%d}"
        kept.mkdir(parents=True)
        (kept / f"{at:%Y%m%dT%H%M%S.%f}-aa.zst").touch()
    with context.warehouse.read() as con:
        assert store._missing(con, load()) == [limit.date() + timedelta(days=1)]


def test_the_newest_run_of_a_stage_counts() -> None:
    done, failed = (Outcome.DONE, "", Latest(NOON, 1)), (Outcome.FAILED, "RulesError", Latest(NOON, 1))
    assert store.judge_stages({}).state is State.WARN
    assert store.judge_stages({"link": done}).state is State.OK
    assert "detect (RulesError)" in store.judge_stages({"link": done, "detect": failed}).detail


def test_other_work_that_is_kept_is_judged_and_is_no_stage() -> None:
    done, failed = (Outcome.DONE, "", Latest(NOON, 1)), (Outcome.FAILED, "StoreBusy", Latest(NOON, 1))
    assert store.judge_stages({"link": done, "maintain": done}).detail.startswith("1 of 8 have run")
    found = store.judge_stages({"link": done, "maintain": failed})
    assert found.state is State.WRONG
    assert "maintain (StoreBusy)" in found.detail


def test_pools_and_dags_are_those_that_we_ship() -> None:
    shipped = json.loads((ROOT / "docker" / "pools.json").read_text("utf-8"))
    assert set(scheduler.POOLS) <= set(shipped)
    assert all((ROOT / "dags" / f"{dag}.py").exists() for dag in scheduler.DAGS)
    there = [{"pool": pool, "slots": "1"} for pool in scheduler.POOLS]
    assert scheduler.judge_pools(there).state is State.OK
    assert "gpu" in scheduler.judge_pools(there[:1]).detail
    assert scheduler.judge_pools([{"pool": p, "slots": 0} for p in scheduler.POOLS]).state is State.WRONG


@pytest.mark.parametrize(
    ("paused", "state"),
    [(["False"] * 5, State.OK), ([*["False"] * 3, True, "False"], State.WARN), (["False"] * 4, State.WRONG)],
)
def test_a_dag_that_is_paused_or_not_known_is_told(paused: list[Any], state: State) -> None:
    rows = [{"dag_id": dag, "is_paused": p} for dag, p in zip(scheduler.DAGS, paused, strict=False)]
    assert scheduler.judge_dags(rows).state is state


def test_the_dags_that_are_asked_for_are_those_that_a_clock_or_an_asset_starts() -> None:
    by_themselves = {
        file.stem for file in (ROOT / "dags").glob("*.py") if "**promised(" in file.read_text(encoding="utf-8")
    }
    assert set(scheduler.DAGS) == by_themselves


@pytest.mark.parametrize("around", ["", "[2026-03-03T12:00:00.000+0000] {plugins.py:37} INFO - loaded\n", "warning\n"])
def test_the_answer_of_airflow_is_found_among_its_log(around: str) -> None:
    rows = [{"pool": "gpu", "slots": "1"}]
    for written in (json.dumps(rows), json.dumps(rows, indent=2)):
        assert scheduler.answered(f"{around}{written}\n{around}") == rows
    with pytest.raises(ValueError, match="no rows"):
        scheduler.answered(around)


def test_without_airflow_nothing_is_asked_of_it() -> None:
    assert list(scheduler.checks({"PATH": "/bin"})) == []


def test_an_airflow_that_does_not_answer_is_told_without_its_words() -> None:
    environment = {"AIRFLOW_HOME": "/nonexistent", "AIRFLOW__CORE__EXECUTOR": SECRET, "PYTHONPATH": "/nonexistent"}
    found = scheduler._asked("airflow: pools", ("no-such-command",), scheduler.judge_pools, environment)
    assert found.state is State.WRONG
    assert SECRET not in str(found)


def test_the_libraries_of_this_environment_fit() -> None:
    assert {check.state for check in installation.versions()} == {State.OK}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feeds.opml").write_text('<opml version="2.0"><body/></opml>', "utf-8")
    (tmp_path / "barograph.toml").write_text(
        f'[notify]\nlink_key = "{SECRET * 4}"\n[store]\nlock_timeout_s = 0.3\n', "utf-8"
    )
    (tmp_path / "routes.toml").write_text(
        f'[receivers.desk]\nurls = ["json://user:{SECRET}@127.0.0.1:9/x?token={SECRET}"]\n'
        '[[route]]\nreceiver = "desk"\n',
        "utf-8",
    )
    return tmp_path


def test_files_that_can_be_read_are_ok(folder: Path) -> None:
    assert set(states(installation.files(load())).values()) == {State.OK}


@pytest.mark.parametrize(
    ("file", "text", "check", "said"),
    [
        ("feeds.opml", "<opml", "file: feeds", "feeds.opml"),
        ("rules.toml", '[[rule]]\nname = "x"\nkind = "event"\nwatch = 3\n', "file: rules", "rules.toml:4"),
        ("watchlists.toml", "[watchlists.one]\nmembers = 3\n", "file: watch-lists", "watchlists.toml:2"),
        ("routes.toml", "[[route]]\nreceiver = 'nobody'\n", "file: routes", "routes.toml"),
    ],
)
def test_a_file_that_its_stage_would_refuse_is_wrong(file: str, text: str, check: str, said: str, folder: Path) -> None:
    (folder / file).write_text(text, "utf-8")
    found = {one.name: one for one in installation.files(load())}
    assert [name for name, one in found.items() if one.state is not State.OK] == [check]
    assert found[check].state is State.WRONG
    assert said in found[check].detail


def test_a_check_makes_no_store(folder: Path) -> None:
    (found,) = store.checks(load())
    assert found.state is State.OK
    assert "the first run makes it" in found.detail
    assert not (folder / "data").exists()


def test_who_holds_the_store_is_named_with_its_program(folder: Path) -> None:
    open_context()
    with held(folder / "data" / "barograph.duckdb") as pid:
        (found,) = store.checks(load())
    assert found.state is State.WRONG
    assert f"PID {pid}" in found.detail
    assert "python" in found.detail.partition("It is:")[2]


def test_a_row_that_is_there_twice_is_found(folder: Path) -> None:
    context = open_context()
    with context.warehouse.exclusive() as con:
        con.execute("INSERT INTO articles (article_id, revision) VALUES ('a', 0), ('a', 0), ('b', 0)")
    found = states(store.checks(load()))
    assert found["integrity"] is State.WRONG
    assert found["store"] is State.OK


def test_an_active_model_that_is_not_there_any_more_is_told(folder: Path) -> None:
    activate_model(open_context().warehouse, "words@1")
    found = attempt("weights", lambda: installation.weights(load()))
    assert found.state is State.WRONG
    assert "words@1 is the active model" in found.detail
    assert "barograph models promote" in found.detail


def test_the_command_says_what_is_wrong_sends_a_test_and_shows_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAROGRAPH_MODEL__NAME", "not-there")  # loading one takes seconds
    open_context()
    monkeypatch.setattr(sys, "argv", ["barograph", "doctor", "--send", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 1
    rows = {
        row["check"]: Check(row["check"], State(row["state"]), row["detail"], row["do"]) for row in json.loads(said.out)
    }
    assert rows["store"].state is State.OK
    (channel,) = (check for name, check in rows.items() if name.startswith("channel: "))
    assert channel.state is State.WRONG, "nobody listens there"
    assert SECRET not in said.out + said.err


def test_a_test_message_makes_no_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAROGRAPH_MODEL__NAME", "not-there")  # loading one takes seconds
    monkeypatch.setenv(
        "BAROGRAPH_STORE__WAREHOUSE", f"ducklake:duckdb:{folder}/new/lake?data_path={folder}/new/parquet"
    )
    monkeypatch.setattr(sys, "argv", ["barograph", "doctor", "--send", "--json"])
    with pytest.raises(SystemExit):
        main()
    assert "channel: " in capsys.readouterr().out
    assert not (folder / "new").exists()
