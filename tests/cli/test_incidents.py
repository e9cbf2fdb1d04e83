"""`barograph incidents` and `barograph routes test` as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import incidents
from pipeline.context import Context, open_context
from pipeline.errors import InputError
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


def test_a_verdict_is_kept_and_shown(context: Context, barograph: Run) -> None:
    incident_id = firing(context)
    said = barograph("incidents", "verdict", incident_id[:8], "wrong-company", "--as", "Ann", "--note", "another one")
    assert "noted: verdict" in said.output
    run(context, {"log": Memory()})
    assert rows(context, "SELECT verdict, author FROM verdicts") == [{"verdict": "wrong company", "author": "Ann"}]
    assert "wrong company" in barograph("incidents", "show", incident_id).output
    failed = barograph("incidents", "verdict", incident_id, "missed-event")
    assert isinstance(failed.exception, InputError)
    assert "they are right, not-material" in str(failed.exception)


def test_a_missed_event_is_kept(context: Context, barograph: Run) -> None:
    done = barograph("incidents", "missed", "Northgate stopped payments", "--at", "2026-03-02T08:00+01:00")
    assert done.exit_code == 0
    run(context, {"log": Memory()})
    assert rows(context, "SELECT verdict, about, happened_at FROM verdicts") == [
        {
            "verdict": "missed event",
            "about": "Northgate stopped payments",
            "happened_at": datetime(2026, 3, 2, 7, tzinfo=UTC),
        }
    ]
    assert isinstance(barograph("incidents", "missed", "x", "--at", "yesterday").exception, InputError)
    assert isinstance(barograph("incidents", "missed", " ").exception, InputError)


@pytest.mark.parametrize("command", ["list", "show", "ack", "resolve", "verdict", "missed"])
def test_help_teaches(barograph: Run, command: str) -> None:
    assert f"barograph incidents {command}" in barograph("incidents", command, "--help").output
