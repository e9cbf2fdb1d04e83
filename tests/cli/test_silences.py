"""`barograph silences` as a person uses it: with an end, a reason and a name, and refused without."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import silences
from pipeline.context import Context, open_context
from pipeline.errors import InputError
from pipeline.notify import run
from tests.pipeline.notify.world import Memory

Run = Callable[..., Result]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    config = tmp_path / "barograph.toml"
    config.write_text("[store]\nlock_timeout_s = 10\n", encoding="utf-8")
    return open_context(config)


@pytest.fixture
def barograph(context: Context, tmp_path: Path) -> Run:
    app = typer.Typer()
    silences.register(app)

    def call(*arguments: str) -> Result:
        given = () if "--help" in arguments else ("--config", str(tmp_path / "barograph.toml"))
        return CliRunner().invoke(app, ["silences", *arguments, *given])

    return call


def listed(barograph: Run, *more: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(barograph("list", "--json", *more).stdout)
    return found


def test_a_silence_from_its_wish_to_its_end(context: Context, barograph: Run) -> None:
    done = barograph(
        "add", "-m", "key=insurers", "-m", "key=banks", "-m", "severity=warning", "--for", "4h", "-r", "results",
        "--as", "Ann",
    )  # fmt: skip
    assert "noted: silence" in done.output
    (row,) = listed(barograph)
    assert (row["state"], row["author"], row["reason"]) == ("waiting", "Ann", "results")
    assert row["matchers"] == {"key": ["insurers", "banks"], "severity": ["warning"]}
    run(context, {"log": Memory()})
    (held,) = listed(barograph)
    assert held["state"] == "holds"
    lasts = datetime.fromisoformat(str(held["ends_at"])) - datetime.fromisoformat(str(held["starts_at"]))
    assert lasts == timedelta(hours=4)
    assert str(held["silence_id"])[:12] in barograph("list").output
    assert "noted: expire" in barograph("expire", str(held["silence_id"])[:8]).output
    run(context, {"log": Memory()})
    assert listed(barograph) == []
    assert [r["state"] for r in listed(barograph, "--all")] == ["expired"]
    assert "no silences" in barograph("list").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-m", "key=a", "-r", "x"), "needs its end"),
        (("-m", "key=a", "-r", "x", "--for", "4h", "--until", "2099-01-01"), "needs its end"),
        (("-m", "key=a", "-r", "x", "--until", "2020-01-01"), "not in the past"),
        (("-m", "key=a", "-r", "x", "--for", "400d"), "a year at most"),
        (("-m", "key=a", "-r", "x", "--for", "soon"), "not a time"),
        (("-m", "key=a", "-r", " ", "--for", "4h"), "its reason"),
        (("-m", "colour=a", "-r", "x", "--for", "4h"), "no label is named colour"),
        (("-m", "key", "-r", "x", "--for", "4h"), "LABEL=VALUE"),
        (("-m", "key=a", "-r", "x", "--for", "4h", "--from", "noon"), "is not a time"),
    ],
)
def test_what_is_not_whole_is_refused_and_not_noted(
    context: Context, barograph: Run, arguments: tuple[str, ...], says: str
) -> None:
    failed = barograph("add", *arguments)
    assert isinstance(failed.exception, InputError)
    assert says in str(failed.exception)
    assert listed(barograph) == []


def test_an_id_nobody_has(barograph: Run) -> None:
    assert isinstance(barograph("expire", "ffff").exception, InputError)


@pytest.mark.parametrize("command", ["add", "list", "expire"])
def test_help_teaches(barograph: Run, command: str) -> None:
    assert f"barograph silences {command}" in barograph(command, "--help").output
