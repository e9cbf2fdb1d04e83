"""The shipped scorer, loaded once, and a tiny artifact that a test may damage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models import DEFAULT
from models.artifacts import find
from models.data import Source, read
from models.scorer import Scorer, load
from tests.support.encoders import tiny

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "labelled.csv"


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return load(DEFAULT, "cpu", "exact")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A copy of the shipped artifact."""
    return Path(shutil.copytree(find(DEFAULT), tmp_path / "copy"))


@pytest.fixture(scope="session")
def sample() -> Path:
    """Sixty labelled sentences written for these tests."""
    return SAMPLE


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """The folder of a small BERT with random weights, for trainings of a second."""
    texts = [row.text for row in read(Source(sample))]
    return tiny(tmp_path_factory.mktemp("encoders") / "tiny-bert", "bert", texts)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks are slower on several threads, and very much so where others want the processor too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
