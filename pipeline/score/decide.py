"""What can be scored and what a score means: pure decisions, no store and no network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["MAX_ENTITIES", "MIN_RELEVANCE", "Status", "Target", "chunks", "status_before", "status_of"]

# An article about everybody is about nobody: the definitions in the docs name these two limits.
MAX_ENTITIES = 5
MIN_RELEVANCE = 0.3


class Status(StrEnum):
    """Why a row carries probabilities, or why not. Only SCORED enters a sentiment series."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    FILING = "filing"
    LANGUAGE = "language"
    NOT_FINANCIAL = "not_financial"
    EMPTY = "empty"


@dataclass(frozen=True)
class Target:
    """One thing to score: a revision of an article, towards `entity_id` ('' is the article as a whole)."""

    article_id: str
    revision: int
    entity_id: str
    kind: str
    language: str | None
    title: str | None
    surface: str | None
    imported: bool
    known_at: datetime


def status_before(target: Target) -> Status | None:
    """The status that can be told without the model; None where the model has to look.

    A filing is a form, not an opinion; text in another language than the model's is not neutral, it is unread.
    """
    if target.kind == "filing":
        return Status.FILING
    if not target.title or not any(character.isalnum() for character in target.title):
        return Status.EMPTY
    if target.language and not target.language.lower().startswith("en"):
        return Status.LANGUAGE
    return None


def status_of(probabilities: Sequence[float], abstain_below: float) -> Status:
    """SCORED, or ABSTAINED where the likeliest of the three sentiments is below `abstain_below`."""
    return Status.SCORED if max(probabilities) >= abstain_below else Status.ABSTAINED


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
