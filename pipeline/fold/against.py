"""What speaks against two articles being one story: other companies, subjects, figures, places, stages. Pure."""

from __future__ import annotations

from pipeline.fold.figures import differ, periods_differ, swapped
from pipeline.fold.places import contradict
from pipeline.fold.records import Article, Reason
from pipeline.fold.text import Gist, opposed

__all__ = ["WEIGHED", "compatible", "other_matter", "other_subject", "similarity", "veto"]

# What patterns say of how the news is meant holds for most headlines, not for all: where an encoder was asked, it is
# one part of the evidence.
WEIGHED = frozenset({Reason.DENIED, Reason.EXPECTED_ONLY, Reason.LATER_STAGE, Reason.REVERSED})


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's coefficient: what both have over what either has; 0 for two empty sets."""
    both = len(a & b)
    return both / (len(a) + len(b) - both) if both else 0.0


def veto(article: Article, other: Article) -> Reason | None:
    """What speaks against one story however alike the words are: other subject, figures, period, stage or direction."""
    return _of_something_else(article, other) or _meant_otherwise(article.gist, other.gist)


def compatible(companies: frozenset[str], story: frozenset[str]) -> bool:
    """Whether one side names nobody but whom the other names."""
    # One may name fewer (a short title), never another: "A sues B" and "A sues C" are two stories.
    return companies <= story or story <= companies


def other_subject(article: Article, other: Article) -> bool:
    """Whether both are about something of a kind (a central bank, a commodity), and about nothing of it in common."""
    mine, theirs = article.entities - article.companies, other.entities - other.companies
    if not mine or not theirs or mine & theirs:
        return False
    return bool({e.partition(":")[0] for e in mine} & {e.partition(":")[0] for e in theirs})


def other_matter(article: Article, other: Article) -> Reason | None:
    """What speaks against one story when only the words are known."""
    mine, theirs = article.gist, other.gist
    if mine.singles != theirs.singles:
        return Reason.OTHER_EVENT
    only_mine, only_theirs = mine.words - theirs.words, theirs.words - mine.words
    if mine.names is not None and theirs.names is not None and only_mine & mine.names and only_theirs & theirs.names:
        return Reason.OTHER_NAMES
    same_companies = bool(article.companies) and article.companies == other.companies
    if not same_companies and mine.lead in only_mine and theirs.lead in only_theirs:
        return Reason.OTHER_NAMES
    return None


def _of_something_else(article: Article, other: Article) -> Reason | None:
    mine, theirs = article.gist, other.gist
    if other_subject(article, other) or (mine.actors and theirs.actors and not mine.actors & theirs.actors):
        return Reason.OTHER_SUBJECT
    if mine.numbers != theirs.numbers:
        mine_only, theirs_only = mine.numbers - theirs.all_numbers, theirs.numbers - mine.all_numbers
        if periods_differ(mine_only, theirs_only):
            return Reason.OTHER_PERIOD
        if differ(mine_only, theirs_only):
            return Reason.OTHER_FIGURES
    if swapped(mine.roles, theirs.roles):
        return Reason.OTHER_FIGURES
    return Reason.OTHER_PLACE if contradict(mine.places, theirs.places) else None


def _meant_otherwise(mine: Gist, theirs: Gist) -> Reason | None:
    if mine.denial != theirs.denial:
        return Reason.DENIED
    if mine.ahead != theirs.ahead and not (theirs.forecast if mine.ahead else mine.forecast):
        return Reason.EXPECTED_ONLY
    if opposed(mine, theirs):
        return Reason.REVERSED
    return Reason.LATER_STAGE if mine.stages != theirs.stages else None
