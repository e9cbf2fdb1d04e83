"""`barograph warehouse` as a person uses it: upgrade, maintain, back up, restore, move."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import warehouse
from pipeline.errors import StoreError, UsageError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.schema import migrations
from tests.pipeline.warehouse.world import NOON, contents, store_of

Run = Callable[..., Result]


@pytest.fixture
def barograph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer()
    warehouse.register(app)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "barograph.toml").write_text('[store]\nwarehouse = "duckdb:here.duckdb"\n', encoding="utf-8")

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["warehouse", *arguments])

    return call


def test_a_store_through_all_five_commands(barograph: Run, tmp_path: Path) -> None:
    here = store_of(f"duckdb:{tmp_path / 'here.duckdb'}", 9)
    upgraded = json.loads(barograph("upgrade", "--json").output)
    assert upgraded["schema"] == len(migrations())
    assert upgraded["ran"][0] == "0010_configurations"
    assert "nothing to do" in barograph("upgrade").output

    assert "maintained: " in barograph("maintain", "--no-backup").output
    refused = barograph("backup")
    assert isinstance(refused.exception, UsageError)
    assert "--to FOLDER" in str(refused.exception)
    made = json.loads(barograph("backup", "--to", "backups", "--json").output)
    before = contents(here)
    assert made["tested"] is True
    assert made["rows"] == sum(one.rows for one in before.values())

    over = barograph("restore", made["backup"])
    assert isinstance(over.exception, StoreError)
    assert "--replace" in str(over.exception)
    assert "all equal" in barograph("restore", made["backup"], "--to", "duckdb:there.duckdb").output
    assert contents(Warehouse("duckdb:there.duckdb", lambda: NOON)) == before
    moved = barograph("migrate", "duckdb:there.duckdb", "duckdb:moved.duckdb")
    assert "[store] warehouse" in moved.output
    assert contents(Warehouse("duckdb:moved.duckdb", lambda: NOON)) == before


def test_a_store_is_backed_up_as_it_stands_before_an_upgrade(barograph: Run, tmp_path: Path) -> None:
    store_of(f"duckdb:{tmp_path / 'here.duckdb'}", 9, only=("feeds",))
    made = json.loads(barograph("backup", "--to", "backups", "--json").output)
    assert (made["schema"], made["tested"]) == (9, True)
    assert json.loads(barograph("upgrade", "--json").output)["ran"][0] == "0010_configurations"


def test_maintain_says_what_it_did_for_programs(barograph: Run) -> None:
    told = json.loads(barograph("maintain", "--json").output)
    assert told["rows_removed"] == 0
    assert told["notes"] == ["no backup: name a folder with `[maintain] backups`"]
