"""The shipped scorer, loaded once, and a tiny artifact that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models import DEFAULT
from models.artifacts import find
from models.scorer import Scorer, load

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "labelled.csv"


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return load(DEFAULT, "cpu")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A copy of the shipped artifact."""
    return Path(shutil.copytree(find(DEFAULT), tmp_path / "copy"))


@pytest.fixture(scope="session")
def sample() -> Path:
    """Sixty labelled sentences written for these tests."""
    return SAMPLE
