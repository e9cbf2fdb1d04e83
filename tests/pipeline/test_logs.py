"""Log lines: one JSON object each for programs, and the id of the run in every one of them and in the record."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.main import main
from pipeline import logs
from pipeline.context import Context
from pipeline.stages import run_stage

HOSTILE = 'a "title"\nlevel=ERROR \u2028 \x1b[31mred {"run_id": "forged"}'


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_is_one_object_whatever_is_said() -> None:
    said = io.StringIO()
    logs.configure("json", logging.INFO, said)
    with logs.bound(run_id="r1", stage="link"):
        logging.getLogger("pipeline.link").info("saw %s", HOSTILE)
    (line,) = said.getvalue().splitlines()
    found = json.loads(line)
    assert found["event"] == f"saw {HOSTILE}"
    assert (found["run_id"], found["stage"], found["level"], found["logger"]) == ("r1", "link", "info", "pipeline.link")
    assert found["timestamp"].endswith("Z")


def test_an_error_keeps_its_traceback_in_its_line() -> None:
    said = io.StringIO()
    logs.configure("json", logging.INFO, said)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("it failed")
    (line,) = said.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exception"]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process cannot be changed here")
def test_a_plain_line_has_its_time_in_utc_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    logs.configure("plain", logging.INFO, said)
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        logging.getLogger("x").info("now")
    time.tzset()
    moment = datetime.strptime(said.getvalue().partition(" INFO")[0], "%Y-%m-%d %H:%M:%S,%f%z")
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


@pytest.mark.parametrize("form", ["plain", "json"])
def test_threads_that_work_for_a_run_carry_its_id(form: str) -> None:
    said = io.StringIO()
    logs.configure(form, logging.INFO, said)
    with ThreadPoolExecutor(1) as pool, logs.bound(run_id="r7"):
        pool.submit(logging.getLogger("x").info, "from a thread").result()
    logging.getLogger("x").info("after")
    inside, after = said.getvalue().splitlines()
    assert "r7" in inside
    assert "r7" not in after


def test_it_can_be_set_up_again() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure("plain", logging.INFO, first)
    logs.configure("json", logging.INFO, second)
    logging.getLogger("x").info("once")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["event"] == "once"


def test_one_id_ties_the_lines_of_all_stages_to_the_record(context: Context) -> None:
    said = io.StringIO()
    logs.configure("json", logging.INFO, said)
    for stage in ("ingest", "link", "fold", "aggregate", "notify"):
        run_stage(stage, replace(context, run_id="r1"))
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    ends = {line["stage"] for line in lines if line["logger"] == "pipeline.stages"}
    assert ends == {"ingest", "link", "fold", "aggregate", "notify"}
    assert {line["run_id"] for line in lines} == {"r1"}
    with context.warehouse.read() as con:
        assert {row[0] for row in con.execute("SELECT stage FROM runs WHERE run_id = 'r1'").fetchall()} == ends


def test_the_settings_ask_for_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "barograph.toml").write_text('[log]\nformat = "json"\nlevel = "INFO"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["barograph", "fold"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (ended,) = (line for line in lines if line["logger"] == "pipeline.stages")
    assert len(ended["run_id"]) == 12
