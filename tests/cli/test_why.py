"""`barograph why`: the table adds up on the terminal and in JSON, and what cannot be told is said."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import why
from pipeline.errors import InputError
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, activate_model, put

CLOCK = MovableClock()
NOON = CLOCK.now
WORDS = ("--from", "2026-03-01", "--to", "2026-03-03T11:00", "--known", "now")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "barograph.toml").write_text("demo = true\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    warehouse = Warehouse(f"duckdb:{tmp_path / 'data' / 'barograph.duckdb'}", CLOCK)
    warehouse.prepare()
    activate_model(warehouse)
    pieces = [
        Piece(f"a{day}-{n}", NOON - timedelta(days=day), NOON - timedelta(days=day), p_negative=(7 * day + n) % 9 / 10,
              p_positive=0.1, title=f"Story {day}-{n}", publisher=f"P{n}")
        for day in range(40) for n in range(3)
    ]  # fmt: skip
    put(warehouse, pieces)
    return tmp_path


def run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    why.register(app)
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "barograph.toml")])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_the_parts_add_up_in_json(folder: Path) -> None:
    told = json.loads(run(folder, *WORDS, "--json"))
    assert told["demo"] is True
    assert told["unit"] == "index"
    assert sum(told["parts"].values()) == pytest.approx(told["after"] - told["before"], abs=1e-9)
    assert told["new_stories"] == 6
    assert told["stories"][0]["title"].startswith("Story ")


def test_the_terminal_shows_parts_and_stories(folder: Path) -> None:
    said = run(folder, *WORDS, "--scope", "publisher", "--key", "P1")
    assert "DEMO" in said
    assert "yardstick" in said
    assert "together" in said
    assert "Story 0-1" in said


def test_without_a_choice_what_was_not_known_then_is_read_with_what_is_known_now(folder: Path) -> None:
    said = run(folder, "--from", "2026-03-01", "--to", "2026-03-02")
    assert "did not know the series then" in said


def test_a_series_without_stories_is_no_failure_of_ours(folder: Path) -> None:
    with pytest.raises(InputError, match="no scored story"):
        run(folder, *WORDS, "--scope", "entity", "--key", "co:nobody")
    with pytest.raises(InputError, match="no scope"):
        run(folder, *WORDS, "--scope", "country")
