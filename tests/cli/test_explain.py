"""`barograph explain` as a user calls it: words, JSON, a page, and a wrong call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import explain
from models.errors import WeightsMissing

TEXT = "Holt & Maar shares plunge, loss widens <script>"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    explain.register(app)
    return app


def call(app: typer.Typer, *arguments: object) -> str:
    """Run a command that must succeed; return what it printed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_and_a_page(app: typer.Typer, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    found = json.loads(call(app, TEXT, "--json", "--html", target, "--device", "cpu"))
    assert found["sentiment"] == "negative"
    assert found["status"] is None
    assert found["complete"] is True
    assert [word["text"] for word in found["words"]][:2] == ["Holt", "&"]
    weights = sum(word["negative"] for word in found["words"])
    assert weights == pytest.approx(found["p_negative"] - found["blank"]["negative"], abs=0.021)
    page = target.read_text("utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "http-equiv" in page


def test_people_see_words_and_what_would_not_be_scored(app: typer.Typer) -> None:
    said = call(app, "Der Umsatz stieg im dritten Quartal um 4 Prozent", "--device", "cpu")
    assert "Umsatz" in said
    assert "would not score this text: language" in said
    assert "towards" in said


def test_a_wrong_call_ends_with_2_or_one_line(app: typer.Typer) -> None:
    assert CliRunner().invoke(app, ["  "]).exit_code == 2
    with pytest.raises(WeightsMissing, match="no/such"):
        call(app, "Oil slips", "--model", "no/such")
