"""`barograph import` as a person uses it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import imports
from pipeline.errors import InputError
from tests.conftest import ROOT

ARCHIVE = ROOT / "tests" / "samples" / "archives" / "gazette.csv"


def test_import_tells_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "barograph.toml").write_text("", encoding="utf-8")
    app = typer.Typer()
    imports.register(app)
    archive = shutil.copyfile(ARCHIVE, tmp_path / "gazette.csv")
    command = [str(archive), "--publisher", "Harbour Gazette", "--map", "title=Headlines, published_at=Time"]
    command += ["--config", str(tmp_path / "barograph.toml")]

    first = CliRunner().invoke(app, command)
    again = CliRunner().invoke(app, [*command, "--json"])

    assert first.exit_code == 0, first.output
    assert "5 new of 7 rows" in first.output
    assert "1 rows have no title" in first.output
    assert "gazette.csv.rejects.csv, each with the reason" in first.output
    assert (tmp_path / "gazette.csv.rejects.csv").read_text(encoding="utf-8").count("\n") == 3
    counts = json.loads(again.output)
    assert (counts["new_articles"], counts["known"]) == (0, 5)


@pytest.mark.parametrize("text", ["title", "title=", "=Headlines"])
def test_a_map_that_is_no_map_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="FIELD=COLUMN"):
        imports.parse_map(text)


def test_no_map_is_an_empty_map() -> None:
    assert imports.parse_map("") == {}
