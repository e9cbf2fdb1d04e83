"""Scoring: answers do not depend on order, company or repetition; what cannot be answered is said."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models import DEFAULT, SENTIMENTS, Item
from models.artifacts import network_of, open_artifact
from models.calibrate import Calibration
from models.engine import Engine, choose
from models.errors import BadLogits, DeviceMissing, TextTooLarge
from models.scorer import Scorer, batches, load
from models.taxonomy import taxonomy

TEXTS = (
    "Orrin Foods raises full-year guidance after strong quarter",
    "Velmont shares plunge",
    "Regulator fines Brightwater Bank over money laundering failures in three countries",
    "Tidewell completes annual meeting",
    "Oil",
    "Central bank holds rates and says it will watch inflation for the rest of the year, whatever markets expect of it",
)
ITEMS = [Item(text) for text in TEXTS] + [
    Item("Velmont buys Orrin after its profit collapse", n) for n in ("Velmont", "Orrin")
]


class FakeNetwork(nn.Module):
    """Stands for hardware in trouble: fails above `fits` tokens at once, or answers `value`."""

    def __init__(self, fits: int = 1 << 30, value: float = 0.0) -> None:
        super().__init__()
        self.fits, self.value, self.seen = fits, value, list[int]()

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        if ids.numel() > self.fits:
            raise torch.OutOfMemoryError("no room")
        self.seen.append(ids.numel())
        first = ids[:, 1].float() / 30_000
        sentiment = torch.stack([first, first * 0, -first], 1) + self.value
        return sentiment, torch.zeros((len(ids), 20))


def scorer_on(network: nn.Module, budget: int = 2_048) -> Scorer:
    _, tokenizer = network_of(open_artifact(DEFAULT))
    return Scorer(
        network,  # type: ignore[arg-type]
        tokenizer,
        Calibration(),
        Engine("cpu", torch.float32, budget, "test"),
        model_version="fake@0",
        topics=taxonomy().labels,
        max_length=128,
    )


def test_sanity(scorer: Scorer) -> None:
    p = scorer.score(
        [Item("Holt & Maar files for bankruptcy"), Item("Orrin Foods raises full-year guidance after strong quarter")]
    )
    assert [SENTIMENTS[n] for n in p.sentiment.argmax(1)] == ["negative", "positive"]
    assert p.sentiment[0, 0] > scorer.negative_limit
    assert p.sentiment.dtype == p.topic.dtype == np.float32
    np.testing.assert_allclose(p.sentiment.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(p.topic.sum(1), 1, atol=1e-5)


def test_nothing_in_nothing_out(scorer: Scorer) -> None:
    p = scorer.score([])
    assert (p.sentiment.shape, p.topic.shape, p.truncated.shape) == ((0, 3), (0, 20), (0,))


def test_order_changes_nothing_to_the_bit(scorer: Scorer) -> None:
    straight = scorer.score(ITEMS)
    order = np.random.default_rng(1).permutation(len(ITEMS))
    mixed = scorer.score([ITEMS[n] for n in order])
    np.testing.assert_array_equal(mixed.sentiment, straight.sentiment[order])
    np.testing.assert_array_equal(mixed.topic, straight.topic[order])


def test_company_and_repetition_change_nothing_that_matters(scorer: Scorer) -> None:
    together = scorer.score([item for item in ITEMS for _ in range(3)])
    for n, item in enumerate(ITEMS):
        alone = scorer.score([item])
        np.testing.assert_allclose(together.sentiment[3 * n : 3 * n + 3], np.repeat(alone.sentiment, 3, 0), atol=2e-5)
        np.testing.assert_array_equal(together.sentiment[3 * n], together.sentiment[3 * n + 2])


def test_equal_texts_are_computed_once_and_progress_counts_all() -> None:
    network, heard = FakeNetwork(), list[int]()
    p = scorer_on(network).score(
        [Item("Oil"), Item("Gold"), Item("Oil"), Item("Oil", "Oil"), Item("Oil", "")], heard.append
    )
    assert sum(network.seen) <= 3 * 6
    assert heard[-1] == 5
    np.testing.assert_array_equal(p.sentiment[0], p.sentiment[2])
    np.testing.assert_array_equal(p.sentiment[0], p.sentiment[4])


def test_the_entity_is_read(scorer: Scorer) -> None:
    p = scorer.score(
        [Item("Velmont soars while Orrin collapses", "Velmont"), Item("Velmont soars while Orrin collapses", "Orrin")]
    )
    assert abs(float(p.sentiment[0, 0] - p.sentiment[1, 0])) > 1e-3


def test_too_long_is_cut_and_flagged(scorer: Scorer) -> None:
    p = scorer.score([Item("short"), Item("word " * 5000), Item("word " * 5000, "Velmont"), Item("word " * 125)])
    assert p.truncated.tolist() == [False, True, True, False]
    assert np.isfinite(p.sentiment).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(BadLogits, match="NaN or infinity"):
        scorer_on(FakeNetwork(value=value)).score([Item("Oil")])


def test_out_of_memory_halves_the_budget_and_goes_on() -> None:
    small, roomy = FakeNetwork(fits=64), FakeNetwork()
    struggling = scorer_on(small)
    np.testing.assert_array_equal(struggling.score(ITEMS).sentiment, scorer_on(roomy).score(ITEMS).sentiment)
    assert max(small.seen) <= 64 < max(roomy.seen)


def test_a_text_that_never_fits_is_said() -> None:
    with pytest.raises(TextTooLarge, match="memory"):
        scorer_on(FakeNetwork(fits=2)).score([Item("Oil")])


def test_another_error_of_the_network_is_not_taken_for_memory() -> None:
    class Broken(FakeNetwork):
        def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        scorer_on(Broken()).score([Item("Oil")])


@given(st.lists(st.integers(1, 128), min_size=1, max_size=80), st.integers(16, 512))
def test_batches_cover_all_within_the_budget(lengths: list[int], budget: int) -> None:
    lengths.sort()
    cut = list(batches(lengths, budget))
    assert [start for start, _ in cut] == [0, *(end for _, end in cut[:-1])]
    assert cut[-1][1] == len(lengths)
    assert all(end - start == 1 or (end - start) * lengths[end - 1] <= budget for start, end in cut)
    # Nothing is wasted: the next row would not have fitted.
    assert all(
        (b_start + 1 - a_start) * lengths[b_start] > budget for (a_start, _), (b_start, _) in itertools.pairwise(cut)
    )


def test_engine_takes_bf16_only_where_it_agrees_and_is_faster() -> None:
    assert choose("cpu", 0.999, bf16_gain=1.8).dtype == torch.bfloat16
    assert choose("cpu", 0.999, bf16_gain=1.0).dtype == torch.float32
    assert choose("cpu", 0.990, bf16_gain=1.8).dtype == torch.float32
    assert choose("cpu", None, bf16_gain=1.8).dtype == torch.float32
    assert "agree" in choose("cpu", None).reason


def test_unknown_and_absent_devices_are_said() -> None:
    with pytest.raises(DeviceMissing, match="auto, cpu or cuda"):
        choose("tpu", None)
    if not torch.cuda.is_available():
        with pytest.raises(DeviceMissing, match="no CUDA"):
            load(DEFAULT, "cuda")


def test_taxonomy_groups_every_label() -> None:
    known = taxonomy()
    assert len(known.labels) == len(set(known.labels)) == 20
    assert set(known.keys) == set(known.names)
    assert 12 <= len(known.names) <= 16
    assert known.key_of("Fed | Central Banks") == "central_banks"
    # Despite its name: results and guidance.
    assert known.key_of("Financials") == "earnings"
    with pytest.raises(KeyError):
        known.key_of("Weather")


def test_importing_the_package_loads_no_torch() -> None:
    code = "import models.errors, models.taxonomy, sys; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
