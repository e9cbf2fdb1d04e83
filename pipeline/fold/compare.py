"""Whether one article tells what another told, and why or why not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from pipeline.fold.figures import differ, periods_differ
from pipeline.fold.lexicon import lexicon
from pipeline.fold.text import Gist, opposed
from pipeline.fold.weigh import Meaning, evidence, same_event

__all__ = [
    "LEAST_ALIKE",
    "SURELY_ALIKE",
    "WINDOW",
    "Article",
    "Candidate",
    "Reason",
    "compare",
    "compatible",
    "similarity",
    "veto",
]

WINDOW = timedelta(hours=72)

# How alike (Jaccard, of words in one form) two titles must be: the more they share besides, the less. Chosen on the
# tuning half of the labelled pairs in tests/pipeline/fold; docs/fold.md tells what they cost and gain.
_ALIKE = 0.7
_ALIKE_SAME_COMPANIES = 0.65
_ALIKE_SAME_FIGURES_TOO = 0.5
_ALIKE_SAME_SUMMARY = LEAST_ALIKE = 0.25
_ALIKE_WITHOUT_NAMES = 0.75  # where every word is capitalised, a name cannot be told from a word
SURELY_ALIKE = 0.8  # above it no encoder is asked
_ALIKE_CORRECTED = 0.6  # of the words without the figures
_SUMMARY_ALIKE = 0.7
_COLUMN_WITHIN = timedelta(hours=12)  # "Market wrap" of the next day says the same and is another
_REWRITE_WITHIN = timedelta(hours=24)  # two agencies word one event within hours
_SHORT_TITLE = 4  # words; columns share such titles day by day ("Market wrap")


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
    OTHER_PERIOD = "other_period"
    OTHER_NAMES = "other_names"
    OTHER_EVENT = "other_event"
    EXPECTED_ONLY = "expected_only"
    DENIED = "denied"
    LATER_STAGE = "later_stage"
    REVERSED = "reversed"
    COLUMN = "column"
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


def _told(article: Article, candidate: Candidate, alike: float) -> Reason:
    """Whether two different titles tell one event."""
    other, first = candidate.article, candidate.first
    if against := veto(article, other) or (veto(article, first) if first is not None and first is not other else None):
        return against
    against = _other_matter(article, other)
    read = candidate.meaning
    if not against and (alike >= SURELY_ALIKE or (read is None and alike >= _needed(article, other))):
        return Reason.ALIKE
    # Without anybody they both name, another name is all there is to tell two companies apart.
    named = against is not Reason.OTHER_NAMES or article.entities & other.entities
    soon = abs(article.happened_at - (first or other).happened_at) <= _REWRITE_WITHIN
    if read is not None and named and soon and same_event(evidence(article, other, alike, read)):
        return Reason.SAME_MEANING
    return against or Reason.TOO_DIFFERENT


def similarity(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard's coefficient: what both have over what either has; 0 for two empty sets."""
    both = len(a & b)
    return both / (len(a) + len(b) - both) if both else 0.0


def veto(article: Article, other: Article) -> Reason | None:
    """What speaks against one story however alike the words are: other subject, figures, period, stage or direction."""
    mine, theirs = article.gist, other.gist
    if _other_subject(article, other):
        return Reason.OTHER_SUBJECT
    roles, others = mine.words & lexicon().roles, theirs.words & lexicon().roles
    if roles and others and not roles & others:
        return Reason.OTHER_SUBJECT
    if mine.numbers != theirs.numbers:
        mine_only, theirs_only = mine.numbers - theirs.all_numbers, theirs.numbers - mine.all_numbers
        if periods_differ(mine_only, theirs_only):
            return Reason.OTHER_PERIOD
        if differ(mine_only, theirs_only):
            return Reason.OTHER_FIGURES
    if mine.denial != theirs.denial:
        return Reason.DENIED
    if mine.ahead != theirs.ahead and not (theirs.forecast if mine.ahead else mine.forecast):
        return Reason.EXPECTED_ONLY
    if opposed(mine.words, theirs.words):
        return Reason.REVERSED
    if mine.stages != theirs.stages:
        return Reason.LATER_STAGE
    return None


def compatible(companies: frozenset[str], story: frozenset[str]) -> bool:
    """Whether one side names nobody but whom the other names."""
    # One may name fewer (a short title), never another: "A sues B" and "A sues C" are two stories.
    return companies <= story or story <= companies


def _other_subject(article: Article, other: Article) -> bool:
    """Whether both are about something of a kind (a central bank, a commodity), and about nothing of it in common."""
    mine, theirs = article.entities - article.companies, other.entities - other.companies
    if not mine or not theirs or mine & theirs:
        return False
    return bool({e.partition(":")[0] for e in mine} & {e.partition(":")[0] for e in theirs})


def _words_alike(mine: Gist, theirs: Gist) -> float:
    return similarity(mine.words - mine.numbers, theirs.words - theirs.numbers)


def _needed(article: Article, other: Article) -> float:
    mine, theirs = article.gist, other.gist
    if min(len(mine.summary), len(theirs.summary)) >= 8 and similarity(mine.summary, theirs.summary) >= _SUMMARY_ALIKE:
        return _ALIKE_SAME_SUMMARY
    if article.companies and article.companies == other.companies:
        return _ALIKE_SAME_FIGURES_TOO if mine.numbers and mine.numbers == theirs.numbers else _ALIKE_SAME_COMPANIES
    return _ALIKE_WITHOUT_NAMES if mine.names is None or theirs.names is None else _ALIKE


def _other_matter(article: Article, other: Article) -> Reason | None:
    """What speaks against one story when only the words are known."""
    mine, theirs = article.gist, other.gist
    if (mine.words ^ theirs.words) & lexicon().single:
        return Reason.OTHER_EVENT
    only_mine, only_theirs = mine.words - theirs.words, theirs.words - mine.words
    if mine.names is not None and theirs.names is not None and only_mine & mine.names and only_theirs & theirs.names:
        return Reason.OTHER_NAMES
    same_companies = bool(article.companies) and article.companies == other.companies
    if not same_companies and mine.lead in only_mine and theirs.lead in only_theirs:
        return Reason.OTHER_NAMES
    return None
