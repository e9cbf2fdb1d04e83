"""CTranslate2 answers as torch does, is refused where it would not, and is never a reason not to score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models import DEFAULT, Item
from models.artifacts import network_of, open_artifact
from models.data import Source, read, split
from models.engine import Kind, exact
from models.engines import Logits
from models.engines.ctranslate import CTranslate, agrees, fits, installed
from models.engines.eager import Eager
from models.net import Network
from models.scorer import Scorer, load
from models.tokens import Encoded, encode
from tests.models.engines.fakes import FakeNetwork

needs = pytest.mark.skipif(not installed(), reason="ctranslate2 is not installed (pip install 'barograph[fast]')")


@pytest.fixture(scope="module")
def network() -> Network:
    return network_of(open_artifact(DEFAULT))[0].merged()


@pytest.fixture(scope="module")
def fast() -> Scorer:
    return load(DEFAULT, "cpu", "ctranslate2")


def test_it_knows_which_networks_it_can_run(network: Network) -> None:
    assert fits(network)
    assert not fits(FakeNetwork())
    activation = network.encoder.config.hidden_act  # type: ignore[union-attr]
    network.encoder.config.hidden_act = "gelu_new"  # type: ignore[union-attr]
    try:
        assert not fits(network)
    finally:
        network.encoder.config.hidden_act = activation  # type: ignore[union-attr]


@needs
def test_labels_and_probabilities_are_those_of_torch(fast: Scorer, sample: Path) -> None:
    assert fast.engine.kind is Kind.CTRANSLATE2
    items = [Item(row.text, row.entity) for row in read(Source(sample))] + [Item("word " * 5_000), Item("")]
    mine, theirs = fast.score(items), load(DEFAULT, "cpu", "exact").score(items)
    np.testing.assert_allclose(mine.sentiment, theirs.sentiment, atol=2e-5)
    np.testing.assert_allclose(mine.topic, theirs.topic, atol=2e-5)
    np.testing.assert_array_equal(mine.truncated, theirs.truncated)


@needs
def test_held_out_rows_get_the_same_labels(fast: Scorer, shared_data: Path) -> None:
    source = Source(
        shared_data / "sentfin" / "train.csv",
        columns={"text": "headline", "entity": "entity", "sentiment": "sentiment"},
    )
    _, dev = split(read(source), 0.05)
    items = [Item(row.text, row.entity) for row in dev[:200]]
    mine, theirs = fast.score(items), load(DEFAULT, "cpu", "exact").score(items)
    for one, other in ((mine.sentiment, theirs.sentiment), (mine.topic, theirs.topic)):
        assert (one.argmax(1) == other.argmax(1)).mean() >= 0.995


@needs
def test_order_and_company_change_nothing(fast: Scorer, sample: Path) -> None:
    items = [Item(row.text, row.entity) for row in read(Source(sample))]
    straight, back = fast.score(items), fast.score(items[::-1])
    np.testing.assert_array_equal(straight.sentiment, back.sentiment[::-1])
    np.testing.assert_allclose(straight.sentiment[:1], fast.score(items[:1]).sentiment, atol=2e-5)


@needs
def test_other_weights_do_not_pass_for_the_same(network: Network) -> None:
    rows = encode(network_of(open_artifact(DEFAULT))[1], [("Velmont shares fall", None)], 128)
    backend = CTranslate(network, 1)
    assert agrees(backend, Eager(network, exact()), rows)
    other = network_of(open_artifact(DEFAULT))[0].merged()
    other.sentiment.bias.data += 0.01
    assert not agrees(backend, Eager(other, exact()), rows)


def test_nan_agrees_with_nothing() -> None:
    class Answers:
        def __init__(self, value: float) -> None:
            self.value = value

        def logits(self, rows: Sequence[Encoded]) -> Logits:
            return np.full((len(rows), 3), self.value, np.float32), np.zeros((len(rows), 20), np.float32)

    rows = [Encoded([101, 102], [0, 0], False)]
    assert agrees(Answers(1.0), Answers(1.0), rows)
    assert not agrees(Answers(float("nan")), Answers(1.0), rows)
