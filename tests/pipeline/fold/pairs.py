"""Labelled pairs of headlines, written for this project: one story or not, and what makes each hard.

pairs.csv has two halves, by event: one to choose on, one held. fresh.csv was written later, before anything was changed
again, when the held half had been measured several times.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from pipeline.fold.decide import Decision
from pipeline.fold.folding import Embedder, fold
from pipeline.fold.records import Article
from pipeline.fold.text import gist

__all__ = ["FRESH", "HELD", "PAIRS", "TUNING", "Pair", "articles", "folded"]

_NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


class Pair(NamedTuple):
    """`a` came first, `b` `hours` later. Pairs with a headline in common have the same `event`, so that no headline
    stands in both halves. `follows`: whether the second tells more of the first (None: either will do).
    Entities are as the linker would give them, `co:` companies."""

    event: str
    kind: str
    same: bool
    follows: bool | None
    hours: float
    entities_a: frozenset[str]
    entities_b: frozenset[str]
    a: str
    b: str
    summary_a: str
    summary_b: str

    @property
    def tuning(self) -> bool:
        """Whether limits and weights may be chosen on it; the other half is only ever measured."""
        return hashlib.sha256(self.event.encode()).digest()[0] % 2 == 1


def articles(pair: Pair) -> tuple[Article, Article]:
    """Both as they come to `fold`."""
    when = _NOON + timedelta(hours=pair.hours)
    return (
        _article("a", pair.a, pair.summary_a, pair.entities_a, _NOON),
        _article("b", pair.b, pair.summary_b, pair.entities_b, when),
    )


def folded(pairs: Sequence[Pair], embedder: Callable[[], Embedder] | None) -> list[Decision]:
    """What is decided on the second of each pair, by the whole way an article goes, with nothing else around."""
    return [fold([], articles(pair), embedder)[1] for pair in pairs]


def _article(name: str, title: str, summary: str, entities: frozenset[str], when: datetime) -> Article:
    companies = frozenset(entity for entity in entities if entity.startswith("co:"))
    return Article(name, "news", gist(title, summary), companies, when, when, entities)


def _read(path: Path) -> tuple[Pair, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Pair(
                row["event"],
                row["kind"],
                row["same"] == "yes",
                {"yes": True, "no": False}.get(row["follows"]),
                float(row["hours"]),
                frozenset(filter(None, row["entities_a"].split("|"))),
                frozenset(filter(None, row["entities_b"].split("|"))),
                row["a"],
                row["b"],
                row["summary_a"],
                row["summary_b"],
            )
            for row in csv.DictReader(file)
        )


PAIRS = _read(Path(__file__).with_suffix(".csv"))
TUNING = tuple(pair for pair in PAIRS if pair.tuning)
HELD = tuple(pair for pair in PAIRS if not pair.tuning)
FRESH = _read(Path(__file__).with_name("fresh.csv"))
