"""The decision of `fold`: which story an article belongs to, and why. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from pipeline.fold.text import Gist, opposed, other_event

__all__ = [
    "LEAST_ALIKE",
    "WINDOW",
    "Article",
    "Candidate",
    "Decision",
    "How",
    "Reason",
    "compare",
    "decide",
    "similarity",
    "story_id",
]

WINDOW = timedelta(hours=72)

# How alike (Jaccard, of words in one form) two titles must be: the more they share besides, the less. Chosen on the
# labelled pairs in tests/pipeline/fold; docs/link-and-fold.md tells what they cost and gain.
_ALIKE = 0.65
_ALIKE_SAME_COMPANIES = 0.55
_ALIKE_SAME_FIGURES_TOO = 0.4
_ALIKE_SAME_SUMMARY = LEAST_ALIKE = 0.25
_ALIKE_WITHOUT_NAMES = 0.75  # where every word is capitalised, a name cannot be told from a word
_SUMMARY_ALIKE = 0.7
_SHORT_TITLE = 4  # words; columns share such titles day by day ("Market wrap")


class How(StrEnum):
    """What `story_members.how` says."""

    FIRST = "first"
    EXACT = "exact"
    NEAR = "near"


class Reason(Enum):
    """Why an article joined a story, or why the nearest candidate was refused."""

    NO_CANDIDATE = "no_candidate"
    SAME_TEXT = "same_text"
    SAME_TITLE = "same_title"
    ALIKE = "alike"
    TOO_DIFFERENT = "too_different"
    TOO_FAR_APART = "too_far_apart"
    OTHER_COMPANY = "other_company"
    OTHER_FIGURES = "other_figures"
    OTHER_NAMES = "other_names"
    OTHER_EVENT = "other_event"
    REVERSED = "reversed"
    FILING = "filing"


_JOINS = {Reason.SAME_TEXT: How.EXACT, Reason.SAME_TITLE: How.EXACT, Reason.ALIKE: How.NEAR}


@dataclass(frozen=True, slots=True)
class Article:
    """An article to be folded. `happened_at` places it in the window; `companies` are those it is about."""

    article_id: str
    kind: str
    gist: Gist
    companies: frozenset[str]
    happened_at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member of a story. `story_companies` are those of all its members: no chain may lead to another company."""

    article: Article
    story_id: str
    story_companies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Decision:
    """The story of an article, how it came there, why, and how alike it is to the member that decided (0 to 1)."""

    story_id: str
    how: How
    reason: Reason
    similarity: float


def story_id(first_article_id: str) -> str:
    """The id of the story that begins with this article; it stays when others join."""
    return hashlib.sha256(f"story{first_article_id}".encode()).hexdigest()[:32]


def decide(article: Article, candidates: Sequence[Candidate]) -> Decision:
    """Join the most alike candidate that nothing speaks against (the earliest of equals), or begin a story."""
    judged = [(*compare(article, candidate), candidate) for candidate in candidates]
    joining = [(reason, alike, c) for reason, alike, c in judged if reason in _JOINS]
    if joining:
        reason, alike, chosen = min(
            joining,
            key=lambda one: (_JOINS[one[0]] is How.NEAR, -one[1], one[2].article.known_at, one[2].article.article_id),
        )
        return Decision(chosen.story_id, _JOINS[reason], reason, alike)
    refused = [(reason, alike) for reason, alike, _ in judged]
    nearest = max(refused, key=lambda one: (one[1], one[0].value), default=(Reason.NO_CANDIDATE, 0.0))
    return Decision(story_id(article.article_id), How.FIRST, *nearest)


def compare(article: Article, candidate: Candidate) -> tuple[Reason, float]:
    """Whether `article` tells what `candidate` told, with how alike their titles are."""
    other = candidate.article
    mine, theirs = article.gist, other.gist
    if abs(article.happened_at - other.happened_at) > WINDOW:
        return Reason.TOO_FAR_APART, 0.0
    if article.kind == other.kind and mine.text_key == theirs.text_key:
        return Reason.SAME_TEXT, 1.0
    if article.kind != "news" or other.kind != "news":
        return Reason.FILING, 0.0
    alike = similarity(mine.words, theirs.words)
    if not _compatible(article.companies, candidate.story_companies):
        return Reason.OTHER_COMPANY, alike
    if mine.title_key == theirs.title_key:
        told_apart = len(mine.words) < _SHORT_TITLE and similarity(mine.summary, theirs.summary) < _SUMMARY_ALIKE
        return (Reason.TOO_DIFFERENT if told_apart else Reason.SAME_TITLE), alike
    if alike < _needed(article, other):
        return Reason.TOO_DIFFERENT, alike
    return _veto(article, other) or Reason.ALIKE, alike


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's coefficient: what both have over what either has; 0 for two empty sets."""
    both = len(a & b)
    return both / (len(a) + len(b) - both) if both else 0.0


def _compatible(companies: frozenset[str], story: frozenset[str]) -> bool:
    # One may name fewer (a short title), never another: "A sues B" and "A sues C" are two stories.
    return companies <= story or story <= companies


def _needed(article: Article, other: Article) -> float:
    mine, theirs = article.gist, other.gist
    if min(len(mine.summary), len(theirs.summary)) >= 8 and similarity(mine.summary, theirs.summary) >= _SUMMARY_ALIKE:
        return _ALIKE_SAME_SUMMARY
    if article.companies and article.companies == other.companies:
        return _ALIKE_SAME_FIGURES_TOO if mine.figures and mine.figures == theirs.figures else _ALIKE_SAME_COMPANIES
    return _ALIKE_WITHOUT_NAMES if mine.names is None or theirs.names is None else _ALIKE


def _veto(article: Article, other: Article) -> Reason | None:
    mine, theirs = article.gist, other.gist
    if not (mine.figures <= theirs.all_figures or theirs.figures <= mine.all_figures):
        return Reason.OTHER_FIGURES
    if opposed(mine.words, theirs.words):
        return Reason.REVERSED
    if other_event(mine.words, theirs.words):
        return Reason.OTHER_EVENT
    only_mine, only_theirs = mine.words - theirs.words, theirs.words - mine.words
    if mine.names is not None and theirs.names is not None and only_mine & mine.names and only_theirs & theirs.names:
        return Reason.OTHER_NAMES
    same_companies = bool(article.companies) and article.companies == other.companies
    if not same_companies and mine.lead in only_mine and theirs.lead in only_theirs:
        return Reason.OTHER_NAMES
    return None
