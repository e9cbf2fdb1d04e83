"""The sentence encoder: order and repeats change nothing, and what means the same lies nearer."""

from __future__ import annotations

import numpy as np
import pytest

from models.embed import SentenceEncoder, load

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
        assert reading.vectors.shape == (len(reading.tokens), len(reading.whole))
        assert np.linalg.norm(reading.whole) == pytest.approx(1, abs=1e-5)
        assert np.linalg.norm(reading.vectors.astype(float), axis=1) == pytest.approx(1, abs=0.01)


def test_one_event_in_other_words_lies_nearer_than_another_event(encoder: SentenceEncoder) -> None:
    one, other, stranger = (reading.whole for reading in encoder.read(TEXTS))
    assert one @ other > one @ stranger + 0.2


def test_order_and_repeats_change_nothing(encoder: SentenceEncoder) -> None:
    forward = encoder.read(TEXTS)
    backward = encoder.read([*reversed(TEXTS), TEXTS[0]])
    for a, b in zip(forward, [backward[2], backward[1], backward[0]], strict=True):
        assert np.array_equal(a.whole, b.whole)
        assert np.array_equal(a.vectors, b.vectors)


def test_nothing_and_long_texts_are_read(encoder: SentenceEncoder) -> None:
    assert encoder.read([]) == []
    assert len(encoder.read(["Holt " * 500])[0].tokens) == 62
