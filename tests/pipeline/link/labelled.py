"""The labelled headlines of tests/samples and what is counted on them: pairs found, missed and wrong, and intervals."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.link.linker import Linker

SAMPLES = Path(__file__).parents[2] / "samples"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Headline:
    """One labelled headline; `truth` are entity ids, or themes."""

    kind: str
    when: date | None
    title: str
    summary: str
    truth: frozenset[str]
    towards: frozenset[tuple[str, str]] = frozenset()

    @property
    def held(self) -> bool:
        """Whether it was held back from tuning: half of all, by a hash of the title."""
        return hashlib.sha256(self.title.encode()).digest()[0] % 2 == 1


@dataclass(frozen=True)
class Counts:
    """Pairs of headline and label, per headline: right, wrong, missed."""

    right: tuple[int, ...]
    wrong: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def precision(self) -> float:
        return sum(self.right) / max(sum(self.right) + sum(self.wrong), 1)

    @property
    def recall(self) -> float:
        return sum(self.right) / max(sum(self.right) + sum(self.missed), 1)

    def intervals(self, draws: int = 2000) -> tuple[tuple[float, float], tuple[float, float]]:
        """95% bootstrap intervals of precision and recall, over headlines, with a fixed seed."""
        table = np.array([self.right, self.wrong, self.missed])
        picks = np.random.default_rng(4).integers(0, table.shape[1], (draws, table.shape[1]))
        right, wrong, missed = table[:, picks].sum(axis=2)
        precision, recall = right / np.maximum(right + wrong, 1), right / np.maximum(right + missed, 1)
        low, high = np.quantile(precision, [0.025, 0.975]), np.quantile(recall, [0.025, 0.975])
        return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def linking() -> list[Headline]:
    """tests/samples/linking.csv."""
    with (SAMPLES / "linking.csv").open(encoding="utf-8", newline="") as file:
        return [
            Headline(
                row["kind"],
                date.fromisoformat(row["date"]) if row["date"] else None,
                row["title"],
                row["summary"],
                frozenset(row["entities"].split()),
            )
            for row in csv.DictReader(file)
        ]


def themes() -> list[Headline]:
    """tests/samples/themes.csv; `towards` pairs an entity with a theme."""
    with (SAMPLES / "themes.csv").open(encoding="utf-8", newline="") as file:
        return [
            Headline(
                row["kind"],
                None,
                row["title"],
                "",
                frozenset(row["themes"].split()),
                frozenset((entity, theme) for theme in row["themes"].split() for entity in row["towards"].split()),
            )
            for row in csv.DictReader(file)
        ]


def linked_entities(linker: Linker, headline: Headline) -> frozenset[str]:
    """The entities the linker finds, the article itself left out."""
    found = linker.link(headline.title, headline.summary, headline.when)
    return frozenset(m.entity_id for m in found.mentions if m.entity_id)


def found_themes(linker: Linker, headline: Headline) -> frozenset[str]:
    """The themes of the article."""
    return frozenset(
        theme for entity_id, theme in linker.link(headline.title, headline.summary).themes if not entity_id
    )


def count(pairs: Iterable[tuple[frozenset[_T], frozenset[_T]]]) -> Counts:
    """Counts of (truth, found) pairs."""
    rows = [(len(truth & found), len(found - truth), len(truth - found)) for truth, found in pairs]
    right, wrong, missed = zip(*rows, strict=True) if rows else ((), (), ())
    return Counts(right, wrong, missed)


def held(headlines: Sequence[Headline], which: bool) -> list[Headline]:
    """The half held back from tuning, or the other."""
    return [one for one in headlines if one.held is which]
