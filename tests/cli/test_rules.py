"""`barograph rules check`: the shipped file is fine, a broken one is one line and exit status 2."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import rules
from pipeline.errors import RulesError
from pipeline.warehouse import Warehouse
from tests.pipeline.seeds import insert


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
    assert "mine.toml:3: rule r: kind = 'magic'" in str(done.exception)


def test_what_matches_nothing_is_a_warning_with_its_line(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[rule]]\nname = "r"\nkind = "event"\nwatchlists = ["bonks"]\n')
    done = CliRunner().invoke(app, ["rules", "check", "mine.toml"])
    assert done.exit_code == 0, done.output
    assert "warning: mine.toml:1: rule r: no watch-list is named 'bonks'" in done.output
    assert "1 warnings (no store yet" in done.output


def test_keys_are_looked_up_in_the_store(app: typer.Typer, tmp_path: Path) -> None:
    store = Warehouse(f"duckdb:{tmp_path / 'data' / 'barograph.duckdb'}", lambda: datetime(2026, 3, 3, tzinfo=UTC))
    store.prepare()
    insert(store, "catalogue", "entities", [{"entity_id": "co:a", "name": "A", "sector": "banks"}], ["entity_id"])
    text = '[[rule]]\nname = "r"\nkind = "negative_share"\nscope = "sector"\nkeys = ["bonks"]\n'
    (tmp_path / "mine.toml").write_text(text)
    done = CliRunner().invoke(app, ["rules", "check", "mine.toml", "--json"])
    assert done.exit_code == 0, done.output
    assert "no sector here has the key 'bonks'" in json.loads(done.output)[0]["warning"]


def test_what_a_rule_really_sends_stands_beside_its_budget(app: typer.Typer, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store = Warehouse(f"duckdb:{tmp_path / 'data' / 'barograph.duckdb'}", lambda: now)
    store.prepare()
    with store.write("incidents") as tx:
        for n, days in enumerate((1, 5, 60)):
            tx.con.execute(
                "INSERT INTO incidents (incident_id, rule, fired_at) VALUES (?, 'r', ?)",
                [f"i{n}", now - timedelta(days=days)],
            )
        tx.con.execute(
            "INSERT INTO limits (limit_id, rule, set_for, p_limit, per_week, basis) VALUES"
            " ('a', 'r', ?, .002, .9, 'counted'), ('b', 'r', ?, .003, .8, 'counted')",
            [now - timedelta(days=1), now],
        )
    (tmp_path / "mine.toml").write_text('[[rule]]\nname = "r"\nkind = "negative_share"\nbudget = "1 a week"\n')
    done = CliRunner().invoke(app, ["rules", "check", "mine.toml", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.output)
    assert (row["budget"], row["limit"], row["past a week"], row["sent a week"]) == ("1 a week", 0.003, 0.8, 0.5)
