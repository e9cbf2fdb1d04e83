"""`barograph export` and the settings `barograph dashboard` starts from."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from cli import pages
from pipeline.errors import InputError, SnapshotMissing, UsageError
from tests.dashboards import sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "barograph.toml").write_text("demo = true\n", encoding="utf-8")
    return tmp_path


def _run(folder: Path, *words: str) -> str:
    app = typer.Typer()
    pages.register(app)
    result = CliRunner().invoke(app, [*words, "--config", str(folder / "barograph.toml")])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_stories_are_written_for_a_spreadsheet(folder: Path) -> None:
    sample.write(folder / "data" / "published", hostile=True)
    said = _run(folder, "export", "stories", "--to", str(folder / "s.csv"))
    assert "DEMO data" in said
    with (folder / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sample.HOSTILE in {row["title"] for row in rows}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_parquet_keeps_the_types(folder: Path) -> None:
    sample.write(folder / "data" / "published")
    _run(folder, "export", "trends", "--format", "parquet", "--to", str(folder / "t.parquet"))
    assert str(pq.read_schema(folder / "t.parquet").field("bucket_start").type) == "timestamp[us, tz=UTC]"


def test_what_is_wrong_is_said(folder: Path) -> None:
    with pytest.raises(SnapshotMissing, match="barograph run"):
        _run(folder, "export", "stories", "--to", str(folder / "s.csv"))
    sample.write(folder / "data" / "published")
    with pytest.raises(UsageError, match="no table is named storys"):
        _run(folder, "export", "storys", "--to", str(folder / "s.csv"))
    with pytest.raises(InputError, match="no such folder"):
        _run(folder, "export", "stories", "--to", str(folder / "nowhere" / "s.csv"))
