"""`barograph rules check`: the shipped file is fine, a broken one is one line and exit status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import rules
from pipeline.errors import RulesError


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.chdir(tmp_path)
    main = typer.Typer()
    main.callback()(lambda: None)
    rules.register(main)
    return main


def test_the_shipped_rules_are_listed(app: typer.Typer) -> None:
    done = CliRunner().invoke(app, ["rules", "check", "--json"])
    assert done.exit_code == 0, done.output
    names = [row["rule"] for row in json.loads(done.output)]
    assert "event-watchlist" in names
    assert "late-feed" in names


def test_a_broken_file_is_named(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[rule]]\nname = "r"\nkind = "magic"\n')
    done = CliRunner().invoke(app, ["rules", "check", "mine.toml"])
    assert isinstance(done.exception, RulesError)
    assert "mine.toml: rule r: kind = 'magic'" in str(done.exception)
