"""Finding entities in a text: one Aho-Corasick pass over all names, then the reasons that doubtful names need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

import ahocorasick

from pipeline.link.doubtful import Doubtful, Reason, Words, reason_for
from pipeline.link.gazetteer import Entity, Gazetteer
from pipeline.link.names import Name, Needs, core_name, fold, parse_name

__all__ = ["Match", "Matcher", "Reason"]


class Match(NamedTuple):
    """`text[start:end]` names `entity_id`, and why we believe it."""

    entity_id: str
    start: int
    end: int
    reason: Reason


class _Claim(NamedTuple):
    """An entity's claim to a written form: which letters must be capitals, what else it needs, and when it holds."""

    entity_id: str  # '' blocks
    size: int
    capitals: tuple[int, ...]
    shout: bool
    needs: Needs
    since: date | None
    until: date | None


Hit = tuple[int, int, _Claim]

_CASHTAG = re.compile(r"(?<![\w$])\$([A-Z]{1,5}(?:\.[A-Z])?)(?![\w$])")
_EXCHANGE = re.compile(
    r"\(\s*(NYSE|NASDAQ|Nasdaq|AMEX|NYSEAMERICAN|LON|LSE|TYO|TSE|ETR|FRA|EPA|BME|AMS|EBR|HEL|STO|SWX|BIT|CPH|HKG|HKEX"
    r"|ASX|NSE|BSE|KRX|SGX|JSE|TADAWUL|MCX)\s*:\s*([A-Z0-9.-]{1,10})\s*\)"
)
_AMERICAN = frozenset({"NYSE", "NASDAQ", "AMEX", "NYSEAMERICAN"})
_SAME_EXCHANGE = {"LSE": "LON", "FRA": "ETR", "HKEX": "HKG", "BSE": "NSE"}
_WORD_START = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# Written small inside names, whatever the name's own habit.
_SMALL = frozenset(
    {"and", "of", "the", "for", "in", "on", "de", "du", "des", "la", "le", "der", "von", "van", "dei", "di"}
)
# Before a letter or digit these make it part of something else: a sum (£3m), a cashtag, a handle.
_JOINED = frozenset("$£€¥₹@_")
_SHORT = 4
_SURE = (Needs.NOTHING, Needs.PLAIN)


class Matcher:
    """All names of a gazetteer, ready to be looked for. Building takes a moment; keep it for a whole run."""

    def __init__(self, gazetteer: Gazetteer, doubtful: Doubtful) -> None:
        self._doubtful = doubtful
        self._companies = frozenset(e.entity_id for e in gazetteer.entities.values() if e.kind == "company")
        self._tickers = _tickers(gazetteer)
        self._codes = {e.entity_id: tuple(parse_name(t).text for t in e.tickers) for e in gazetteer.entities.values()}
        surfaces: dict[str, list[_Claim]] = {}
        for surface, claim in _claims(gazetteer, doubtful):
            surfaces.setdefault(surface, []).append(claim)
        self.names = len(surfaces)
        self._automaton = ahocorasick.Automaton()
        for surface, claims in surfaces.items():
            self._automaton.add_word(surface, tuple(claims))
        self._automaton.make_automaton()

    def find(self, text: str, when: date | None = None, folded: str | None = None) -> list[Match]:
        """The entities named in `text`, in order, none overlapping another; leftmost, then longest, wins.

        A name with dates counts only if it was in use at `when`; without `when`, always. `folded` is `fold(text)`,
        for callers who have it already.
        """
        folded = fold(text) if folded is None else folded
        found = list(self._coded(text, when)) if "$" in text or ":" in text else []
        coded = [f.span() for f in _EXCHANGE.finditer(text)] if ":" in text else []
        coded += [(m.start, m.end) for m in found if m.reason is Reason.CASHTAG]
        doubtful: list[Hit] = []
        for start, end, claim in _longest(self._hits(text, folded, when)):
            if not claim.entity_id or any(s < end and start < e for s, e in coded):
                continue
            if claim.needs in _SURE:
                found.append(Match(claim.entity_id, start, end, Reason.NAME))
            else:
                doubtful.append((start, end, claim))
        if doubtful:
            found.extend(self._judged(text, folded, doubtful, found))
        found.sort(key=lambda match: match.start)
        return found

    def _hits(self, text: str, folded: str, when: date | None) -> Iterator[Hit]:
        size = len(folded)
        for last, claims in self._automaton.iter(folded):
            end = last + 1
            start = end - claims[0].size
            # `isalnum` rather than \b: names end in dots, plus signs and apostrophes too.
            if start and folded[start].isalnum() and _goes_on(folded, start):
                continue
            if end < size and folded[last].isalnum() and (folded[end].isalnum() or folded[end] == "_"):
                continue
            for claim in claims:
                if _written_so(text, start, end, claim) and _valid(claim.since, claim.until, when):
                    yield start, end, claim
                    break

    def _coded(self, text: str, when: date | None) -> Iterator[Match]:
        for found in _CASHTAG.finditer(text):
            if entity_id := self._holder(found[1], when):
                yield Match(entity_id, found.start(), found.end(), Reason.CASHTAG)
        for found in _EXCHANGE.finditer(text):
            exchange = found[1].upper()
            listed = f"{_SAME_EXCHANGE.get(exchange, exchange)}:{found[2].rstrip('.')}"
            if entity_id := self._holder(found[2] if exchange in _AMERICAN else listed, when):
                yield Match(entity_id, found.start(), found.end(), Reason.EXCHANGE)

    def _holder(self, code: str, when: date | None) -> str | None:
        """Whose code it is: on that day, where two companies have held it."""
        holders = self._tickers.get(code, ())
        return next((entity_id for entity_id, name in holders if _valid(name.since, name.until, when)), None)

    def _judged(self, text: str, folded: str, doubtful: Sequence[Hit], found: Sequence[Match]) -> list[Match]:
        words = Words(text, folded)
        sure = [(m.start, m.end) for m in found if m.entity_id in self._companies]
        named = {m.entity_id for m in found}
        kept: list[Match] = []
        open_ = list(doubtful)
        while open_:  # again while it helps: Meta stands beside Snap, and Snap beside Pinterest
            known = len(kept)
            for hit in tuple(open_):
                start, end, claim = hit
                codes = self._codes[claim.entity_id]
                if reason := reason_for(words, start, end, claim.needs, codes, sure, self._doubtful):
                    kept.append(Match(claim.entity_id, start, end, reason))
                    named.add(claim.entity_id)
                    open_.remove(hit)
                    if claim.entity_id in self._companies:
                        sure.append((start, end))
            if len(kept) == known:
                break
        elsewhere = Reason.MENTIONED_ELSEWHERE
        kept.extend(Match(claim.entity_id, s, e, elsewhere) for s, e, claim in open_ if claim.entity_id in named)
        return kept


