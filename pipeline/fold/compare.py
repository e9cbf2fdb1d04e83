"""Whether one article tells what another told, and why or why not. Pure."""

from __future__ import annotations

from datetime import timedelta

from pipeline.fold.against import WEIGHED, compatible, other_matter, similarity, veto
from pipeline.fold.places import agree
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.text import Gist
from pipeline.fold.weigh import beyond, evidence

__all__ = ["LEAST_ALIKE", "WINDOW", "compare", "left_open"]

WINDOW = timedelta(hours=72)

# How alike (Jaccard, of words in one form) two titles must be: the more they share besides, the less. Chosen on the
# tuning half of the labelled pairs in tests/pipeline/fold; docs/fold.md tells what they cost and gain.
_ALIKE = 0.7
_ALIKE_SAME_COMPANIES = 0.65
_ALIKE_SAME_FIGURES_TOO = 0.5
_ALIKE_SAME_SUMMARY = LEAST_ALIKE = 0.25
_ALIKE_WITHOUT_NAMES = 0.75  # where every word is capitalised, a name cannot be told from a word
_ALIKE_CORRECTED = 0.6  # of the words without the figures
_SUMMARY_ALIKE = 0.7
_COLUMN_WITHIN = timedelta(hours=12)  # "Market wrap" of the next day says the same and is another
_REWRITE_WITHIN = timedelta(hours=24)  # two agencies word one event within hours
# What an encoder may turn into a join or out of one; all else was decided by text, company, figures or place.
_OPEN = WEIGHED | {Reason.ALIKE, Reason.TOO_DIFFERENT, Reason.OTHER_EVENT, Reason.OTHER_NAMES}
# A paper seldom retells what it told: what a rewrite of the same publisher must have over the limit (log odds), what
# one that shares no entity must, and how alike it must be. Chosen on half of the joins of real headlines.
_SAME_PUBLISHER, _NO_ENTITY_EITHER, _SAME_PUBLISHER_ALIKE = 0.5, 1.0, 0.14
# An index or a commodity is in the news every hour, and two pieces of news of it are seldom one event: what a rewrite
# must have over the limit where no company is told of by both. Chosen by the joins of the demo's stream.
_NO_COMPANY = 1.0
_SHORT_TITLE = 4  # words; columns share such titles day by day ("Market wrap")


def compare(article: Article, candidate: Candidate) -> tuple[Reason, float]:
    """Whether `article` tells what `candidate` told, with how alike their titles are."""
    other = candidate.article
    mine, theirs = article.gist, other.gist
    if abs(article.happened_at - other.happened_at) > WINDOW:
        return Reason.TOO_FAR_APART, 0.0
    if (mine.column or theirs.column) and abs(article.happened_at - other.happened_at) > _COLUMN_WITHIN:
        return Reason.COLUMN, 0.0
    if article.kind == other.kind and mine.text_key == theirs.text_key:
        return Reason.SAME_TEXT, 1.0
    if article.kind != "news" or other.kind != "news":
        return Reason.FILING, 0.0
    alike = similarity(mine.words, theirs.words)
    if not compatible(article.companies, candidate.story_companies):
        return Reason.OTHER_COMPANY, alike
    if mine.title_key == theirs.title_key:
        told_apart = len(mine.words) < _SHORT_TITLE and similarity(mine.summary, theirs.summary) < _SUMMARY_ALIKE
        return (Reason.TOO_DIFFERENT if told_apart else Reason.SAME_TITLE), alike
    if mine.column or theirs.column:
        return Reason.COLUMN, alike
    if mine.corrected and _words_alike(mine, theirs) >= _ALIKE_CORRECTED:
        return Reason.CORRECTED, alike
    return _told(article, candidate, alike), alike


def left_open(article: Article, other: Article, reason: Reason) -> bool:
    """Whether an encoder may still turn what words alone decided (`reason`) on two articles."""
    if reason not in _OPEN or _comments(article, other) or _retold_too_freely(article, other):
        return False
    return not _nobody_in_common(article, other, reason)


def _told(article: Article, candidate: Candidate, alike: float) -> Reason:
    """Whether two different titles tell one event."""
    other, first = candidate.article, candidate.first
    comment = _comments(article, other)
    read = None if comment else candidate.meaning
    against = veto(article, other) or (veto(article, first) if first is not None and first is not other else None)
    if against and (read is None or against not in WEIGHED):
        return against
    against = against or other_matter(article, other)
    if read is None or _nobody_in_common(article, other, against):
        if against or alike >= _needed(article, other):
            return against or Reason.ALIKE
        return Reason.COMMENT if comment else Reason.TOO_DIFFERENT
    over = beyond(evidence(article, other, alike, read))
    # What is nearly word for word the same may come days later.
    if over >= 0 and not against and alike >= _needed(article, other):
        return Reason.ALIKE
    soon = abs(article.happened_at - (first or other).happened_at) <= _REWRITE_WITHIN
    return Reason.SAME_MEANING if soon and over >= _demanded(article, other) else against or Reason.TOO_DIFFERENT


def _comments(article: Article, other: Article) -> bool:
    """Whether one is about news and not news, or both stand in one series of a paper ("Brexit watch …")."""
    mine, theirs = article.gist, other.gist
    return mine.comment or theirs.comment or (_same_publisher(article, other) and mine.opening == theirs.opening)


def _retold_too_freely(article: Article, other: Article) -> bool:
    if not _same_publisher(article, other):
        return False
    return similarity(article.gist.words, other.gist.words) < _SAME_PUBLISHER_ALIKE


def _same_publisher(article: Article, other: Article) -> bool:
    return bool(article.publisher) and article.publisher == other.publisher


def _demanded(article: Article, other: Article) -> float:
    demanded = 0.0 if article.companies & other.companies else _NO_COMPANY
    if not _same_publisher(article, other):
        return demanded
    return demanded + (_SAME_PUBLISHER if article.entities & other.entities else _NO_ENTITY_EITHER)


def _nobody_in_common(article: Article, other: Article, against: Reason | None) -> bool:
    """Whether names are all there is to tell two companies apart, and they differ or cannot be told from words."""
    mine, theirs = article.gist, other.gist
    if article.entities & other.entities or agree(mine.places, theirs.places):
        return False
    return against is Reason.OTHER_NAMES or mine.names is None or theirs.names is None


def _words_alike(mine: Gist, theirs: Gist) -> float:
    return similarity(mine.words - mine.numbers, theirs.words - theirs.numbers)


def _needed(article: Article, other: Article) -> float:
    mine, theirs = article.gist, other.gist
    if min(len(mine.summary), len(theirs.summary)) >= 8 and similarity(mine.summary, theirs.summary) >= _SUMMARY_ALIKE:
        return _ALIKE_SAME_SUMMARY
    if article.companies and article.companies == other.companies:
        return _ALIKE_SAME_FIGURES_TOO if mine.numbers and mine.numbers == theirs.numbers else _ALIKE_SAME_COMPANIES
    return _ALIKE_WITHOUT_NAMES if mine.names is None or theirs.names is None else _ALIKE
