"""`barograph train` as a user calls it: checks, what it starts from, files, the command in the card, exit statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli import train
from models import DEFAULT
from models.artifacts import open_artifact
from models.data import Source, read
from models.errors import DataInvalid, LabelsUnknown, ModelError, RecipeInvalid, ResumeImpossible, WeightsMissing
from models.resume import FILE
from tests.support.encoders import tiny

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "labelled.csv"
QUICK = ("--max-steps", 2, "--batch-size", 8, "--max-length", 32)


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    app = typer.Typer()
    train.register(app)
    # One command alone would be the application itself.
    app.command("other")(lambda: None)
    return app


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("encoders") / "small", "roberta", [row.text for row in read(Source(SAMPLE))])


def run(app: typer.Typer, *arguments: object) -> Result:
    """Run a training that must succeed."""
    result = CliRunner().invoke(app, ["train", *(str(a) for a in arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def call(app: typer.Typer, *arguments: object) -> str:
    """Run a training that must succeed; return what it printed."""
    return run(app, *arguments).output


def fails(app: typer.Typer, error: type[ModelError], *arguments: object) -> str:
    """Run a training that must raise; return the line for the user."""
    with pytest.raises(error) as caught:
        CliRunner().invoke(app, ["train", *(str(a) for a in arguments)], catch_exceptions=False)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_training_goes_on_from_the_shipped_model(app: typer.Typer, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    said = call(
        app, "--data", SAMPLE, "--out", folder, "--name", "mine", "--batch-size", 8, "--max-steps", 2,
        "--replay", SAMPLE, "--class-weights", "negative=1.5", "--label-smoothing", 0.1,
    )  # fmt: skip
    assert "mine@" in said
    assert "labelled.csv" in said
    assert "old skill, labelled.csv: sentiment accuracy" in said
    kept = open_artifact(str(folder))
    assert kept.config["training"]["from"] == open_artifact(DEFAULT).model_version
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    command = (
        "barograph train --data labelled.csv --name mine --replay labelled.csv --class-weights negative=1.5 "
        "--batch-size 8 --max-steps 2 --label-smoothing 0.1 --out DIR"
    )
    assert command in card
    assert str(tmp_path) not in card
    assert any((folder / "runs").glob("events.*"))
    assert not (folder / "runs" / FILE).exists()


def test_another_encoder_and_its_method_with_json(app: typer.Typer, encoder: Path, tmp_path: Path) -> None:
    pd.read_csv(SAMPLE).to_parquet(tmp_path / "train.parquet")
    pd.read_csv(SAMPLE).head(9).to_json(tmp_path / "test.jsonl", orient="records", lines=True)
    printed = run(
        app, "--data", tmp_path / "train.parquet", "--test", tmp_path / "test.jsonl", "--dev", SAMPLE,
        "--encoder", encoder, "--method", "adalora", "--rank", 4, "--out", tmp_path / "a", *QUICK, "--json",
    )  # fmt: skip
    told = json.loads(printed.stdout)
    assert told["final"]["test"]["all"]["sentiment"]["n"] == 9
    assert {finding["kind"] for finding in told["checks"]["findings"]} >= {"leakage", "class balance"}
    config = open_artifact(str(tmp_path / "a")).config
    assert (config["method"], config["lora"]["target_r"], config["encoder"]["id"]) == ("adalora", 4, "small")
    assert config["training"]["from"] == "none"
    assert f"--encoder {encoder.name}" in config["training"]["command"]


def test_a_method_that_cannot_go_on_starts_from_the_encoder(app: typer.Typer) -> None:
    said = call(app, "--data", SAMPLE, "--method", "dora", "--check")
    assert "starts from the encoder: barograph-minilm-3 was made by lora" in said


def test_the_checks_alone(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,sentiment\nVelmont falls,negative\nVelmont falls,positive\nOrrin,bearish\n", "utf-8")
    with pytest.raises(LabelsUnknown, match=r"'bearish' \(line 4\)"):
        call(app, "--data", path, "--check")
    arguments = ("--data", path, "--labels", "bearish=negative", "--check")
    said = call(app, *arguments)
    assert "warning: contradiction" in said
    assert "mine.csv" in said
    told = json.loads(call(app, *arguments, "--json"))["checks"]
    assert told["files"][0]["sentiment"] == {"negative": 2, "neutral": 0, "positive": 1}
    assert {"contradiction", "class balance"} == {finding["kind"] for finding in told["findings"]}
    assert "2 warnings" in fails(app, DataInvalid, *arguments, "--strict")


def test_json_tells_the_checks_even_where_they_stop_it(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("text,sentiment\nOrrin,bearish\n", "utf-8")
    result = CliRunner().invoke(app, ["train", "--data", str(path), "--check", "--json"])
    assert isinstance(result.exception, LabelsUnknown)
    kinds = [finding["kind"] for finding in json.loads(result.stdout)["checks"]["findings"]]
    assert kinds == ["unknown sentiment", "no usable row"]


def test_what_is_wrong_with_a_call_is_said(app: typer.Typer, encoder: Path, tmp_path: Path) -> None:
    data = ("--data", SAMPLE)
    out = ("--out", tmp_path / "new")
    assert "choose another --out" in fails(app, DataInvalid, *data, "--out", SAMPLE.parent)
    assert "leave --resume out" in fails(app, ResumeImpossible, *data, *out, "--resume")
    assert "method" in fails(app, RecipeInvalid, *data, *out, "--method", "magic")
    assert "no rank" in fails(app, RecipeInvalid, *data, *out, "--method", "full", "--rank", 4)
    assert "magic" in fails(app, WeightsMissing, *data, *out, "--from", "magic")
    assert "own encoder" in fails(app, RecipeInvalid, *data, *out, "--from", DEFAULT, "--encoder", encoder)
    assert "no network" in fails(app, WeightsMissing, *data, *out, "--encoder", "acme/none")
    assert "--from none" in fails(app, RecipeInvalid, *data, *out, "--from", DEFAULT, "--method", "ia3")
    (tmp_path / "half" / "runs").mkdir(parents=True)
    (tmp_path / "half" / "runs" / FILE).touch()
    assert "add --resume" in fails(app, DataInvalid, *data, "--out", tmp_path / "half")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "arguments",
    [("--out", "x"), ("--data", SAMPLE), ("--data", SAMPLE, "--out", "x", "--class-weights", "negative=much")],
)
def test_a_wrong_call_ends_with_2(app: typer.Typer, arguments: tuple[object, ...]) -> None:
    result = CliRunner().invoke(app, ["train", *(str(a) for a in arguments)])
    assert result.exit_code == 2 or getattr(result.exception, "exit_status", None) == 2


def test_a_recipe_may_change_its_method(app: typer.Typer, encoder: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        f'name = "r"\nencoder = {str(encoder)!r}\n[training]\nmax_steps = 2\nmax_length = 32\n[lora]\nr = 2\n'
        '[[data]]\nfile = "labelled.csv"\n',
        "utf-8",
    )
    call(app, "--recipe", recipe, "--root", SAMPLE.parent, "--out", tmp_path / "a", "--method", "head")
    config = open_artifact(str(tmp_path / "a")).config
    assert (config["method"], config["lora"], config["name"]) == ("head", {}, "r")
    assert config["training"]["command"] == "barograph train --recipe r --root DATA --method head --out DIR"
