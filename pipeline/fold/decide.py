"""The decision of `fold`: which story an article belongs to, what it follows, which stories it joins, and why. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from pipeline.fold.against import compatible, veto
from pipeline.fold.compare import compare
from pipeline.fold.records import Article, Candidate, Reason

__all__ = ["Decision", "How", "decide", "story_id"]

_FOLLOWS_ALIKE = 0.25
_FOLLOWS_MEANING = 0.6
# Where no company or institution is named, so soon: a market's next day is not an update of the one before.
_FOLLOWS_WITHIN = timedelta(hours=18)


class How(StrEnum):
    """What `story_members.how` says."""

    FIRST = "first"
    EXACT = "exact"
    NEAR = "near"
    REWRITE = "rewrite"
    MERGED = "merged"


_JOINS = {
    Reason.SAME_TEXT: How.EXACT,
    Reason.SAME_TITLE: How.EXACT,
    Reason.CORRECTED: How.NEAR,
    Reason.ALIKE: How.NEAR,
    Reason.SAME_MEANING: How.REWRITE,
}
_FIRMNESS = (How.EXACT, How.NEAR, How.REWRITE)
# A new number, a denial, a next step or a reversal in the same matter is told as what it follows.
_FOLLOWS = (Reason.OTHER_FIGURES, Reason.DENIED, Reason.LATER_STAGE, Reason.REVERSED)


@dataclass(frozen=True, slots=True)
class Decision:
    """The story of an article, how it came there, why, and how alike it is to the member that decided (0 to 1).

    `follows`: the earlier story that this one, new, tells more of; `merges`: stories that are one with `story_id`.
    """

    story_id: str
    how: How
    reason: Reason
    similarity: float
    follows: str | None = None
    merges: tuple[str, ...] = ()


def story_id(first_article_id: str) -> str:
    """The id of the story that begins with this article; it stays when others join."""
    return hashlib.sha256(f"story{first_article_id}".encode()).hexdigest()[:32]


def decide(article: Article, candidates: Sequence[Candidate]) -> Decision:
    """Join the most alike candidate that nothing speaks against (the earliest of equals), or begin a story.

    An article that copies two stories shows that they are one, unless something speaks against that. A rewrite joins
    only a story whose first article it tells too, and makes no two stories one.
    """
    judged = [(*compare(article, candidate), candidate) for candidate in candidates]
    copied = {c.article.article_id for reason, _, c in judged if reason in _JOINS}
    joining = sorted(
        ((reason, alike, c) for reason, alike, c in judged if reason in _JOINS and _holds(reason, c, copied)),
        key=lambda one: (
            _FIRMNESS.index(_JOINS[one[0]]), -one[1], one[2].article.known_at, one[2].article.article_id
        ),
    )  # fmt: skip
    if not joining:
        refused = [(Reason.TOO_DIFFERENT if reason in _JOINS else reason, alike) for reason, alike, _ in judged]
        nearest = max(refused, key=lambda one: (one[1], one[0].value), default=(Reason.NO_CANDIDATE, 0.0))
        return Decision(story_id(article.article_id), How.FIRST, *nearest, follows=_followed(article, judged))
    reason, alike, chosen = joining[0]
    stories = {chosen.story_id: chosen}
    companies = chosen.story_companies
    for also, _, other in joining[1:]:
        if also is not Reason.SAME_MEANING and other.story_id not in stories and _one_story(chosen, other, companies):
            stories[other.story_id] = other
            companies |= other.story_companies
    oldest = min(stories.values(), key=lambda c: c.begun or (c.article.known_at, c.article.article_id))
    merged = tuple(sorted(stories.keys() - {oldest.story_id}))
    return Decision(oldest.story_id, _JOINS[reason], reason, alike, merges=merged)


def _holds(reason: Reason, candidate: Candidate, copied: Set[str]) -> bool:
    """Whether a rewrite tells what its story began with too: a chain of rewrites would lead anywhere."""
    first = candidate.first
    return reason is not Reason.SAME_MEANING or first is None or first.article_id in copied


def _followed(article: Article, judged: Sequence[tuple[Reason, float, Candidate]]) -> str | None:
    """The story that a new one tells more of: the most alike that was refused for what is new in it."""
    found = [
        (alike, c)
        for reason, alike, c in judged
        if reason in _FOLLOWS
        and c.article.known_at <= article.known_at
        and _may_follow(article, c.article)
        and (alike >= _FOLLOWS_ALIKE or (c.meaning is not None and c.meaning.published.whole >= _FOLLOWS_MEANING))
    ]
    best = max(found, key=lambda one: (one[0], one[1].story_id), default=None)
    return best[1].story_id if best else None


def _may_follow(article: Article, other: Article) -> bool:
    if article.companies & other.companies:
        return True
    return article.happened_at - other.happened_at <= _FOLLOWS_WITHIN


def _one_story(a: Candidate, b: Candidate, companies: frozenset[str]) -> bool:
    return compatible(companies, b.story_companies) and veto(a.article, b.article) is None
