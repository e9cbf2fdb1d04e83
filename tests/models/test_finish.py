"""From a recipe to an artifact: it answers as the network did, repeats to the byte, and says what was measured."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import Item
from models.artifacts import open_artifact
from models.calibrate import Calibration, kind_of
from models.data import Example, Source, read
from models.finish import Trained, calibrate, train_and_write, write_artifact
from models.forgetting import challenge_rows, forgetting
from models.recipe import Recipe, Settings
from models.report import classes
from models.scorer import Scorer, load
from models.start import Start, network_from, settled, start_of, tokenizer_of
from models.train import logits, prepare, train

SETTINGS = Settings(
    epochs=2, batch_size=8, learning_rate=1e-3, max_length=48, dev_share=0.4, patience=1, label_smoothing=0.05
)
COMMAND = "barograph train …"


def recipe(sample: Path, encoder: Path) -> Recipe:
    source = Source(sample, name="sample", article_level=True, news=True, licence="Apache-2.0")
    return Recipe("tiny", replace(SETTINGS, lora={"r": 4}), (source,), encoder=str(encoder))


@pytest.fixture(scope="module")
def first(sample: Path, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Trained:
    """A model from the tiny encoder."""
    return train_and_write(recipe(sample, tiny_encoder), tmp_path_factory.mktemp("first"), COMMAND)


@pytest.fixture(scope="module")
def trained(sample: Path, first: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same, gone on with for a few steps."""
    data, final = (Source(sample, name="sample", article_level=True, news=True),), (Source(sample),)
    mine = Recipe("mine", replace(SETTINGS, max_steps=3), data, final, start=str(first.folder), replay=final)
    return train_and_write(mine, tmp_path_factory.mktemp("mine"), COMMAND)


def test_the_artifact_answers_as_the_network_did(
    sample: Path, tiny_encoder: Path, tmp_path: Path, one_thread: None
) -> None:
    chosen = recipe(sample, tiny_encoder)
    rows = read(chosen.data[0])
    outcome = train(rows, chosen.settings, start=start_of("none", str(tiny_encoder)))
    first = write_artifact(chosen, outcome, tmp_path / "tiny", COMMAND)
    assert first.model_version.startswith("tiny@")
    scorer = load(str(tmp_path / "tiny"), "cpu", "exact")
    found = scorer.score([Item(row.text, row.entity) for row in rows])
    prepared = prepare(rows, SETTINGS.max_length, outcome.tokenizer, SETTINGS.reading)
    sentiment, topic = logits(outcome.network, prepared)
    kinds = [kind_of(row.text, row.entity) for row in rows]
    expected = first.calibration.sentiment(sentiment.numpy(), kinds)
    np.testing.assert_allclose(found.sentiment, expected, atol=1e-4)
    assert (found.topic.argmax(1) == topic.argmax(1).numpy()).mean() > 0.98


def test_the_same_command_gives_the_same_artifact(
    first: Trained, sample: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    chosen = recipe(sample, tiny_encoder)
    again = train_and_write(chosen, tmp_path / "again", COMMAND)
    assert again.model_version == first.model_version
    accumulated = replace(chosen, settings=replace(chosen.settings, accumulate=2))
    versions = [train_and_write(accumulated, tmp_path / name, COMMAND).model_version for name in ("a", "b")]
    assert versions[0] == versions[1] != first.model_version


def test_the_report_is_drawn_and_shown_in_the_card(trained: Trained, first: Trained) -> None:
    card = (trained.folder / "MODEL_CARD.md").read_text("utf-8")
    for name in ("held-out", "labelled"):
        for picture in ("confusion-sentiment", "reliability-sentiment", "confusion-topic"):
            path = f"report/{name}/{picture}.png"
            assert (trained.folder / path).read_bytes().startswith(b"\x89PNG")
            assert f"({path})" in card
    assert COMMAND in card
    assert f"Went on from `{first.model_version}`" in card
    figures = trained.metrics["classes"]["sentiment"]["negative"]
    assert f"| sentiment | negative | {figures['rows']} | {figures['precision']:.3f} |" in card
    # Pictures and logs are no part of the artifact.
    assert open_artifact(str(trained.folder)).model_version == trained.model_version


def test_forgetting_is_measured_and_told(trained: Trained, first: Trained, sample: Path) -> None:
    found = trained.metrics["forgetting"]
    assert (found["from"], found["set"]) == (first.model_version, "labelled.csv")
    rows = read(Source(sample))
    again = forgetting(load(str(first.folder), "cpu", "exact"), load(str(trained.folder), "cpu", "exact"), rows)
    assert {key: found[key] for key in again} == again
    for head in ("sentiment", "topic"):
        part = again[head]
        assert part["lost"]["accuracy"] == pytest.approx(
            part["before"]["accuracy"] - part["after"]["accuracy"], abs=1e-6
        )
    assert "What was forgotten" in (trained.folder / "MODEL_CARD.md").read_text("utf-8")


def test_the_open_challenge_cases_stand_in_for_a_replay_set() -> None:
    rows = challenge_rows()
    assert len(rows) > 100
    assert {row.sentiment for row in rows} == {0, 1, 2}


def test_nothing_is_forgotten_by_an_encoder(first: Trained) -> None:
    assert first.metrics["forgetting"] is None
    assert json.loads((first.folder / "config.json").read_text("utf-8"))["training"]["from"] == "none"
    assert "forgotten" not in (first.folder / "MODEL_CARD.md").read_text("utf-8")


def test_too_few_rows_leave_the_calibration_as_it_was(
    sample: Path, tiny_encoder: Path, caplog: pytest.LogCaptureFixture, one_thread: None
) -> None:
    start: Start = start_of("none", str(tiny_encoder))
    settings = settled(SETTINGS, start, 1)
    network = network_from(start, settings)
    dev = prepare(read(Source(sample))[:6], 48, tokenizer_of(start))
    before = Calibration(1.7, 1.3, 0.45, 0.5)
    with caplog.at_level(logging.WARNING):
        assert replace(calibrate(network, dev, before), bf16_agreement=None) == before
        assert not caplog.records
        assert calibrate(network, dev).temperature_sentiment == 1.0
    assert "too few to calibrate" in caplog.text
    assert calibrate(network, []).bf16_agreement is None


def test_the_report_of_classes(scorer: Scorer) -> None:
    from models.evaluate import answered

    rows = [
        Example("Holt & Maar files for bankruptcy", None, 0), Example("Orrin surges on record profit", None, 2),
        Example("Velmont plunges after default", None, 2),
    ]  # fmt: skip
    assert classes(answered(scorer, rows)) == {
        "sentiment": {
            "negative": {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "rows": 1},
            "positive": {"precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "rows": 2},
        }
    }
