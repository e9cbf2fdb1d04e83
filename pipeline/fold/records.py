"""What folding speaks of: an article, a member of a story it may join, and the reasons for joining or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pipeline.fold.meaning import Meaning
from pipeline.fold.text import Gist

__all__ = ["Article", "Candidate", "Reason"]


class Reason(Enum):
    """Why an article joined a story, or why the nearest candidate was refused."""

    NO_CANDIDATE = "no_candidate"
    SAME_TEXT = "same_text"
    SAME_TITLE = "same_title"
    CORRECTED = "corrected"
    ALIKE = "alike"
    SAME_MEANING = "same_meaning"
    TOO_DIFFERENT = "too_different"
    TOO_FAR_APART = "too_far_apart"
    OTHER_COMPANY = "other_company"
    OTHER_SUBJECT = "other_subject"
    OTHER_FIGURES = "other_figures"
    OTHER_PLACE = "other_place"
    OTHER_PERIOD = "other_period"
    OTHER_NAMES = "other_names"
    OTHER_EVENT = "other_event"
    EXPECTED_ONLY = "expected_only"
    DENIED = "denied"
    LATER_STAGE = "later_stage"
    REVERSED = "reversed"
    COLUMN = "column"
    COMMENT = "comment"
    FILING = "filing"


@dataclass(frozen=True, slots=True)
class Article:
    """An article to be folded. `happened_at` places it in the window; `companies` are those it is about, `entities`
    all that it is about (central banks, commodities, … by the prefix of their id)."""

    article_id: str
    kind: str
    gist: Gist
    companies: frozenset[str]
    happened_at: datetime
    known_at: datetime
    entities: frozenset[str] = frozenset()
    publisher: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of a story. `story_companies` are those of all its members: no chain may lead to another company.

    `first`: the story's first member, where it is loaded; `begun`: what orders stories by age; `meaning`: what a
    sentence encoder says of the two texts, None where none was asked.
    """

    article: Article
    story_id: str
    story_companies: frozenset[str]
    first: Article | None = None
    begun: tuple[datetime, str] | None = None
    meaning: Meaning | None = None
