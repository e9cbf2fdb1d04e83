"""Training: the loss falls, the same seed gives the same weights, and the artifact answers as the network did."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import Item
from models.data import Example, Source, read
from models.errors import DataInvalid
from models.finish import write_artifact
from models.recipe import Recipe, Settings
from models.scorer import load
from models.tokens import Encoded
from models.train import Outcome, Prepared, batches, logits, prepare, rate, train

LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["query", "value"]}
SETTINGS = Settings(epochs=4, batch_size=8, learning_rate=3e-3, dropout=0.0, max_length=48, dev_share=0.15, lora=LORA)


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample, article_level=True, news=True, licence="Apache-2.0"))


@pytest.fixture(scope="module")
def outcome(rows: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return train(rows, SETTINGS, tmp_path_factory.mktemp("checkpoints"))


def test_the_loss_falls(outcome: Outcome) -> None:
    assert len(outcome.losses) >= 24
    assert np.mean(outcome.losses[-5:]) < 0.6 * np.mean(outcome.losses[:5])
    assert len(outcome.passes) == SETTINGS.epochs


def test_the_same_seed_gives_the_same_losses_and_weights(rows: list[Example]) -> None:
    short = replace(SETTINGS, max_steps=4)
    first, second = train(rows, short), train(rows, short)
    assert first.losses == second.losses
    weights = second.network.adapter()
    assert all(torch.equal(value, weights[name]) for name, value in first.network.adapter().items())
    assert train(rows, replace(short, seed=1)).losses != first.losses


def test_going_on_from_a_checkpoint(rows: list[Example], tmp_path: Path) -> None:
    first = train(rows, SETTINGS, tmp_path)
    again = train(rows, replace(SETTINGS, max_steps=1), start_from=tmp_path / "pass-4")
    assert again.losses[0] < np.mean(first.losses[:3])


def test_artifact_round_trip(outcome: Outcome, rows: list[Example], sample: Path, tmp_path: Path) -> None:
    source = Source(sample, name="sample", article_level=True, news=True, licence="Apache-2.0")
    recipe = Recipe("tiny", SETTINGS, (source,), (source,))
    trained = write_artifact(recipe, outcome.network, rows, outcome.passes, tmp_path / "tiny", "barograph train …")
    again = write_artifact(recipe, outcome.network, rows, outcome.passes, tmp_path / "again", "barograph train …")
    assert trained.model_version.startswith("tiny@")
    assert trained.model_version == again.model_version
    scorer = load(str(tmp_path / "tiny"), "cpu")
    found = scorer.score([Item(row.text, row.entity) for row in rows])
    sentiment, topic = logits(outcome.network, prepare(rows, SETTINGS.max_length))
    expected = torch.softmax(sentiment / trained.calibration.temperature_sentiment, 1).numpy()
    np.testing.assert_allclose(found.sentiment, expected, atol=1e-4)
    assert (found.topic.argmax(1) == topic.argmax(1).numpy()).mean() > 0.98


def test_nothing_to_train_on_is_said(rows: list[Example]) -> None:
    with pytest.raises(DataInvalid, match="no labelled row"):
        train(rows, replace(SETTINGS, dev_share=1.0))


def test_batches_hold_every_row_once_and_little_padding() -> None:
    rng = random.Random(4)
    lengths = [rng.randint(3, 90) for _ in range(500)]
    rows = [Prepared(Example(str(n)), Encoded([0] * length, [0] * length, False)) for n, length in enumerate(lengths)]
    cut = batches(rows, 16, random.Random(1))
    assert sorted(row.example.text for batch in cut for row in batch) == sorted(str(n) for n in range(500))
    padded = sum(len(batch) * max(len(row.tokens) for row in batch) for batch in cut)
    assert padded < 1.1 * sum(lengths)
    assert cut != batches(rows, 16, random.Random(2))


def test_rate_rises_then_falls() -> None:
    rates = [rate(step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.05
