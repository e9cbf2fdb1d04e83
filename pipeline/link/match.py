"""Finding entities in a text: one Aho-Corasick pass over all names, then the reasons that doubtful names need."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import ahocorasick

from pipeline.link.build import core_name
from pipeline.link.gazetteer import BUNDLED, Entity, Gazetteer

__all__ = ["Ambiguity", "Match", "Matcher", "Reason", "load_ambiguity"]


class Reason(Enum):
    """Why a match counts as the entity."""

    NAME = "name"
    CASHTAG = "cashtag"
    EXCHANGE = "exchange"
    LEGAL_FORM = "legal_form"
    POSSESSIVE = "possessive"
    COMPANY_VERB = "company_verb"
    FINANCE_WORD = "finance_word"
    PROPER_NOUN = "proper_noun"
    MENTIONED_ELSEWHERE = "mentioned_elsewhere"


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` names `entity_id`, and why we believe it."""

    entity_id: str
    start: int
    end: int
    reason: Reason


@dataclass(frozen=True)
class Ambiguity:
    """Which names need a reason, and the words that give one (in lower case, but for names)."""

    names: frozenset[str]
    never: frozenset[str]
    finance_words: frozenset[str]
    company_verbs: frozenset[str]
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pattern:
    surface: str
    entity_id: str  # '' blocks
    doubtful: bool


_WORD = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_CASHTAG = re.compile(r"(?<![\w$])\$([A-Z]{1,5}(?:\.[A-Z])?)(?![\w$])")
_EXCHANGE = re.compile(
    r"\(\s*(NYSE|NASDAQ|Nasdaq|AMEX|NYSEAMERICAN|LON|LSE|TYO|TSE|ETR|FRA|EPA|BME|AMS|EBR|HEL|STO|SWX|BIT|CPH|HKG|HKEX"
    r"|ASX|NSE|BSE|KRX|SGX|JSE|TADAWUL|MCX)\s*:\s*([A-Z0-9.-]{1,10})\s*\)"
)
_AMERICAN = frozenset({"NYSE", "NASDAQ", "AMEX", "NYSEAMERICAN"})
_SAME_EXCHANGE = {"LSE": "LON", "FRA": "ETR", "HKEX": "HKG", "BSE": "NSE"}
_LEGAL_BEHIND = re.compile(
    r"(?:,? (?:Inc|Corp|Corporation|Co|Company|PLC|plc|Plc|Ltd|Limited|LLC|AG|SE|SA|NV|Group|Holdings)\b)"
)
_NEIGHBOURS = 5


def load_ambiguity(path: Path = BUNDLED / "ambiguous.toml") -> Ambiguity:
    """The bundled lists of doubtful names."""
    values = tomllib.loads(path.read_text(encoding="utf-8"))
    lists = {key: value for key, value in values.items() if key != "blocked"}
    words = {key: frozenset(w.strip() for w in value.split(",") if w.strip()) for key, value in lists.items()}
    return Ambiguity(
        words["names"], words["never"], words["finance_words"], words["company_verbs"], tuple(values["blocked"])
    )


class Matcher:
    """All names of a gazetteer, ready to be looked for. Building takes a moment; keep it for a whole run."""

    def __init__(self, gazetteer: Gazetteer, ambiguity: Ambiguity) -> None:
        self._ambiguity = ambiguity
        self._tickers = _tickers(gazetteer)
        self._automaton = ahocorasick.Automaton()
        for pattern in _patterns(gazetteer, ambiguity):
            if pattern.surface not in self._automaton:
                self._automaton.add_word(pattern.surface, pattern)
        self._automaton.make_automaton()

    def find(self, text: str) -> list[Match]:
        """The entities named in `text`, in order, none overlapping another; leftmost, then longest, wins."""
        found = list(self._coded(text)) if "$" in text or ":" in text else []
        sure: list[tuple[int, int, str, Reason]] = [(m.start, m.end, m.entity_id, m.reason) for m in found]
        doubtful: list[tuple[int, int, str]] = []
        for start, end, pattern in _longest(self._hits(text)):
            if not pattern.entity_id or any(s < end and start < e for s, e, _, _ in sure[: len(found)]):
                continue
            if pattern.doubtful:
                doubtful.append((start, end, pattern.entity_id))
            else:
                sure.append((start, end, pattern.entity_id, Reason.NAME))
        if doubtful:
            sure.extend(self._judged(text, doubtful, {entity_id for _, _, entity_id, _ in sure}))
        sure.sort()
        return [Match(entity_id, start, end, reason) for start, end, entity_id, reason in sure]

    def _hits(self, text: str) -> Iterator[tuple[int, int, _Pattern]]:
        size = len(text)
        for last, pattern in self._automaton.iter(text):
            end = last + 1
            start = end - len(pattern.surface)
            # `isalnum` rather than \b: names end in dots, plus signs and apostrophes too.
            if start and text[start].isalnum() and (text[start - 1].isalnum() or text[start - 1] in "$#@_"):
                continue
            if end < size and text[last].isalnum() and (text[end].isalnum() or text[end] == "_"):
                continue
            yield start, end, pattern

    def _coded(self, text: str) -> Iterator[Match]:
        for found in _CASHTAG.finditer(text):
            if entity_id := self._tickers.get(found[1]):
                yield Match(entity_id, found.start(), found.end(), Reason.CASHTAG)
        for found in _EXCHANGE.finditer(text):
            exchange = found[1].upper()
            key = (
                found[2]
                if exchange in _AMERICAN
                else f"{_SAME_EXCHANGE.get(exchange, exchange)}:{found[2].rstrip('.')}"
            )
            if entity_id := self._tickers.get(key):
                yield Match(entity_id, found.start(), found.end(), Reason.EXCHANGE)

    def _judged(
        self, text: str, doubtful: Sequence[tuple[int, int, str]], named: set[str]
    ) -> list[tuple[int, int, str, Reason]]:
        words = [(m.start(), m.end()) for m in _WORD.finditer(text)]
        kept, open_ = [], []
        for start, end, entity_id in doubtful:
            reason = self._reason(text, words, start, end)
            if reason:
                kept.append((start, end, entity_id, reason))
                named.add(entity_id)
            else:
                open_.append((start, end, entity_id))
        kept.extend((s, e, entity_id, Reason.MENTIONED_ELSEWHERE) for s, e, entity_id in open_ if entity_id in named)
        return kept

    def _reason(self, text: str, words: list[tuple[int, int]], start: int, end: int) -> Reason | None:
        """The first reason that holds for the doubtful name at `start:end`; None when there is none."""
        if _LEGAL_BEHIND.match(text, end):
            return Reason.LEGAL_FORM
        before = [text[s:e] for s, e in words if e <= start][-_NEIGHBOURS:]
        behind = [text[s:e] for s, e in words if s >= end][: _NEIGHBOURS + 1]
        if _part_of_longer_name(text, before, start):
            return None
        if text[start].isupper() and text[end : end + 2] in ("'s", "’s"):
            return Reason.POSSESSIVE
        if behind and text[end : end + 1] in (" ", "-") and behind[0].lower() in self._ambiguity.company_verbs:
            return Reason.COMPANY_VERB
        if text[end : end + 1] != "-" or not text[end + 1 : end + 2].islower():
            near = (*before, *behind)
            if any(word.lower().removesuffix("'s") in self._ambiguity.finance_words for word in near):
                return Reason.FINANCE_WORD
        return Reason.PROPER_NOUN if _capital_stands_out(text, words, start, end) else None


