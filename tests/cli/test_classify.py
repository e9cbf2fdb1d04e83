"""`classify` as a user calls it: answers, statuses, files, and what a kill leaves, gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cli import classify
from models import DEFAULT, SENTIMENTS
from models.errors import DataInvalid, ModelError, PackageMissing, WeightsMissing


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    classify.register(app)
    app.callback()(lambda: None)
    return app


def call(app: typer.Typer, *arguments: object) -> str:
    """Run a command that must succeed; return what it printed."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(app: typer.Typer, error: type[ModelError], *arguments: object) -> str:
    """Run a command that must raise; return the line for the user."""
    with pytest.raises(error) as caught:
        CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_classify_a_text(app: typer.Typer) -> None:
    answer = json.loads(call(app, "classify", "Holt & Maar files for bankruptcy", "--json"))
    assert answer["sentiment"] == "negative"
    assert sum(answer[f"p_{word}"] for word in SENTIMENTS) == pytest.approx(1, abs=1e-4)
    assert answer["model_version"].startswith(f"{DEFAULT}@")
    assert "negative" in call(app, "classify", "Holt & Maar files for bankruptcy", "--entity", "Holt & Maar")


def test_what_cannot_be_scored_says_why(app: typer.Typer) -> None:
    answer = json.loads(call(app, "classify", "🎉🎉🎉", "--json"))
    assert (answer["status"], answer["sentiment"], answer["p_neutral"], answer["topic"]) == (
        "empty",
        "empty",
        None,
        None,
    )
    assert "filing: not scored" in call(app, "classify", "8-K - VELMONT INC (0000000001) (Filer)")


def test_a_text_that_is_cut_is_said(app: typer.Typer) -> None:
    assert "not read" in call(app, "classify", "Shares fall after a profit warning " * 100)


def test_classify_a_file_keeps_its_rows(app: typer.Typer, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        'id,Headline,entity\n7,"Velmont files for bankruptcy",Velmont\n8,,\n9,Orrin lifts its guidance,\nbad\n', "utf-8"
    )
    said = call(app, "classify", "--file", source, "--out", target, "--map", "text=Headline")
    assert "3 texts" in said
    assert "1 empty" in said
    assert "out.csv.rejects.csv" in said
    table = pd.read_csv(target)
    assert table["id"].tolist() == [7, 8, 9]
    assert table["sentiment"].tolist()[:2] == ["negative", "empty"]
    assert table["p_negative"].isna().tolist() == [False, True, False]
    assert {"topic", "topic_key", "p_topic", "truncated", "model_version"} <= set(table.columns)
    alone = json.loads(call(app, "classify", "Velmont files for bankruptcy", "--entity", "Velmont", "--json"))
    assert table["p_negative"][0] == pytest.approx(alone["p_negative"], abs=1e-4)


def test_a_file_as_json(app: typer.Typer, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"text": "Velmont files for bankruptcy"}\nnot json\n', "utf-8")
    told = json.loads(call(app, "classify", "--file", source, "--out", tmp_path / "out.parquet", "--json"))
    assert (told["rows"], told["rejected"], told["statuses"]) == (1, 1, {"scored": 1})
    assert pd.read_parquet(tmp_path / "out.parquet")["sentiment"].tolist() == ["negative"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("text", "--file", "a.csv", "--out", "b.csv"),
        ("--file", "a.csv"),
        ("   ",),
        ("--file", "a.csv", "--out", "b.csv", "--map", "text"),
        ("--file", "a.csv", "--out", "b.csv", "--map", "title=text"),
        ("--file", "a.csv", "--out", "b.csv", "--map", "sentiment=label"),
    ],
)
def test_a_wrong_call_ends_with_2(app: typer.Typer, arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["classify", *arguments]).exit_code == 2


def test_what_is_missing_is_named(app: typer.Typer, tmp_path: Path) -> None:
    assert "none.csv" in fails(
        app, DataInvalid, "classify", "--file", tmp_path / "none.csv", "--out", tmp_path / "o.csv"
    )
    assert "no/such" in fails(app, WeightsMissing, "classify", "Oil", "--model", "no/such")
    assert "must end in" in fails(
        app, DataInvalid, "classify", "--file", tmp_path / "none.txt", "--out", tmp_path / "o.csv"
    )
    (tmp_path / "in.csv").write_text("text\nOil\n", "utf-8")
    there = ("classify", "--file", tmp_path / "in.csv")
    assert "choose another --out" in fails(app, DataInvalid, *there, "--out", tmp_path / "none" / "o.csv")
    assert "auto, exact, torch, ctranslate2" in fails(app, PackageMissing, "classify", "Oil", "--engine", "fast")
