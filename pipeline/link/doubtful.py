"""Names that are also something else: which they are, and the reasons that make one count as the company."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import lru_cache
from pathlib import Path

from pipeline.link.names import Needs, fold

__all__ = ["DOUBTFUL", "Doubtful", "Reason", "Words", "load_doubtful", "reason_for"]

DOUBTFUL = Path(__file__).parent / "gazetteer" / "ambiguous.toml"


class Reason(Enum):
    """Why a match counts as the entity."""

    NAME = "name"
    CASHTAG = "cashtag"
    EXCHANGE = "exchange"
    LEGAL_FORM = "legal_form"
    TICKER = "ticker"
    POSSESSIVE = "possessive"
    COMPANY_VERB = "company_verb"
    KIND = "kind"
    FINANCE_WORD = "finance_word"
    MARKET_WORD = "market_word"
    PROPER_NOUN = "proper_noun"
    BESIDE_COMPANY = "beside_company"
    MENTIONED_ELSEWHERE = "mentioned_elsewhere"


@dataclass(frozen=True)
class Doubtful:
    """The lists of ambiguous.toml, folded: what a name needs, the words that are reasons, and blocked phrases."""

    needs: dict[str, Needs]
    words: frozenset[str]
    company_words: frozenset[str]
    market_words: frozenset[str]
    company_verbs: frozenset[str]
    company_plans: frozenset[str]
    kinds: frozenset[str]
    phrases: tuple[str, ...]

    def content(self) -> str:
        """Everything that can change a decision, in a fixed order: what the version is made of."""
        return repr([sorted(map(str, getattr(self, f.name) or ())) for f in fields(self)] + [sorted(
            (name, need.value) for name, need in self.needs.items())])  # fmt: skip


@lru_cache(maxsize=2)
def load_doubtful(path: Path = DOUBTFUL) -> Doubtful:
    """The bundled lists."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    needs = {fold(name): need for need in Needs if need.value for name in _listed(values["needs"][need.value])}
    reasons = {key: frozenset(map(fold, _listed(text))) for key, text in values["reasons"].items()}
    words = frozenset(_listed(values["vocabulary"]["words"]))
    return Doubtful(needs, words, **reasons, phrases=tuple(map(fold, values["blocked"]["phrases"])))


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


_WORD = re.compile(r"[^\W_]+(?:['.&-][^\W_]+)*")
_LEGAL_BEHIND = re.compile(
    r",? (?:Inc|Corp|Corporation|Co|Company|PLC|plc|Plc|Ltd|Limited|LLC|AG|SE|SA|NV|Group|Holdings|N\.V|S\.A)\b"
    r"|,? (?:INC|CORP|LTD|CO)\b"
)
_TICKER_BEHIND = re.compile(r"(?:,? (?:Inc|Corp|Co|PLC|plc|Ltd)\.?)? ?\((?:[A-Z]+ ?: ?)?\$?([A-Z]{1,5}(?:\.[A-Z])?)\)")
_MOVE_BEHIND = re.compile(
    r" (?:shares? |stock )?(?:is |was |are )?(?:[+-]\d|(?:up|down|higher|lower|ahead) (?:\d|by|on|after|as|pre))"
)
_BEFORE_LIST = re.compile(r"(?:,? and|,? &|,|/| vs\.?| or) ?$")
_BEHIND_LIST = re.compile(r"(?:,? and|,? &|,|/| vs\.?| or) ?")
_NEAR = 4
_FACTS = {Needs.WORD, Needs.NAME}


class Words:
    """The words of one text, worked out once and only when a doubtful name asks."""

    def __init__(self, text: str, folded: str) -> None:
        self.text = text
        self.spans = [found.span() for found in _WORD.finditer(folded)]
        self.words = [folded[s:e] for s, e in self.spans]
        self.headline_case = _capitalises_all(text)

    def around(self, start: int, end: int) -> tuple[list[int], list[int]]:
        """Numbers of the words before and behind `start:end` in the same sentence part, nearest first, four at most."""
        before = [i for i, (_, e) in enumerate(self.spans) if e <= start][-_NEAR:][::-1]
        behind = [i for i, (s, _) in enumerate(self.spans) if s >= end][:_NEAR]
        return before, behind


def reason_for(
    words: Words,
    start: int,
    end: int,
    needs: Needs,
    tickers: Sequence[str],
    sure: Sequence[tuple[int, int]],
    lists: Doubtful,
) -> Reason | None:
    """The first reason that holds for the doubtful name at `start:end`; None when there is none.

    `tickers` are the entity's own, `sure` the places of companies named beyond doubt.
    """
    text = words.text
    if needs is Needs.MARKET:
        return _market_reason(words, start, end, lists)
    if _LEGAL_BEHIND.match(text, end) and not (needs is Needs.CODE and _capital_before(text, start)):
        return Reason.LEGAL_FORM
    if (code := _TICKER_BEHIND.match(text, end)) and code[1] in tickers:
        return Reason.TICKER
    if needs not in _FACTS:
        return None
    before, behind = words.around(start, end)
    if before and text[start - 1 : start] == " " and words.words[before[0]].removesuffix("'s") in lists.kinds:
        return Reason.KIND
    if _part_of_longer_name(words, before, start):
        return None
    stands_out = needs is Needs.WORD and _capital_stands_out(words, start, end, before, behind)
    return (
        _doing(words, start, end, needs, behind, lists)
        or _near(words, start, end, before, behind, lists)
        or (Reason.BESIDE_COMPANY if _beside(text, start, end, sure) else None)
        or (Reason.PROPER_NOUN if stands_out else None)
    )


