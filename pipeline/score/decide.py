"""What can be scored and what a score means: pure decisions, no store and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.status import Status, abstained, status

__all__ = [
    "MAX_ENTITIES",
    "MIN_RELEVANCE",
    "WHOLE",
    "Behind",
    "Shard",
    "Status",
    "Target",
    "chunks",
    "shards_for",
    "status_before",
    "status_of",
]

# An article about everybody is about nobody: the definitions in the docs name these two limits.
MAX_ENTITIES = 5
MIN_RELEVANCE = 0.3


@dataclass(frozen=True)
class Target:
    """One thing to score: a revision of an article, towards `entity_id` ('' is the article as a whole).

    `linked`: an entity was found in the article.
    """

    article_id: str
    revision: int
    entity_id: str
    kind: str
    language: str | None
    title: str | None
    surface: str | None
    imported: bool
    known_at: datetime
    linked: bool = False


@dataclass(frozen=True)
class Behind:
    """A score whose words are not kept yet: the title it was made of, and the name towards which (None: the whole)."""

    article_id: str
    revision: int
    entity_id: str
    title: str
    surface: str | None
    imported: bool
    known_at: datetime


@dataclass(frozen=True)
class Shard:
    """Part `number` (from 0) `of` so many: the articles whose id has that remainder. Parts share no article."""

    number: int
    of: int


WHOLE = Shard(0, 1)


def shards_for(rows: int, size: int) -> list[Shard]:
    """Parts of about `size` rows; none where all of it is at most one, which the closing run does by itself."""
    of = -(-rows // size)
    return [Shard(number, of) for number in range(of)] if of > 1 else []


def status_before(target: Target) -> Status | None:
    """The status that can be told without the model; None where the model has to look.

    A filing is a form, not an opinion; text in another language than the model's is not neutral, it is unread. An
    article in which an entity was found is never called off topic.
    """
    return status(target.title or "", filing=target.kind == "filing", language=target.language, linked=target.linked)


def status_of(probabilities: Sequence[float], abstain_below: float) -> Status:
    """SCORED, or ABSTAINED where the likeliest of the three sentiments is below `abstain_below`."""
    return abstained(max(probabilities), abstain_below)


def chunks(targets: Iterable[Target], size: int) -> Iterator[list[Target]]:
    """Lists of at most `size`, so that a kill costs one list."""
    pending: list[Target] = []
    for target in targets:
        pending.append(target)
        if len(pending) == size:
            yield pending
            pending = []
    if pending:
        yield pending
