"""Explanations: they add up to what they explain, hang on the weights of the network, and point at the right words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from models import DEFAULT, SENTIMENTS, Item
from models.artifacts import network_of, open_artifact
from models.errors import BadLogits, DeviceMissing, WeightsMissing
from models.explain import TOLERANCE, Explainer, Explanation, load, spans
from models.scorer import Scorer

ITEMS = [
    Item("Velmont shares plunge 12% as profit warning rattles investors"),
    Item("Orrin Foods raises full-year guidance after strong quarter"),
    Item("Regulator fines Brightwater Bank over money laundering failures"),
    Item("Velmont buys Orrin after its profit collapse", "Orrin"),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> object:
    """Small batches on a busy machine: threads wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return load(DEFAULT, "cpu")


@pytest.fixture(scope="module")
def found(explainer: Explainer) -> list[Explanation]:
    return explainer.explain(ITEMS)


def test_completeness(found: Sequence[Explanation]) -> None:
    for one in found:
        best = one.probabilities.index(max(one.probabilities))
        for weights, at in (([w.negative for w in one.words], 0), ([w.predicted for w in one.words], best)):
            assert sum(weights) == pytest.approx(one.probabilities[at] - one.blank[at], abs=TOLERANCE)
        assert one.complete


def test_it_explains_what_the_scorer_says(found: Sequence[Explanation], scorer: Scorer) -> None:
    answers = scorer.score(ITEMS).sentiment
    np.testing.assert_allclose([one.probabilities for one in found], answers, atol=5e-3)
    assert [one.predicted for one in found] == [SENTIMENTS[n] for n in answers.argmax(1)]
    assert {one.model_version for one in found} == {scorer.model_version}


def test_the_blanked_text_says_nothing(found: Sequence[Explanation]) -> None:
    assert all(one.blank[1] > 0.8 for one in found)


def test_it_points_at_the_words(found: Sequence[Explanation]) -> None:
    strongest = [max(one.words, key=lambda word: word.predicted).text for one in found[:3]]
    assert strongest[0] == "plunge"
    assert strongest[1] in ("raises", "strong")
    assert strongest[2] in ("fines", "failures")


def test_random_weights_give_another_picture(found: Sequence[Explanation]) -> None:
    """Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018: what survives random weights explains nothing."""
    artifact = open_artifact(DEFAULT)
    network, tokenizer = network_of(artifact)
    network = network.merged()
    maker = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if value.ndim > 1 and "embeddings" not in name:
                value.copy_(torch.randn(value.shape, generator=maker) * value.std())
    other = Explainer(network, tokenizer, artifact.calibration, model_version="random@0", max_length=128)
    pictures = other.explain(ITEMS, predicted=False)
    likeness = [
        spearmanr([abs(w.negative) for w in one.words], [abs(w.negative) for w in two.words]).statistic
        for one, two in zip(found, pictures, strict=True)
    ]
    assert np.mean(likeness) < 0.5


def test_words_stand_where_the_text_has_them(found: Sequence[Explanation]) -> None:
    for one in found:
        assert [one.item.text[word.start : word.end] for word in one.words] == [word.text for word in one.words]
        assert " ".join(word.text for word in one.words) == one.item.text


def test_places_in_a_text_that_cleaning_changes() -> None:
    given = "“Oil” &amp; gas:  https://t.co/x  up 5%"
    found = spans(given, "“Oil” & gas: up 5%")
    assert [word for word, *_ in found] == ["Oil", "&", "gas", "up", "5%"]
    assert [given[start:end] for _, _, _, start, end in found if start >= 0] == ["Oil", "&", "gas", "up", "5%"]
    assert spans("&lt;b&gt;", "<b>")[0][3:] == (-1, -1)


def test_only_negative_is_half_the_work_and_the_same(explainer: Explainer, found: Sequence[Explanation]) -> None:
    again = explainer.explain(ITEMS[1:2], predicted=False)[0]
    expected = [word.negative for word in found[1].words]
    assert [word.negative for word in again.words] == pytest.approx(expected, abs=TOLERANCE)


def test_a_long_text_says_what_was_not_read() -> None:
    artifact = open_artifact(DEFAULT)
    network, tokenizer = network_of(artifact)
    short = Explainer(network.merged(), tokenizer, artifact.calibration, model_version="short@0", max_length=8)
    one = short.explain([Item("loss " * 400)], predicted=False)[0]
    assert one.truncated
    assert len(one.words) == 400
    assert one.words[-1].negative == 0


def test_nothing_in_nothing_out(explainer: Explainer) -> None:
    assert explainer.explain([]) == []


def test_nan_is_refused() -> None:
    artifact = open_artifact(DEFAULT)
    network, tokenizer = network_of(artifact)
    with torch.no_grad():
        network.sentiment.weight[0, 0] = float("nan")
    broken = Explainer(network.merged(), tokenizer, artifact.calibration, model_version="x@0", max_length=128)
    with pytest.raises(BadLogits, match="NaN"):
        broken.explain([Item("Oil slips")])


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="no model"):
        load(str(tmp_path / "none"))
    if not torch.cuda.is_available():
        with pytest.raises(DeviceMissing, match="CUDA"):
            load(DEFAULT, "cuda")
