"""The GPU script runs on a CPU too, in every part, and counts the work as its formula says."""

from __future__ import annotations

import json

import pytest
import torch

from models import DEFAULT
from models.artifacts import network_of, open_artifact
from tests.benchmarks import gpu


def test_every_part_runs_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--device", "cpu", "--texts", "200", "--steps", "1", "--json"])
    told = json.loads(capsys.readouterr().out)
    names = [row[0] for row in told["rows"]]
    for part in ("tokeniser alone", "network alone", "end to end", "training"):
        assert any(name.startswith(part) for name in names)
    assert all(value > 0 for name, value, _ in told["rows"] if name != "padding")
    shares = [value for name, value, unit in told["rows"] if unit == "share"]
    assert all(0 <= share < 1.5 for share in shares)


def test_the_work_of_a_token() -> None:
    network = network_of(open_artifact(DEFAULT))[0].merged()
    # MiniLM-L6: six layers of four square matrices and two of four times the width; and the two heads.
    weights = 6 * (4 * 384**2 + 2 * 4 * 384**2) + 23 * 384
    assert gpu.flops_per_token(network, 32) == 2 * weights + 4 * 6 * 384 * 32


def test_without_a_gpu_the_script_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit):
        gpu.main([])
    assert "--device cpu" in capsys.readouterr().err