def _longest(hits: Iterator[tuple[int, int, _Pattern]]) -> Iterator[tuple[int, int, _Pattern]]:
    reached = -1
    for start, end, pattern in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
        if start >= reached:
            reached = end
            yield start, end, pattern


def _part_of_longer_name(text: str, before: list[str], start: int) -> bool:
    """Whether a capitalised word stands right before (Harrison Ford), in a text that does not capitalise every word."""
    if not text[start].isupper() or text[start - 1 : start] != " " or not before or _capitalises_all(text):
        return False
    previous = before[-1]
    # A first word is capitalised anyway, but then a name behind it is rare enough to ask for more.
    return previous[0].isupper() and previous.isalpha() and not previous.isupper() and text[start - 2].isalnum()


def _capital_stands_out(text: str, words: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether the name's capital means something: not at a sentence's start, and its neighbours are in lower case."""
    if not text[start].isupper() or _capitalises_all(text):
        return False
    before = [text[s:e] for s, e in words if e <= start]
    behind = [text[s:e] for s, e in words if s >= end]
    if not before or not before[-1][:1].islower() or text[start - 1 : start] != " ":
        return False
    if text[max(0, start - 2)] in ".!?:\n":
        return False
    return not behind or behind[0][:1].islower() or not text[end : end + 1].isspace()


def _capitalises_all(text: str) -> bool:
    title = text.partition("\n")[0]
    longer = [word for word in title.split()[1:] if len(word) > 3 and word[0].isalpha()]
    return len(longer) > 1 and sum(word[0].isupper() for word in longer) > 0.6 * len(longer)


def _tickers(gazetteer: Gazetteer) -> dict[str, str]:
    found: dict[str, str] = {}
    for entity in gazetteer.entities.values():
        for ticker in entity.tickers:
            # The first file that claims a code keeps it, as companies.csv is sorted by id and stable.
            found.setdefault(ticker, entity.entity_id)
    return found


def _patterns(gazetteer: Gazetteer, ambiguity: Ambiguity) -> Iterator[_Pattern]:
    """Every written form, those that win a contested surface first."""
    for phrase in ambiguity.blocked:
        for surface in _forms(phrase, shout=True):
            yield _Pattern(surface, "", False)
    claims = []
    for order, entity in enumerate(gazetteer.entities.values()):
        for rank, alias in _ranked(entity):
            # Later files outrank earlier ones, and what is not a company outranks one (Nasdaq is the index first).
            claims.append((entity.kind == "company", rank, -order, alias, entity.entity_id))
    for _, _, _, alias, entity_id in sorted(claims):
        if alias in ambiguity.never:
            continue
        doubtful = alias in ambiguity.names or len(alias) < 3
        for surface in _forms(alias, shout=not doubtful and (len(alias) > 4 or " " in alias)):
            yield _Pattern(surface, entity_id, doubtful)


def _ranked(entity: Entity) -> list[tuple[int, str]]:
    core = core_name(entity.name)
    return [(0, entity.name), (1, core), *((1 if alias == core else 2, alias) for alias in entity.aliases)]


def _forms(alias: str, *, shout: bool) -> Iterator[str]:
    """How `alias` is written: as given, with the other apostrophe, in headline case and, if `shout`, in capitals.

    An alias written in lower case may also begin with a capital.
    """
    forms = [alias]
    if alias == alias.lower():
        forms.append(alias[:1].upper() + alias[1:])
    if " " in alias:
        forms.append(" ".join(word[:1].upper() + word[1:] for word in alias.split(" ")))
    if shout:
        forms.append(alias.upper())
    for form in dict.fromkeys(forms):
        yield form
        if "'" in form:
            yield form.replace("'", "’")
