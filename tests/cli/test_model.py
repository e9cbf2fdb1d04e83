"""The model's commands as a user calls them: answers, files, exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from cli import classify, evaluate, train
from models import DEFAULT, SENTIMENTS
from models.errors import DataInvalid, ModelError, RecipeInvalid, WeightsMissing

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "labelled.csv"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    for group in (classify, train, evaluate):
        group.register(app)
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


def test_classify_a_file_keeps_its_rows(app: typer.Typer, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        'id,Headline,entity\n7,"Velmont files for bankruptcy",Velmont\n8,,\n9,Orrin lifts its guidance,\n', "utf-8"
    )
    said = call(app, "classify", "--file", source, "--out", target, "--map", "text=Headline")
    assert "3 texts" in said
    table = pd.read_csv(target)
    assert table["id"].tolist() == [7, 8, 9]
    assert table["sentiment"].tolist()[:2] == ["negative", "empty"]
    assert table["p_negative"].isna().tolist() == [False, True, False]
    assert {"topic", "topic_key", "p_topic", "truncated", "model_version"} <= set(table.columns)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("text", "--file", "a.csv", "--out", "b.csv"),
        ("--file", "a.csv"),
        ("   ",),
        ("--file", "a.csv", "--out", "b.csv", "--map", "text"),
        ("--file", "a.csv", "--out", "b.csv", "--map", "title=text"),
    ],
)
def test_a_wrong_call_ends_with_2(app: typer.Typer, arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["classify", *arguments]).exit_code == 2


def test_what_is_missing_is_named(app: typer.Typer, tmp_path: Path) -> None:
    assert "none.csv" in fails(
        app, DataInvalid, "classify", "--file", tmp_path / "none.csv", "--out", tmp_path / "o.csv"
    )
    assert "no/such" in fails(app, WeightsMissing, "classify", "Oil", "--model", "no/such")
    assert "--root" in fails(app, RecipeInvalid, "evaluate", "--recipe", DEFAULT, "--root", tmp_path / "none")
    assert "choose another --out" in fails(app, DataInvalid, "train", "--data", SAMPLE, "--out", SAMPLE.parent)


def test_evaluate_as_json(app: typer.Typer) -> None:
    found = json.loads(call(app, "evaluate", "--data", SAMPLE, "--json"))
    assert set(found) == {"n", "sentiment", "topic", "texts_per_s"}
    assert found["n"] == 60
    assert set(found["sentiment"]) >= {"accuracy", "macro_f1", "weighted_f1", "recall", "ece"}
    assert set(found["sentiment"]["recall"]) == set(SENTIMENTS)
    assert found["sentiment"]["accuracy"] > 0.7


def test_evaluate_with_numbers_for_words(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "tweets.csv"
    path.write_text("headline,label\nVelmont plunges after default,0\nOrrin surges on record profit,1\n", "utf-8")
    arguments = ("--map", "text=headline,sentiment=label", "--labels", "0=negative,1=positive,2=neutral")
    found = json.loads(call(app, "evaluate", "--data", path, *arguments, "--json"))
    assert (found["sentiment"]["accuracy"], found["topic"]) == (1.0, None)


def test_train_writes_an_artifact_that_classifies(app: typer.Typer, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    said = call(
        app, "train", "--data", SAMPLE, "--out", folder, "--name", "mine", "--epochs", 6, "--batch-size", 8,
        "--learning-rate", "0.002", "--max-steps", 24,
    )  # fmt: skip
    assert "mine@" in said
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    assert "barograph train --data labelled.csv" in card
    assert str(tmp_path) not in card
    answer = json.loads(call(app, "classify", "Velmont files for bankruptcy", "--model", folder, "--json"))
    assert answer["model_version"].startswith("mine@")
