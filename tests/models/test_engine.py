"""The engine is the fastest that was shown to agree; what is asked for by name is taken or refused, never replaced."""

from __future__ import annotations

import pytest
import torch

from models.engine import EngineName, Kind, bf16_gain, choose, exact
from models.errors import DeviceMissing, PackageMissing


def test_bf16_only_where_it_agrees_and_is_faster() -> None:
    assert choose("cpu", 0.999, 1.8).dtype == torch.bfloat16
    assert choose("cpu", 0.999, 1.0).dtype == torch.float32
    assert choose("cpu", 0.990, 1.8).dtype == torch.float32
    assert choose("cpu", None, 1.8).dtype == torch.float32
    assert choose("cpu", 0.999, 1.8, EngineName.EXACT).dtype == torch.float32
    assert "agree" in choose("cpu", None).reason


def test_ctranslate2_where_it_is_there_and_bf16_is_not_faster_still() -> None:
    assert choose("cpu", 0.999, 1.0, ctranslate2=True).kind is Kind.CTRANSLATE2
    assert choose("cpu", None, ctranslate2=True).kind is Kind.CTRANSLATE2
    assert choose("cpu", 0.999, 1.8, ctranslate2=True).kind is Kind.TORCH
    assert choose("cpu", 0.999, 1.8, EngineName.CTRANSLATE2, ctranslate2=True).kind is Kind.CTRANSLATE2
    assert choose("cpu", 0.999, 1.0, EngineName.TORCH, ctranslate2=True).kind is Kind.TORCH
    assert choose("cpu", 0.999, 1.0, EngineName.EXACT, ctranslate2=True) == exact()


def test_one_stream_for_each_core() -> None:
    assert choose("cpu", None).streams == exact().streams == torch.get_num_threads()


def test_the_gain_of_bf16_is_measured_here() -> None:
    assert 0.01 < bf16_gain() < 100


@pytest.mark.parametrize("name", ["", "fast", "onnx"])
def test_an_unknown_engine_is_said(name: str) -> None:
    with pytest.raises(PackageMissing, match="auto, exact, torch, ctranslate2"):
        choose("cpu", None, engine=name)


def test_an_engine_that_is_not_installed_is_said() -> None:
    with pytest.raises(PackageMissing, match="pip install"):
        choose("cpu", None, engine=EngineName.CTRANSLATE2)


def test_unknown_and_absent_devices_are_said() -> None:
    with pytest.raises(DeviceMissing, match="auto, cpu or cuda"):
        choose("tpu", None)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceMissing, match="no CUDA"):
            choose("cuda", None)
