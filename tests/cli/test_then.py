"""`detect --as-of` and `publish --as-of` as a person calls them: the past is told, the present stays as it is."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import stages
from pipeline.errors import UsageError
from pipeline.publish.snapshot import Snapshot
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, activate_model, put

RULES = '[[rule]]\nname = "ruin"\nkind = "event"\nwatchlists = ["*"]\nthemes = ["bankruptcy"]\np_negative = 0.1\n'
LISTS = '[watchlists.book]\nowner = "risk"\ntier1 = ["co:a"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A quiet day, and a bankruptcy at ten the day after."""
    (tmp_path / "barograph.toml").write_text("demo = true\n", encoding="utf-8")
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    (tmp_path / "watchlists.toml").write_text(LISTS, encoding="utf-8")
    (tmp_path / "data").mkdir()
    clock = MovableClock()
    clock.now -= timedelta(days=1)
    warehouse = Warehouse(f"duckdb:{tmp_path / 'data' / 'barograph.duckdb'}", clock)
    warehouse.prepare()
    activate_model(warehouse)
    put(warehouse, [Piece("calm", clock.now, clock.now)])
    clock.now += timedelta(hours=22)
    about = {"co:a": (1.0, 0.9, 0.0)}
    put(
        warehouse,
        [Piece("ruin", clock.now, clock.now, p_negative=0.9, entities=about, themes=(("co:a", "bankruptcy"),))],
    )
    return tmp_path


def run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    stages.register(app)
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "barograph.toml")])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_detect_as_of_tells_what_a_pass_would_have_found(folder: Path) -> None:
    rows = json.loads(run(folder, "detect", "--as-of", "2026-03-03 10:30", "--json"))
    assert [(row["rule"], row["state"], row["demo"]) for row in rows] == [("ruin", "firing", True)]
    said = run(folder, "detect", "--as-of", "2026-03-02 18:00")
    assert "DEMO" in said
    assert "nothing was kept" in said
    assert "a pass then changes no incident" in said
    assert not (folder / "data" / "published").exists()


def test_publish_as_of_writes_a_snapshot_of_the_past_beside_the_present(folder: Path) -> None:
    run(folder, "publish", "--as-of", "2026-03-02T18:00", "--to", str(folder / "then"))
    stories = Snapshot.open(folder / "then").table("stories")
    assert stories["story_id"].tolist() == ["story-calm"]
    run(folder, "publish", "--to", str(folder / "now"))
    assert len(Snapshot.open(folder / "now").table("stories")) == 2
    with pytest.raises(UsageError, match="another folder"):
        run(folder, "publish", "--as-of", "2026-03-02T18:00")
