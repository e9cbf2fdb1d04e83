"""The sentence encoder: order and repeats change nothing, and what means the same lies nearer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models import embed
from models.embed import SentenceEncoder, load
from models.encoder import load_encoder, load_tokenizer
from models.errors import WeightsCorrupt, WeightsMissing

TEXTS = [
    "Tolva agrees to buy Orrin unit for $1.2 billion",
    "Orrin sells division to Tolva in $1.2bn deal",
    "Gold touches record as dollar weakens",
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return load()


def test_readings_have_length_one_and_a_vector_per_token(encoder: SentenceEncoder) -> None:
    for reading in encoder.read(TEXTS):
        for view in (reading.published, reading.adapted):
            assert view.words.shape == (len(reading.tokens), len(view.whole))
            assert np.linalg.norm(view.whole) == pytest.approx(1, abs=1e-5)
            assert np.linalg.norm(view.words.astype(float), axis=1) == pytest.approx(1, abs=0.01)


def test_one_event_in_other_words_lies_nearer_than_another_event(encoder: SentenceEncoder) -> None:
    for one, other, stranger in (
        (reading.published.whole for reading in encoder.read(TEXTS)),
        (reading.adapted.whole for reading in encoder.read(TEXTS)),
    ):
        assert one @ other > one @ stranger + 0.2


def test_the_adapter_tells_a_company_s_two_events_apart_better(encoder: SentenceEncoder) -> None:
    two = encoder.read(["Tolva opens plant in Leeds", "Tolva shuts plant in Leeds"])
    published, adapted = ([getattr(reading, by).whole for reading in two] for by in ("published", "adapted"))
    assert adapted[0] @ adapted[1] < published[0] @ published[1] - 0.05


def test_an_adapter_of_zeros_changes_nothing() -> None:
    shipped = load_file(Path(embed.__file__).with_name("weights") / "fold-1" / "adapter.safetensors")
    nothing = {name: torch.zeros_like(factor) for name, factor in shipped.items()}
    for reading in SentenceEncoder(load_encoder(), load_tokenizer(), nothing).read(TEXTS):
        assert reading.adapted.whole == pytest.approx(reading.published.whole, abs=1e-5)


def test_an_adapter_that_was_not_measured_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    altered = tmp_path / "adapter.safetensors"
    altered.write_bytes(b"other")
    monkeypatch.setattr(embed, "_ADAPTER", altered)
    with pytest.raises(WeightsCorrupt, match="not the file that was measured"):
        load()
    monkeypatch.setattr(embed, "_ADAPTER", tmp_path / "none.safetensors")
    with pytest.raises(WeightsMissing):
        load()


def test_order_and_repeats_change_nothing(encoder: SentenceEncoder) -> None:
    forward = encoder.read(TEXTS)
    backward = encoder.read([*reversed(TEXTS), TEXTS[0]])
    for a, b in zip(forward, [backward[2], backward[1], backward[0]], strict=True):
        for mine, theirs in ((a.published, b.published), (a.adapted, b.adapted)):
            assert np.array_equal(mine.whole, theirs.whole)
            assert np.array_equal(mine.words, theirs.words)


def test_nothing_and_long_texts_are_read(encoder: SentenceEncoder) -> None:
    assert encoder.read([]) == []
    assert len(encoder.read(["Holt " * 500])[0].tokens) == 62
