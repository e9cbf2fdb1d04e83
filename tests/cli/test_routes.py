"""`barograph routes test` as a person uses it: who would be told, and whether they can be reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import routes
from pipeline.errors import DeliveryFailed, InputError, RulesError

Run = Callable[..., Result]
ROUTES = """
[[route]]
match = { severity = ["critical"] }
receiver = "desk"
group_interval = "10m"
quiet_hours = { from = "22:00", to = "07:00", zone = "Europe/London" }
continue = true
[[route]]
match = { kind = "health" }
receiver = "ops"
[receivers.desk]
urls = ["file:desk.jsonl", "file:desk2.jsonl"]
[receivers.ops]
urls = ["file:ops.jsonl"]
"""


@pytest.fixture
def barograph(tmp_path: Path) -> Run:
    config = tmp_path / "barograph.toml"
    config.write_text("[store]\nlock_timeout_s = 10\n", encoding="utf-8")
    app = typer.Typer()
    routes.register(app)

    def call(*arguments: str) -> Result:
        given = () if "--help" in arguments else ("--config", str(config))
        return CliRunner().invoke(app, ["routes", *arguments, *given])

    return call


def test_it_reaches_every_receiver_and_says_which_did_not_answer(barograph: Run, tmp_path: Path) -> None:
    assert barograph("test").exit_code == 0
    assert "[TEST]" in (tmp_path / "data" / "alerts.jsonl").read_text(encoding="utf-8")
    (tmp_path / "routes.toml").write_text(
        f'[[route]]\nreceiver = "bad"\n[receivers.bad]\nurls = ["file:ok.jsonl", "file:{tmp_path}"]\n', encoding="utf-8"
    )
    failed = barograph("test", "--json")
    assert isinstance(failed.exception, DeliveryFailed)
    assert [(r["receiver"], r["ok"]) for r in json.loads(failed.stdout)] == [("bad", True), ("bad#2", False)]


def test_labels_show_who_would_be_told_and_how(barograph: Run, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES, encoding="utf-8")
    shown = json.loads(barograph("test", "-l", "severity=critical", "-l", "kind=health", "--json").stdout)
    assert [row["receiver"] for row in shown] == ["desk", "desk#2", "ops"]
    assert shown[0]["group_interval"] == "0:10:00"
    assert "22:00–07:00 Europe/London" in shown[0]["quiet_hours"]
    assert not (tmp_path / "data" / "desk.jsonl").exists(), "nothing is sent unless asked"
    assert "nobody would be told" in barograph("test", "--label", "kind=event").output
    sent = barograph("test", "--label", "severity=critical", "--receiver", "desk", "--send")
    assert sent.exit_code == 0
    assert (tmp_path / "data" / "desk2.jsonl").exists()
    assert not (tmp_path / "data" / "ops.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--label", "colour=red"), "no label is named colour"),
        (("--label", "severity=loud"), "no severity is named loud; they are info, warning, error, critical"),
        (("--label", "red"), "write LABEL=VALUE"),
        (("--receiver", "nobody"), "no address of a receiver 'nobody'"),
    ],
)
def test_a_wrong_call_is_one_clear_line(barograph: Run, arguments: tuple[str, ...], says: str) -> None:
    failed = barograph("test", *arguments)
    assert isinstance(failed.exception, InputError)
    assert says in str(failed.exception)


def test_a_wrong_file(barograph: Run, tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text('[[route]]\nreceiver = "x"\n', encoding="utf-8")
    assert isinstance(barograph("test").exception, RulesError)


def test_help_teaches(barograph: Run) -> None:
    assert "Examples: barograph routes test" in barograph("test", "--help").output
