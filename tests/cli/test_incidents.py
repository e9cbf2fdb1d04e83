"""`barograph incidents` and `barograph routes test` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import incidents
from pipeline.context import Context, open_context
from pipeline.errors import DeliveryFailed, InputError, RulesError
from pipeline.notify import run
from tests.pipeline.notify.world import Memory, article, decision, detection, fired, put, rows

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "barograph.toml"
    path.write_text("[store]\nlock_timeout_s = 10\n", encoding="utf-8")
    return path


@pytest.fixture
def context(config: Path) -> Context:
    return open_context(config)


@pytest.fixture
def barograph(config: Path) -> Run:
    app = typer.Typer()
    incidents.register(app)

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, *(() if "--help" in arguments else ("--config", str(config)))])

    return call


def firing(context: Context) -> str:
    found = detection()
    life = fired(found)
    proof = [("decision", decision(found)), ("article", article("a1", 0.9, title="[red]Insurer[/red] warns"))]
    put(context.warehouse, [life], {life[0].incident_id: proof})
    return life[0].incident_id


def test_an_empty_store_says_so(context: Context, barograph: Run) -> None:
    assert "no incidents" in barograph("incidents", "list").output
    assert json.loads(barograph("incidents", "list", "--json").stdout) == []


def test_list_and_show(context: Context, barograph: Run) -> None:
    incident_id = firing(context)
    run(context, {"log": Memory()})
    assert incident_id[:12] in barograph("incidents", "list", "--state", "firing").output
    assert "no incidents" in barograph("incidents", "list", "--state", "resolved").output
    listed = json.loads(barograph("incidents", "list", "--json").stdout)
    assert [(r["incident_id"], r["demo"]) for r in listed] == [(incident_id, False)]
    shown = barograph("incidents", "show", incident_id[:8]).output
    assert "[WARNING] Insurers: 14 of 31" in shown
    assert "“[red]Insurer[/red] warns”" in shown
    assert "about 1 in 4,200" in shown
    assert "log" in shown
    told = json.loads(barograph("incidents", "show", incident_id, "--json").stdout)
    assert told["evidence"]["articles"][0]["article_id"] == "a1"
    assert [e["action"] for e in told["events"]] == ["open", "fire"]


def test_acknowledge_takes_effect_with_notify(context: Context, barograph: Run) -> None:
    incident_id = firing(context)
    done = barograph("incidents", "ack", incident_id[:6], "--as", "Ann", "--note", "on it")
    assert "noted: acknowledge" in done.output
    assert rows(context, "SELECT state FROM incidents") == [{"state": "firing"}]
    run(context, {"log": Memory()})
    assert rows(context, "SELECT state, acknowledged_by FROM incidents") == [
        {"state": "acknowledged", "acknowledged_by": "Ann"}
    ]


def test_an_id_nobody_has_is_one_clear_line(context: Context, barograph: Run) -> None:
    for command in ("show", "ack", "resolve"):
        failed = barograph("incidents", command, "ffff")
        assert isinstance(failed.exception, InputError)
        assert "barograph incidents list" in str(failed.exception)


def test_routes_test_reaches_every_receiver_and_says_which_did_not_answer(
    context: Context, barograph: Run, tmp_path: Path
) -> None:
    assert barograph("routes", "test").exit_code == 0
    assert "[TEST]" in (context.settings.store.published.parent / "alerts.jsonl").read_text(encoding="utf-8")
    (tmp_path / "routes.toml").write_text(
        f'[[route]]\nreceiver = "bad"\n[receivers.bad]\nurls = ["file:ok.jsonl", "file:{tmp_path}"]\n', encoding="utf-8"
    )
    failed = barograph("routes", "test", "--json")
    assert isinstance(failed.exception, DeliveryFailed)
    assert [(r["receiver"], r["ok"]) for r in json.loads(failed.stdout)] == [("bad", True), ("bad#2", False)]


def test_routes_test_with_a_wrong_file(context: Context, barograph: Run, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text('[[route]]\nreceiver = "x"\n', encoding="utf-8")
    assert isinstance(barograph("routes", "test").exception, RulesError)


@pytest.mark.parametrize("command", ["list", "show", "ack", "resolve"])
def test_help_teaches(barograph: Run, command: str) -> None:
    assert f"barograph incidents {command}" in barograph("incidents", command, "--help").output
