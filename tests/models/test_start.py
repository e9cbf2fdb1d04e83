"""What a training starts from: the shipped model, an artifact of any form, the weights of a pass, or an encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models import DEFAULT, artifacts
from models.artifacts import open_artifact
from models.calibrate import Calibration
from models.data import Example, Source, read
from models.encoder import locate
from models.errors import RecipeInvalid, WeightsMissing
from models.recipe import Settings
from models.start import NONE, Start, can_go_on, network_from, settled, start_of
from models.train import Outcome, logits, prepare, train

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = Settings(epochs=1, batch_size=16, dropout=0.0, max_length=32, dev_share=0.0, patience=0)
RANK_4 = {"r": 4, "lora_alpha": 8}


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample))


def kept(outcome: Outcome, folder: Path) -> Start:
    artifacts.write(
        folder, outcome.network, Calibration(), name="first", lora=outcome.settings.lora, max_length=32, training={},
        canaries=(), metrics={}, card="", encoder=outcome.start.encoder, tokenizer=outcome.tokenizer,
    )  # fmt: skip
    return start_of(folder)


@pytest.fixture
def first(rows: list[Example], tiny_encoder: Path, tmp_path: Path) -> Start:
    """A model made by LoRA of rank 4."""
    outcome = train(rows, replace(SETTINGS, lora=RANK_4), start=Start(locate(str(tiny_encoder))))
    return kept(outcome, tmp_path / "first")


def same(one: Start, settings: Settings, rows: list[Example]) -> bool:
    """Whether a training would begin with the answers of the model gone on from."""
    assert one.artifact is not None
    expected, tokenizer = artifacts.network_of(one.artifact)
    prepared = prepare(rows, 32, tokenizer)
    found = logits(network_from(one, settled(settings, one, 10)), prepared)[0]
    return torch.allclose(found, logits(expected, prepared)[0], atol=1e-5)


@pytest.mark.parametrize("method", ["lora", "head", "full"])
def test_each_method_goes_on_where_the_model_stood(method: str, first: Start, rows: list[Example]) -> None:
    settings = replace(SETTINGS, method=method, lora={"r": 4} if method == "lora" else {})
    assert same(first, settings, rows)
    network = network_from(first, settled(settings, first, 10))
    free = {name.split(".")[0] for name, value in network.named_parameters() if value.requires_grad}
    assert free == ({"sentiment", "topic"} if method == "head" else {"encoder", "sentiment", "topic"})
    assert network.method == ("full" if method == "full" else "lora")


def test_a_share_of_what_was_gone_on_from_stays_in_what_is_kept(first: Start, rows: list[Example]) -> None:
    begun, moved, kept_part = (
        dict(one.named_parameters())
        for one in (
            network_from(first, settled(SETTINGS, first, 10)),
            train(rows, SETTINGS, start=first).network,
            train(rows, replace(SETTINGS, start_share=0.25), start=first).network,
        )
    )
    trainable = [name for name, value in begun.items() if value.requires_grad]
    assert any(not torch.equal(begun[name], moved[name]) for name in trainable)
    for name in trainable:
        torch.testing.assert_close(kept_part[name], 0.25 * begun[name] + 0.75 * moved[name], rtol=1e-5, atol=1e-6)


def test_a_share_of_nothing_is_refused(rows: list[Example], tiny_encoder: Path) -> None:
    with pytest.raises(RecipeInvalid, match="start_share"):
        train(rows, replace(SETTINGS, start_share=0.5), start=Start(locate(str(tiny_encoder))))


def test_training_the_heads_alone_leaves_the_adapter(first: Start, rows: list[Example], tmp_path: Path) -> None:
    outcome = train(rows, replace(SETTINGS, method="head"), start=first)
    assert first.artifact is not None
    before, _ = artifacts.network_of(first.artifact)
    assert all(torch.equal(value, outcome.network.adapter()[name]) for name, value in before.adapter().items())
    assert not torch.equal(before.sentiment.weight, outcome.network.sentiment.weight)
    again = kept(outcome, tmp_path / "again")
    assert again.artifact is not None
    assert again.artifact.config["method"] == "lora"


def test_a_fully_trained_model_goes_on_without_its_first_encoder(
    rows: list[Example], tiny_encoder: Path, tmp_path: Path
) -> None:
    whole = train(rows, replace(SETTINGS, method="full"), start=Start(locate(str(tiny_encoder))))
    start = kept(whole, tmp_path / "whole")
    assert start.encoder is None
    for method in ("full", "head"):
        assert same(start, replace(SETTINGS, method=method), rows)
    again = train(rows, replace(SETTINGS, method="head"), start=start)
    assert again.network.method == "full"
    with pytest.raises(RecipeInvalid, match="--from none"):
        train(rows, SETTINGS, start=start)


def test_an_adapter_of_another_kind_cannot_go_on(first: Start) -> None:
    assert first.artifact is not None
    assert can_go_on(first.artifact, replace(SETTINGS, lora={"r": 4})) is None
    assert "r of its adapter is 4" in str(can_go_on(first.artifact, replace(SETTINGS, lora={"r": 8})))
    for method in ("dora", "adalora", "vera"):
        assert "an adapter on an adapter" in str(can_go_on(first.artifact, replace(SETTINGS, method=method)))
    with pytest.raises(RecipeInvalid, match="--method dora cannot go on from this model"):
        settled(replace(SETTINGS, method="dora"), first, 10)


def test_adalora_goes_on_with_a_budget_of_its_own(rows: list[Example], tiny_encoder: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, method="adalora", lora={"target_r": 2, "init_r": 4}, epochs=3)
    outcome = train(rows, settings, start=Start(locate(str(tiny_encoder))))
    start = kept(outcome, tmp_path / "ada")
    assert same(start, replace(settings, lora={}), rows)
    assert settled(replace(settings, lora={}), start, 90).lora["total_step"] == 90
    assert len(train(rows, replace(settings, lora={}), start=start).losses) == len(outcome.losses)


def test_the_shipped_model_is_gone_on_from_at_a_smaller_rate() -> None:
    start = start_of(DEFAULT)
    assert start.version.startswith(DEFAULT)
    fresh, later = settled(SETTINGS, start_of(NONE), 10), settled(SETTINGS, start, 10)
    assert later.learning_rate == pytest.approx(fresh.learning_rate / 4)
    assert later.lora == open_artifact(DEFAULT).config["lora"]
    assert settled(replace(SETTINGS, learning_rate=1e-3), start, 10).learning_rate == 1e-3


def test_what_excludes_each_other_is_said(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match="has its own encoder"):
        start_of(DEFAULT, encoder=str(tiny_encoder))
    with pytest.raises(WeightsMissing, match="no/such"):
        start_of("no/such")
    (tmp_path / "pass-1").mkdir()
    start = start_of(tmp_path / "pass-1", encoder=str(tiny_encoder))
    with pytest.raises(WeightsMissing, match="of one pass"):
        network_from(start, settled(SETTINGS, start, 1))
