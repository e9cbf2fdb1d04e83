"""Every method trains, is kept, comes back, is merged and scores as the network that was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import artifacts
from models.artifacts import network_of, open_artifact
from models.calibrate import Calibration
from models.data import Example, Source, read
from models.encoder import locate
from models.errors import RecipeInvalid
from models.methods import METHODS, adapter_settings, of_rank, penalty
from models.recipe import MethodName, Settings
from models.start import Start, network_from, settled
from models.train import Outcome, logits, prepare, train
from tests.support.encoders import KINDS, tiny

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = Settings(
    epochs=6, batch_size=16, learning_rate=5e-3, dropout=0.0, max_length=32, dev_share=0.0, patience=0
)  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "lora": {"r": 4}, "dora": {"r": 4}, "adalora": {"target_r": 2, "init_r": 4}, "vera": {"r": 16},
    "loha": {"r": 4}, "lokr": {"r": 4},
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(sample: Path) -> list[Example]:
    return read(Source(sample))


def written(outcome: Outcome, folder: Path) -> Path:
    artifacts.write(
        folder, outcome.network, Calibration(), name="m", lora=outcome.settings.lora, max_length=32, training={},
        canaries=(), metrics={}, card="", encoder=outcome.start.encoder, tokenizer=outcome.tokenizer,
    )  # fmt: skip
    return folder


def body_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"config.json", *artifacts._ALWAYS}


def test_the_recipe_knows_every_method() -> None:
    assert set(MethodName.__args__) == set(METHODS)  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_a_method_trains_is_kept_and_answers_the_same(
    method: str, rows: list[Example], tiny_encoder: Path, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, method=method, lora=SMALL.get(method, {}))
    start = Start(locate(str(tiny_encoder)))
    outcome = train(rows, settings, start=start)
    prepared = prepare(rows, 32, outcome.tokenizer)
    fresh = network_from(start, outcome.settings)
    changed = {n: not torch.equal(v, fresh.state_dict()[n]) for n, v in outcome.network.state_dict().items()}
    assert changed["sentiment.weight"]
    assert any(is_new for name, is_new in changed.items() if name.startswith("encoder.")) == (method != "head")
    assert np.mean(outcome.losses[-3:]) < np.mean(outcome.losses[:3])
    expected = logits(outcome.network, prepared)
    folder = written(outcome, tmp_path / method)
    whole = {"encoder.safetensors", "encoder.json", "tokenizer.json"}
    assert body_files(folder) == {"full": whole, "head": set()}.get(method, {"adapter.safetensors"})
    kept, _ = network_of(open_artifact(str(folder)))
    for found in (logits(kept, prepared), logits(kept.merged(), prepared)):
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)


def test_adalora_gives_up_rank_and_stays_near_orthogonal(rows: list[Example], tiny_encoder: Path) -> None:
    settings = replace(SETTINGS, method="adalora", lora=SMALL["adalora"], epochs=5)
    network = train(rows, settings, start=Start(locate(str(tiny_encoder)))).network
    values = torch.cat([value.flatten() for name, value in network.adapter().items() if "lora_E" in name])
    assert (values == 0).float().mean() == pytest.approx(0.5, abs=0.05)
    extra = penalty(network.encoder)
    assert extra is not None
    assert 0 < extra.item() < 1


def test_full_training_needs_no_encoder_to_be_read_again(rows: list[Example], sample: Path, tmp_path: Path) -> None:
    folder = tiny(tmp_path / "roberta", "roberta", [row.text for row in rows])
    outcome = train(rows, replace(SETTINGS, method="full", max_steps=2), start=Start(locate(str(folder))))
    artifact = written(outcome, tmp_path / "m")
    folder.rename(tmp_path / "gone")
    network, tokenizer = network_of(open_artifact(str(artifact)))
    expected = logits(outcome.network, prepare(rows, 32, outcome.tokenizer))
    torch.testing.assert_close(logits(network, prepare(rows, 32, tokenizer)), expected)
    config = json.loads((artifact / "config.json").read_text("utf-8"))
    assert config["encoder"]["id"] == "roberta"
    assert str(tmp_path) not in (artifact / "config.json").read_text("utf-8")


def test_settings_of_an_adapter() -> None:
    assert adapter_settings("lora", {"r": 8})["lora_alpha"] == 64
    assert adapter_settings("dora", {})["use_dora"] is True
    found = adapter_settings("adalora", {}, steps=300)
    assert (found["total_step"], found["tinit"], found["tfinal"]) == (300, 30, 100)
    assert [of_rank(m, 8) for m in ("lora", "adalora", "vera")] == [
        {"r": 8, "lora_alpha": 16}, {"target_r": 8, "init_r": 12, "lora_alpha": 16}, {"r": 8},
    ]  # fmt: skip
    for method, given, says in (("lora", {"rank": 3}, "'rank'"), ("head", {"r": 3}, "no adapter")):
        with pytest.raises(RecipeInvalid, match=says):
            adapter_settings(method, given)
    with pytest.raises(RecipeInvalid, match="no rank"):
        of_rank("full", 3)


def test_what_peft_refuses_is_said_in_one_line(tiny_encoder: Path) -> None:
    start = Start(locate(str(tiny_encoder)))
    settings = settled(replace(SETTINGS, lora={"target_modules": ["no_such_layer"]}), start, 10)
    with pytest.raises(RecipeInvalid, match="no_such_layer") as caught:
        network_from(start, settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_layers_stay_as_they_are(kind: str, rows: list[Example], tmp_path: Path) -> None:
    start = Start(locate(str(tiny(tmp_path / kind, kind, [row.text for row in rows]))))
    settings = replace(SETTINGS, method="full", frozen_layers=1, max_steps=2)
    outcome = train(rows, settings, start=start)
    fresh = network_from(start, outcome.settings).state_dict()
    moved = {name for name, value in outcome.network.state_dict().items() if not torch.equal(value, fresh[name])}
    assert any(".layer.1." in name for name in moved)
    assert not any("embeddings" in name or ".layer.0." in name for name in moved)


def test_freezing_every_layer_is_refused(rows: list[Example], tiny_encoder: Path) -> None:
    with pytest.raises(RecipeInvalid, match="nothing to train of 2 layers"):
        train(rows, replace(SETTINGS, method="full", frozen_layers=2), start=Start(locate(str(tiny_encoder))))
