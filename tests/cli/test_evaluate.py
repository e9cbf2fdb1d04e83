"""`evaluate` as a user calls it: the binding JSON, other models beside ours, pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli import evaluate
from models import DEFAULT, SENTIMENTS
from models.errors import DataInvalid, LabelsUnknown, ModelError, RecipeInvalid, WeightsMissing

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "labelled.csv"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    evaluate.register(app)
    # A group of one command would drop its name.
    app.command("other")(lambda: None)
    return app


def call(app: typer.Typer, *arguments: object) -> str:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def fails(app: typer.Typer, error: type[ModelError], *arguments: object) -> str:
    with pytest.raises(error) as caught:
        CliRunner().invoke(app, ["evaluate", *map(str, arguments)], catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_json_that_the_design_promises_and_what_stands_beside_it(app: typer.Typer) -> None:
    found = json.loads(call(app, "--data", SAMPLE, "--json"))
    assert set(found) == {"n", "sentiment", "topic", "texts_per_s", "model", "intervals"}
    assert found["n"] == 60
    assert set(found["sentiment"]) >= {"accuracy", "macro_f1", "weighted_f1", "recall", "ece"}
    assert set(found["sentiment"]["recall"]) == set(SENTIMENTS)
    assert found["sentiment"]["accuracy"] > 0.7
    assert found["model"].startswith(f"{DEFAULT}@")
    low, high = found["intervals"]["sentiment"]["accuracy"]
    assert low < found["sentiment"]["accuracy"] < high


def test_against_a_word_list_with_pictures(app: typer.Typer, tmp_path: Path) -> None:
    pytest.importorskip("vaderSentiment")
    pytest.importorskip("matplotlib")
    arguments = ("--data", SAMPLE, "--model", "vader", "--against", "vader", "--report", tmp_path / "report")
    found = json.loads(call(app, *arguments, "--json"))
    assert found["sentiment"]["ece"] is None
    assert found["topic"] is None
    other = found["against"][0]
    assert other["model"].startswith("vader@")
    assert other["paired"]["sentiment"]["verdict"] == "no_difference"
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")} == {
        "report/confusion-sentiment.png",
        "report/against-1/confusion-sentiment.png",
    }
    said = call(app, *arguments[:-2], "--no-intervals")
    assert "no difference shown" in said
    assert "calibration" not in said


def test_numbers_for_words_in_other_formats(app: typer.Typer, tmp_path: Path) -> None:
    pytest.importorskip("vaderSentiment")
    path = tmp_path / "tweets.jsonl"
    rows = [("Velmont is a terrible disaster", "0"), ("Orrin celebrates a great success", "1")]
    path.write_text("".join(json.dumps({"headline": t, "label": n}) + "\n" for t, n in rows), "utf-8")
    arguments = ("--map", "text=headline,sentiment=label", "--labels", "0=negative,1=positive,2=neutral")
    found = json.loads(call(app, "--data", path, *arguments, "--model", "vader", "--json"))
    assert (found["sentiment"]["accuracy"], found["topic"]) == (1.0, None)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--recipe", DEFAULT, "--data", SAMPLE),
        ("--recipe", DEFAULT, "--against", "vader"),
        ("--recipe", DEFAULT, "--report", "pictures"),
        ("--data", SAMPLE, "--labels", "0"),
    ],
)
def test_a_wrong_call_ends_with_2(app: typer.Typer, arguments: tuple[object, ...]) -> None:
    assert CliRunner().invoke(app, ["evaluate", *map(str, arguments)]).exit_code == 2


def test_what_is_missing_or_unknown_is_named(app: typer.Typer, tmp_path: Path) -> None:
    assert "--root" in fails(app, RecipeInvalid, "--recipe", DEFAULT, "--root", tmp_path / "none")
    assert "none.csv" in fails(app, DataInvalid, "--data", tmp_path / "none.csv", "--model", "vader")
    assert "no/such/model" in fails(app, WeightsMissing, "--data", SAMPLE, "--model", "no/such/model")
    strange = tmp_path / "strange.csv"
    strange.write_text("text,sentiment\nOil rises,sideways\n", "utf-8")
    assert "sideways" in fails(app, LabelsUnknown, "--data", strange, "--model", "vader")
