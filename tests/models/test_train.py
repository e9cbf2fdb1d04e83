"""Training: the loss falls, the same seed gives the same weights, the best pass is kept, batches hold every row."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.batching import accuracies
from models.data import Example, Source, read
from models.encoder import locate
from models.errors import BadLogits, DataInvalid, DeviceMissing
from models.losses import Loss
from models.recipe import Settings
from models.start import Start
from models.tokens import Encoded
from models.train import Outcome, Prepared, batches, prepare, rate, train

LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "target_modules": ["query", "value"]}
SETTINGS = Settings(epochs=4, batch_size=8, learning_rate=3e-3, dropout=0.0, max_length=48, dev_share=0.15, lora=LORA)


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample, article_level=True, news=True, licence="Apache-2.0"))


@pytest.fixture(scope="module")
def outcome(rows: list[Example], tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Outcome:
    return train(rows, SETTINGS, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture
def start(tiny_encoder: Path, one_thread: None) -> Start:
    return Start(locate(str(tiny_encoder)))


def test_the_loss_falls(outcome: Outcome) -> None:
    assert len(outcome.losses) >= 24
    assert np.mean(outcome.losses[-5:]) < 0.6 * np.mean(outcome.losses[:5])
    assert len(outcome.passes) == SETTINGS.epochs


def test_the_same_seed_gives_the_same_losses_and_weights(rows: list[Example], start: Start) -> None:
    short = replace(SETTINGS, max_steps=6, dropout=0.2)
    first, second = train(rows, short, start=start), train(rows, short, start=start)
    assert first.losses == second.losses
    weights = second.network.adapter()
    assert all(torch.equal(value, weights[name]) for name, value in first.network.adapter().items())
    assert train(rows, replace(short, seed=1), start=start).losses != first.losses


def test_going_on_from_a_checkpoint(rows: list[Example], start: Start, tmp_path: Path) -> None:
    settings = replace(SETTINGS, patience=0, learning_rate=1e-2, epochs=6)
    first = train(rows, settings, tmp_path, start=start)
    again = train(rows, replace(settings, max_steps=1), start=replace(start, weights=tmp_path / "pass-6"))
    assert again.losses[0] < np.mean(first.losses[:3])


def test_nothing_to_train_on_is_said(rows: list[Example]) -> None:
    with pytest.raises(DataInvalid, match="no labelled row"):
        train(rows, replace(SETTINGS, dev_share=1.0))


class Worsens(Loss):
    """Trains well in the first pass, and then towards wrong labels."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self.good, self.seen = good, 0

    def forward(self, answers: tuple[torch.Tensor, torch.Tensor], batch: object) -> dict[str, torch.Tensor]:
        self.seen += 1
        found = super().forward(answers, batch)  # type: ignore[arg-type]
        return {name: value if self.seen <= self.good else -value for name, value in found.items()}


def test_it_stops_when_passes_gain_nothing_and_keeps_the_best(rows: list[Example], start: Start) -> None:
    settings = replace(SETTINGS, epochs=10, patience=2, learning_rate=1e-2, batch_size=4, dev_share=0.2)
    per_pass = len(train(rows, replace(settings, epochs=1), start=start).losses)
    outcome = train(rows, settings, start=start, loss=lambda chosen, examples: Worsens(2 * per_pass))
    scores = [found["score"] for found in outcome.passes]
    assert len(scores) == outcome.best + 2 < 10
    assert scores[outcome.best - 1] == max(scores)
    dev = prepare(outcome.dev_rows, settings.max_length, outcome.tokenizer)
    assert accuracies(outcome.network, dev) == outcome.passes[outcome.best - 1]
    last = train(rows, replace(settings, patience=0, epochs=3), start=start)
    assert last.best == len(last.passes) == 3


def test_held_out_rows_may_be_given(rows: list[Example], start: Start) -> None:
    outcome = train(rows[10:], replace(SETTINGS, max_steps=1), start=start, dev=rows[:10])
    assert list(outcome.dev_rows) == rows[:10]
    assert set(outcome.train_rows) == set(rows[10:])


def test_bf16_trains_too(rows: list[Example], start: Start) -> None:
    settings = replace(SETTINGS, max_steps=4)
    plain, rounded = (train(rows, replace(settings, precision=p), start=start) for p in ("fp32", "bf16"))
    assert (plain.precision, rounded.precision) == ("fp32", "bf16")
    assert rounded.losses != plain.losses
    assert rounded.losses == pytest.approx(plain.losses, rel=0.02)
    assert all(value.dtype == torch.float32 for value in rounded.network.parameters())


def test_a_loss_that_is_no_number_is_said(rows: list[Example], start: Start) -> None:
    class Broken(Loss):
        def forward(self, answers: tuple[torch.Tensor, torch.Tensor], batch: object) -> dict[str, torch.Tensor]:
            return {"sentiment": answers[0].sum() * float("nan")}

    with pytest.raises(BadLogits, match="lower learning rate"):
        train(rows, SETTINGS, start=start, loss=lambda chosen, examples: Broken())


def test_a_device_that_is_not_there_is_said(rows: list[Example], start: Start) -> None:
    with pytest.raises(DeviceMissing, match="'tpu'"):
        train(rows, SETTINGS, start=start, device="tpu")


def test_what_training_sets_for_the_process_is_set_back(rows: list[Example], start: Start) -> None:
    train(rows, replace(SETTINGS, max_steps=1), start=start)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.tensor(1e-40) * 0.5 != 0


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


def test_a_schedule_may_be_left_early(rows: list[Example], start: Start) -> None:
    settings = replace(SETTINGS, patience=0)
    whole, part = train(rows, settings, start=start), train(rows, replace(settings, stop_after=2), start=start)
    assert len(part.passes) == 2
    assert part.losses == whole.losses[: len(part.losses)]
    assert len(part.losses) < len(whole.losses)
