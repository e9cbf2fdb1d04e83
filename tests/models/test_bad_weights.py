"""Weights that lie about themselves are refused when a model is loaded, in one line, before anything is scored."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.artifacts import CONFIG, HEADS
from models.data import file_sha256
from models.errors import BadLogits, ModelError, WeightsCorrupt
from models.scorer import load


def rehash(folder: Path) -> None:
    """Write the hash of the heads as they are now, as somebody would who wants them loaded."""
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config["files"][HEADS] = file_sha256(folder / HEADS)
    (folder / CONFIG).write_text(json.dumps(config), "utf-8")


def refused(folder: Path, error: type[ModelError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        load(str(folder), "cpu", "exact")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [2**20, 2**40, 2**63])
def test_a_giant_header_is_refused_and_not_read(artifact: Path, size: int) -> None:
    (artifact / HEADS).write_bytes(struct.pack("<Q", size) + b'{"x": 1}')
    rehash(artifact)
    refused(artifact, WeightsCorrupt, "not safetensors")


def test_tensors_beyond_the_end_of_the_file_are_refused(artifact: Path) -> None:
    header = json.dumps({"sentiment.weight": {"dtype": "F32", "shape": [3, 384], "data_offsets": [0, 4_608]}}).encode()
    (artifact / HEADS).write_bytes(struct.pack("<Q", len(header)) + header)
    rehash(artifact)
    refused(artifact, WeightsCorrupt, "not safetensors")


@pytest.mark.parametrize("head", ["sentiment.weight", "topic.bias"])
def test_a_broken_layer_never_becomes_an_answer(artifact: Path, head: str) -> None:
    heads = load_file(artifact / HEADS)
    heads[head] = torch.full_like(heads[head], float("nan"))
    save_file(heads, artifact / HEADS)
    rehash(artifact)
    refused(artifact, BadLogits, "NaN or infinity")