def _doing(words: Words, start: int, end: int, needs: Needs, behind: Sequence[int], lists: Doubtful) -> Reason | None:
    """A possessive, a company's verb right behind, or a move of its price (Slack +14.6%)."""
    text = words.text
    if _MOVE_BEHIND.match(text, end):
        return Reason.FINANCE_WORD
    owns = text[end : end + 2] in ("'s", "’s")
    if owns and needs is Needs.WORD and text[start].isupper():
        return Reason.POSSESSIVE
    if owns or not behind or text[end : end + 1] != " ":
        return None
    first = words.words[behind[0]]
    if first in lists.company_verbs:
        return Reason.COMPANY_VERB
    plans = first in ("to", "will", "may", "could", "would") and len(behind) > 1
    return Reason.COMPANY_VERB if plans and words.words[behind[1]] in lists.company_plans else None


def _near(
    words: Words, start: int, end: int, before: Sequence[int], behind: Sequence[int], lists: Doubtful
) -> Reason | None:
    """A company's word within four words."""
    text = words.text
    if text[end : end + 1] == "-" and text[end + 1 : end + 2].islower():
        return None
    if _goes_on(words, end, behind, lists):
        return None
    near = (words.words[i].removesuffix("'s") for i in (*before, *behind))
    return Reason.FINANCE_WORD if any(word in lists.company_words for word in near) else None


def _market_reason(words: Words, start: int, end: int, lists: Doubtful) -> Reason | None:
    text = words.text
    # "oil-rich" and "rose-gold" are not the market; "UPDATE 1-Gold" is.
    if text[end : end + 1] == "-" or (text[start - 1 : start] == "-" and text[start - 2 : start - 1].isalpha()):
        return None
    before, behind = words.around(start, end)
    near = (words.words[i] for i in (*before, *behind))
    return Reason.MARKET_WORD if any(word in lists.market_words for word in near) else None


def _beside(text: str, start: int, end: int, sure: Sequence[tuple[int, int]]) -> bool:
    """Whether a company named beyond doubt stands next to it in a list: Visa, Mastercard and Amex."""
    for s, e in sure:
        if e <= start and start - e <= 6 and _BEFORE_LIST.fullmatch(text[e:start]):
            return True
        if s >= end and s - end <= 6 and _BEHIND_LIST.fullmatch(text[end:s]):
            return True
    return False


def _capital_before(text: str, start: int) -> bool:
    """Whether the word right before is capitalised: Anagram Capital Ltd is not Capital Ltd."""
    head = text[:start].split(" ")
    return len(head) > 1 and head[-1] == "" and head[-2][:1].isupper() and head[-2][-1:].isalnum()


def _part_of_longer_name(words: Words, before: Sequence[int], start: int) -> bool:
    """Whether a capitalised word stands right before (Harrison Ford), in a text that does not capitalise every word."""
    text = words.text
    if not text[start].isupper() or text[start - 1 : start] != " " or not before or words.headline_case:
        return False
    s, e = words.spans[before[0]]
    previous = text[s:e]
    # A first word is capitalised anyway, but then a name behind it is rare enough to ask for more.
    return previous[0].isupper() and previous.isalpha() and not previous.isupper() and text[start - 2].isalnum()


def _goes_on(words: Words, end: int, behind: Sequence[int], lists: Doubtful) -> bool:
    """Whether a capitalised word right behind makes it another name: Polaris Financial Technology."""
    text = words.text
    if words.headline_case or not behind or text[end : end + 1] != " ":
        return False
    s, e = words.spans[behind[0]]
    follows = text[s:e]
    new_word = words.words[behind[0]] not in lists.company_words
    return new_word and s == end + 1 and follows[:1].isupper() and not follows.isupper()


def _capital_stands_out(words: Words, start: int, end: int, before: Sequence[int], behind: Sequence[int]) -> bool:
    """Whether the name's capital means something: not at a sentence's start, and its neighbours are in lower case."""
    text = words.text
    if not text[start].isupper() or words.headline_case or text[start:end].isupper():
        return False
    if not before or text[start - 1 : start] != " " or text[max(0, start - 2)] in ".!?:\n":
        return False
    if not text[words.spans[before[0]][0]].islower():
        return False
    return not behind or text[words.spans[behind[0]][0]].islower() or not text[end : end + 1].isspace()


def _capitalises_all(text: str) -> bool:
    title = text.partition("\n")[0]
    longer = [word for word in title.split()[1:] if len(word) > 3 and word[0].isalpha()]
    return len(longer) > 1 and sum(word[0].isupper() for word in longer) > 0.6 * len(longer)
