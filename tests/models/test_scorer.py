"""Scoring: answers do not depend on order, company or repetition; what cannot be answered is said."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models import DEFAULT, SENTIMENTS, Item
from models import scorer as scorer_module
from models.artifacts import network_of, open_artifact
from models.calibrate import Calibration, Kind, Scaling
from models.engine import Engine
from models.engine import Kind as EngineKind
from models.errors import DeviceMissing, PackageMissing
from models.scorer import Scorer, load
from models.taxonomy import taxonomy
from tests.models.engines.fakes import FakeNetwork

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


def scorer_on(network: nn.Module, budget: int = 2_048, calibration: Calibration | None = None) -> Scorer:
    _, tokenizer = network_of(open_artifact(DEFAULT))
    return Scorer(
        network,  # type: ignore[arg-type]
        tokenizer,
        calibration or Calibration(),
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


@pytest.mark.parametrize("text", ["", " ", "\0", "🎉🎉", "\ud800", "Größe 株価 акции", "$TSLA", "x" * 5_000])
def test_any_text_has_numbers(scorer: Scorer, text: str) -> None:
    p = scorer.score([Item(text), Item(text, "Velmont")])
    np.testing.assert_allclose(p.sentiment.sum(1), 1, atol=1e-5)


def test_many_chunks_are_one_answer(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scorer.score(ITEMS)
    monkeypatch.setattr(scorer_module, "_CHUNK", 3)
    np.testing.assert_allclose(scorer.score(ITEMS).sentiment, whole.sentiment, atol=2e-5)


def test_entities_and_texts_are_calibrated_each_in_its_own_way() -> None:
    kinds = {Kind.ENTITY: Scaling(1.0, (0.0, 9.0, 0.0))}
    scorer = scorer_on(FakeNetwork(), calibration=replace(Calibration(), by_kind=kinds))
    p = scorer.score([Item("Velmont shares fall"), Item("Velmont shares fall", "Velmont")]).sentiment
    assert p[0, 1] < 0.5 < p[1, 1]


def test_an_engine_asked_for_is_the_one_that_scores(scorer: Scorer) -> None:
    plain = load(DEFAULT, "cpu", "exact")
    assert (plain.engine.dtype, plain.engine.kind, plain.fell_back) == (torch.float32, EngineKind.TORCH, False)
    fastest = load(DEFAULT, "cpu")
    np.testing.assert_allclose(fastest.score(ITEMS).sentiment, scorer.score(ITEMS).sentiment, atol=0.02)


def test_an_engine_or_device_that_is_not_there_is_said() -> None:
    with pytest.raises(PackageMissing, match="auto, exact, torch"):
        load(DEFAULT, "cpu", "fast")
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
