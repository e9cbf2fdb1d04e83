"""`barograph export`: every table of the store as CSV, JSONL and Parquet, as of a time, safe for spreadsheets."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from cli import export
from pipeline.errors import InputError, SnapshotMissing, UsageError
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.dashboards import sample
from tests.pipeline.seeds import Piece, activate_model, put

HOSTILE = '=HYPERLINK("https://news.example","x")'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "barograph.toml").write_text("demo = true\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Path:
    """Two articles, one known an hour after the other."""
    (folder / "data").mkdir()
    clock = MovableClock()
    warehouse = Warehouse(f"duckdb:{folder / 'data' / 'barograph.duckdb'}", clock)
    warehouse.prepare()
    activate_model(warehouse)
    put(warehouse, [Piece("a", clock.now, clock.now, title=HOSTILE)])
    clock.now += timedelta(hours=1)
    put(warehouse, [Piece("b", clock.now, clock.now, title="Bank ✓ warns")])
    return folder


def run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    export.register(app)
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "barograph.toml")])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_cell_of_a_csv_is_a_formula(store: Path) -> None:
    said = run(store, "articles", "--to", str(store / "a.csv"))
    assert "2 rows of articles, DEMO data" in said
    titles = [row["title"] for row in rows_of(store / "a.csv")]
    assert titles == ["'" + HOSTILE, "Bank ✓ warns"]
    assert [path.name for path in store.iterdir() if path.name.startswith(".")] == []


def test_the_name_of_the_file_tells_the_format(store: Path) -> None:
    run(store, "articles", "--to", str(store / "a.jsonl"))
    rows = [json.loads(line) for line in (store / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["title"] for row in rows] == [HOSTILE, "Bank ✓ warns"]
    run(store, "scores", "--to", str(store / "s.parquet"))
    assert str(pq.read_schema(store / "s.parquet").field("recorded_at").type).startswith("timestamp[us, tz=")
    run(store, "scores", "--to", str(store / "s.txt"), "--format", "jsonl")
    assert json.loads((store / "s.txt").read_text(encoding="utf-8").splitlines()[0])["status"] == "scored"


def test_an_empty_table_still_has_its_columns(store: Path) -> None:
    run(store, "incidents", "--to", str(store / "i.csv"))
    assert (store / "i.csv").read_text(encoding="utf-8").startswith("incident_id,dedup_key,")
    run(store, "incidents", "--to", str(store / "i.jsonl"))
    assert (store / "i.jsonl").read_text(encoding="utf-8") == ""


def test_as_of_a_time_the_store_had_one_article_and_its_series(store: Path) -> None:
    run(store, "articles", "--as-of", "2026-03-03 12:30", "--to", str(store / "a.csv"))
    assert [row["article_id"] for row in rows_of(store / "a.csv")] == ["a"]
    said = run(store, "series", "--as-of", "2026-03-03 12:30", "--to", str(store / "t.csv"))
    assert "as known at 2026-03-03 12:30 UTC" in said
    market = [row for row in rows_of(store / "t.csv") if (row["scope"], row["grain"]) == ("market", "day")]
    assert [(row["story_count"], row["net_sentiment"][:4]) for row in market] == [("1", "0.1")]


def test_what_is_wrong_is_said(store: Path) -> None:
    with pytest.raises(UsageError, match="no table is named storys"):
        run(store, "storys")
    with pytest.raises(UsageError, match="publishers keeps only how things stand now"):
        run(store, "publishers", "--as-of", "2026-03-03", "--to", str(store / "p.csv"))
    with pytest.raises(InputError, match="no such folder"):
        run(store, "articles", "--to", str(store / "nowhere" / "s.csv"))
    with pytest.raises(InputError, match="no model was active then"):
        run(store, "series", "--as-of", "2020-01-01", "--to", str(store / "s.csv"))
    with pytest.raises(UsageError, match="a snapshot holds one moment"):
        run(store, "stories", "--published", "--as-of", "2026-03-03")


def test_the_published_snapshot_is_read_without_the_store(folder: Path) -> None:
    with pytest.raises(SnapshotMissing, match="barograph run"):
        run(folder, "stories", "--published", "--to", str(folder / "s.csv"))
    sample.write(folder / "data" / "published", hostile=True)
    assert "DEMO data" in run(folder, "stories", "--published", "--to", str(folder / "s.csv"))
    rows = rows_of(folder / "s.csv")
    assert sample.HOSTILE in {row["title"] for row in rows}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    assert not (folder / "data" / "barograph.duckdb").exists()
    with pytest.raises(UsageError, match="no table is named storys"):
        run(folder, "storys", "--published", "--to", str(folder / "s.csv"))