def _goes_on(folded: str, start: int) -> bool:
    """Whether what begins at `start` only goes on there: a word, a sum, the decimals of a number."""
    before = folded[start - 1]
    if before.isalnum() or before in _JOINED:
        return True
    return before in ".," and folded[start].isdigit() and folded[start - 2 : start - 1].isdigit()


def _written_so(text: str, start: int, end: int, claim: _Claim) -> bool:
    for place in claim.capitals:
        if not text[start + place].isupper():
            return False
    return claim.shout or not text[start:end].isupper()


def _valid(since: date | None, until: date | None, when: date | None) -> bool:
    return when is None or ((since is None or since <= when) and (until is None or when < until))


def _longest(hits: Iterator[Hit]) -> Iterator[Hit]:
    reached = -1
    for hit in sorted(hits, key=lambda hit: (hit[0], -hit[1])):
        if hit[0] >= reached:
            reached = hit[1]
            yield hit


def _tickers(gazetteer: Gazetteer) -> dict[str, tuple[tuple[str, Name], ...]]:
    found: dict[str, list[tuple[str, Name]]] = {}
    for entity in gazetteer.entities.values():
        for ticker in entity.tickers:
            name = parse_name(ticker)
            found.setdefault(name.text, []).append((entity.entity_id, name))
    # Undated holders first: without a date the company of today is meant, before the one that had the code earlier.
    return {code: tuple(sorted(held, key=lambda h: h[1].until is not None)) for code, held in found.items()}


def _claims(gazetteer: Gazetteer, doubtful: Doubtful) -> Iterator[tuple[str, _Claim]]:
    """Every written form with who claims it, those that win a contested one first."""
    for phrase in doubtful.phrases:
        yield phrase, _Claim("", len(phrase), (), True, Needs.NOTHING, None, None)
    ranked = []
    for order, entity in enumerate(gazetteer.entities.values()):
        for rank, name in _names(entity):
            # Later files outrank earlier ones, and what is not a company outranks one (Nasdaq is the index first).
            ranked.append(((entity.kind == "company", rank, -order, name.text), entity.entity_id, name))
    for _, entity_id, name in sorted(ranked, key=lambda one: one[0]):
        surface = fold(name.text)
        needs = name.needs or doubtful.needs.get(surface) or (Needs.NAME if len(surface) < 3 else Needs.NOTHING)
        shout = _may_shout(name.text, needs)
        yield surface, _Claim(entity_id, len(surface), _capitals(name.text), shout, needs, name.since, name.until)


def _names(entity: Entity) -> list[tuple[int, Name]]:
    """The forms of an entity with their rank; an alias with a note speaks for the name too, if it is the same."""
    aliases = [parse_name(alias) for alias in entity.aliases]
    noted = {alias.text for alias in aliases if alias.needs or alias.since or alias.until}
    core = core_name(entity.name)
    names = [(0, Name(entity.name)), (1, Name(core))] if core != entity.name else [(0, Name(core))]
    return [*(n for n in names if n[1].text not in noted), *((1 if a.text == core else 2, a) for a in aliases)]


def _capitals(name: str) -> tuple[int, ...]:
    """Which letters must be capitals in a text: the first of each word that has one, all of a short abbreviation."""
    found: list[int] = []
    for word in _WORD_START.finditer(name):
        written = word[0]
        if written.isupper() and 1 < len(written) <= _SHORT and written.isalnum():
            # "3m" is a number.
            found.extend(place for place in range(word.start(), word.end()) if name[place].isalpha())
        elif written[0].isupper() and (word.start() == 0 or written.lower() not in _SMALL):
            found.append(word.start())
    return tuple(found)


def _may_shout(name: str, needs: Needs) -> bool:
    """Whether the name also counts in capitals throughout; a short word in capitals may be an abbreviation."""
    return name.isupper() or " " in name or (len(name) > _SHORT and needs in (Needs.NOTHING, Needs.WORD, Needs.NAME))
