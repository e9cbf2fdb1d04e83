"""Whether one article tells what another told, and why or why not. Pure."""

from __future__ import annotations

from datetime import timedelta

from pipeline.fold.against import WEIGHED, compatible, other_matter, similarity, veto
from pipeline.fold.places import agree
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.text import Gist
from pipeline.fold.weigh import evidence, same_event

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
    return reason in _OPEN and not _nobody_in_common(article, other, reason)


def _told(article: Article, candidate: Candidate, alike: float) -> Reason:
    """Whether two different titles tell one event."""
    other, first, read = candidate.article, candidate.first, candidate.meaning
    against = veto(article, other) or (veto(article, first) if first is not None and first is not other else None)
    if against and (read is None or against not in WEIGHED):
        return against
    against = against or other_matter(article, other)
    if read is None or _nobody_in_common(article, other, against):
        return against or (Reason.ALIKE if alike >= _needed(article, other) else Reason.TOO_DIFFERENT)
    soon = abs(article.happened_at - (first or other).happened_at) <= _REWRITE_WITHIN
    if same_event(evidence(article, other, alike, read)):
        # What is nearly word for word the same may come days later.
        if not against and alike >= _needed(article, other):
            return Reason.ALIKE
        if soon:
            return Reason.SAME_MEANING
    return against or Reason.TOO_DIFFERENT


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
