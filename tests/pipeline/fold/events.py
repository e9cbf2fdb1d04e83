"""Headlines written for choosing weights (events.txt): each event in several wordings, beside others of one matter."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from pipeline.fold.records import Article
from pipeline.fold.text import gist
from tests.pipeline.fold.pairs import TUNING, articles

__all__ = ["MATTERS", "Matter", "Told", "told"]

_NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


class Matter(NamedTuple):
    """Headlines about the same, each with the number of its event."""

    name: str
    entities: frozenset[str]
    headlines: tuple[tuple[str, str], ...]


class Told(NamedTuple):
    """A pair to learn from: `later` and `earlier`, whether they are one story, and what may not be torn apart when a
    part is kept back. `labelled`: of the tuning half of pairs.csv."""

    later: Article
    earlier: Article
    same: bool
    event: str
    labelled: bool


def told() -> Iterator[Told]:
    """The tuning half of the labelled pairs, and all pairs within each matter, at most nine hours apart."""
    for pair in TUNING:
        earlier, later = articles(pair)
        yield Told(later, earlier, pair.same, pair.event, labelled=True)
    for number, matter in enumerate(MATTERS):
        for (i, (one, first)), (j, (two, second)) in combinations(enumerate(matter.headlines), 2):
            hours = (i * 7 + j * 3 + number) % 9 + 1
            yield Told(_article(second, hours, matter), _article(first, 0, matter), one == two, matter.name, False)


def _article(title: str, hours: int, matter: Matter) -> Article:
    companies = frozenset(entity for entity in matter.entities if entity.startswith("co:"))
    when = _NOON + timedelta(hours=hours)
    return Article(title, "news", gist(title, ""), companies, when, when, matter.entities)


def _read(path: Path) -> Iterator[Matter]:
    """The matters of a file in the form of events.txt."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    starts = [at for at, line in enumerate(lines) if line.startswith("@")]
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        entities = frozenset(lines[start][1:].split()[0].split("|")) - {"-"}
        headlines = (line.partition(" ") for line in lines[start + 1 : end])
        yield Matter(f"matter {number}", entities, tuple((event, title) for event, _, title in headlines))


MATTERS = tuple(_read(Path(__file__).with_suffix(".txt")))
