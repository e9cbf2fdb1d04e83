"""The labelled pairs: how well folding does on the half that nothing was chosen on, and what must never happen."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from models.embed import load
from pipeline.fold.decide import Decision, How
from tests.pipeline.fold.events import MATTERS
from tests.pipeline.fold.pairs import FRESH, HELD, PAIRS, TUNING, Pair, folded

# Floors a pair or two under what is measured (docs/fold.md), as another processor's last bits may turn a pair.
FLOORS = {"tuning": (0.98, 0.86), "held": (0.96, 0.78), "fresh": (0.95, 0.76)}
_NEVER = ("other company", "other quarter", "two central banks", "list piece")


@pytest.fixture(scope="module")
def read() -> dict[Pair, Decision]:
    """What is decided on every pair with the encoder that ships."""
    encoder = load()
    pairs = (*PAIRS, *FRESH)
    return dict(zip(pairs, folded(pairs, lambda: encoder), strict=True))


def test_there_are_pairs_enough_and_no_event_is_in_both_halves() -> None:
    assert len(PAIRS) == len(set(PAIRS)) >= 420
    assert min(len(TUNING), len(HELD)) >= 200
    assert not {pair.event for pair in TUNING} & {pair.event for pair in HELD}
    assert not {t for pair in TUNING for t in (pair.a, pair.b)} & {t for pair in HELD for t in (pair.a, pair.b)}


def test_what_was_written_for_choosing_shares_no_headline_with_the_held_half() -> None:
    learned = {headline for matter in MATTERS for _, headline in matter.headlines}
    assert len(learned) > 5000
    assert all(2 <= len({event for event, _ in matter.headlines}) < len(matter.headlines) for matter in MATTERS)
    learned |= {headline for pair in TUNING for headline in (pair.a, pair.b)}
    assert not learned & {headline for pair in (*HELD, *FRESH) for headline in (pair.a, pair.b)}


@pytest.mark.parametrize(("name", "half"), [("tuning", TUNING), ("held", HELD), ("fresh", FRESH)])
def test_precision_and_recall_of_each_half(name: str, half: Sequence[Pair], read: dict[Pair, Decision]) -> None:
    least_precision, least_recall = FLOORS[name]
    joined = [pair for pair in half if read[pair].how is not How.FIRST]
    right = sum(pair.same for pair in joined)
    assert right / len(joined) >= least_precision
    assert right / sum(pair.same for pair in half) >= least_recall


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.kind in _NEVER and not p.same], ids=lambda p: p.b)
def test_never_folds_across_companies_quarters_banks_or_columns(pair: Pair, read: dict[Pair, Decision]) -> None:
    assert read[pair].how is How.FIRST


@pytest.mark.parametrize("pair", [p for p in PAIRS if "reprint" in p.kind], ids=lambda p: p.b)
def test_reprints_fold_without_an_encoder(pair: Pair) -> None:
    assert folded([pair], None)[0].how in (How.EXACT, How.NEAR)
