"""Themes: why risk cares. Readable patterns compiled once, tried only where one of their words stands in the text."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import ahocorasick

from pipeline.errors import RulesError
from pipeline.link.match import Match
from pipeline.link.names import fold

__all__ = ["THEMES", "Side", "ThemeHit", "Themes", "load_themes", "target_of"]

THEMES = Path(__file__).parent / "themes.toml"
Side = str  # 'before', 'behind' or '' (the nearest)

_REACH = 4  # words a negation or reversal may stand away
_THEME_KEYS = {"severe", "patterns", "unless"}
# A gap stays within a part of a sentence: no semicolon, colon, stop or line break.
_APART = r"(?:(?! - )[^\w;:!?|\n])+"
_GAP = rf"(?:{_APART}\w[\w'-]*){{0,3}}?{_APART}"
# Words of every tenth headline: a pattern is better looked for by another of its words.
_EVERYDAY = frozenset({
    "profit", "profits", "on", "market", "markets", "bank", "over", "target", "down", "investors", "trading",
    "power", "falls", "sales", "earnings", "with", "outlook", "short", "app", "from", "under", "revenue", "bond",
    "bonds", "sell", "trade", "loss", "report", "reports", "posts", "forecast", "raise", "fund", "funds", "cut",
    "cuts", "to", "for", "of", "in", "by", "at", "up", "court", "capital", "sector", "service", "chief",
    "companies", "growth", "state", "take", "takes", "hold", "stock", "stocks", "shares", "company", "price",
    "prices", "year", "quarter", "new", "more", "will", "says", "after", "deal", "net", "data", "rate", "rates",
    "into", "out", "back", "off", "against",
})  # fmt: skip
_TOKEN = re.compile(r"\(([^()]*)\)|(\.\.\.)|([^\s()]+)")
# A negation does not reach over these: "denies wrongdoing, faces fraud probe". A dot inside a number is no end.
_CLAUSE_END = re.compile(r"[;:,–—\n]|[.!?](?=\s|$)|\s-\s|\b(?:but|after|as|while|despite|amid)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|(?<=[.!?])\s+(?=[A-Z\"'“‘])")


class ThemeHit(NamedTuple):
    """`text[start:end]` speaks of `theme`; `side` says where its entity stands."""

    theme: str
    start: int
    end: int
    side: Side


@dataclass(frozen=True)
class _Pattern:
    theme: str
    regex: re.Pattern[str]
    side: Side


class Themes:
    """The compiled file. `severe` are the themes that may alarm on one article; `version` names the patterns."""

    def __init__(self, text: str, source: str = "themes.toml") -> None:
        values = _checked(text, source)
        self.version = "themes-1+" + hashlib.sha256(text.encode()).hexdigest()[:8]
        self.names: tuple[str, ...] = tuple(values["themes"])
        self.severe = frozenset(name for name, body in values["themes"].items() if body.get("severe"))
        self._unless = {
            name: [_compiled(pattern)[0] for pattern in body.get("unless", ())]
            for name, body in values["themes"].items()
        }
        self._negated = re.compile(
            rf"(?:{_any(values['negations'])})(?:\W+\w[\w'’-]*){{0,{_REACH}}}\W*$", re.IGNORECASE
        )
        self._reversed = re.compile(
            rf"\W*(?:\w[\w'’-]*\W+){{0,{_REACH}}}?(?:{_any(values['reversals'])})", re.IGNORECASE
        )
        self._automaton = ahocorasick.Automaton()
        by_anchor: dict[str, list[_Pattern]] = {}
        for name, body in values["themes"].items():
            for written in body["patterns"]:
                regex, side, anchors = _compiled(written)
                for anchor in anchors:
                    by_anchor.setdefault(anchor, []).append(_Pattern(name, regex, side))
        for anchor, patterns in by_anchor.items():
            self._automaton.add_word(anchor, (len(anchor), tuple(patterns)))
        self._automaton.make_automaton()

    def find(self, text: str) -> list[ThemeHit]:
        """Every place where a theme is spoken of and not denied, in order of the text."""
        lower = fold(text)
        tried: dict[int, _Pattern] = {}
        for last, (size, patterns) in self._automaton.iter(lower):
            start = last - size + 1
            if not start or not lower[start - 1].isalnum():  # a word's beginning: "fine", not "refine"
                for pattern in patterns:
                    tried[id(pattern)] = pattern
        if not tried:
            return []
        hits = {hit for pattern in tried.values() for hit in self._hits(pattern, lower)}
        return sorted(hits, key=lambda hit: (hit.start, hit.end, hit.theme, hit.side))

    def _hits(self, pattern: _Pattern, lower: str) -> Iterator[ThemeHit]:
        for found in pattern.regex.finditer(lower):
            if not self._excluded(pattern.theme, lower, found.start(), found.end()):
                yield ThemeHit(pattern.theme, found.start(), found.end(), pattern.side)

    def _excluded(self, theme: str, lower: str, start: int, end: int) -> bool:
        head = _CLAUSE_END.split(lower[max(0, start - 80) : start])[-1]
        tail = _CLAUSE_END.split(lower[end : end + 80])[0]
        if self._negated.search(head) or self._reversed.match(tail):
            return True
        return any(
            u.start() < end and start < u.end() for unless in self._unless[theme] for u in unless.finditer(lower)
        )


def target_of(text: str, hit: ThemeHit, mentions: Sequence[Match]) -> str:
    """The entity a theme is about, of the company `mentions` of `text`; '' when none can be named.

    In the hit's sentence the nearest one on its side; where the sentence names none, the only one of the whole text.
    """
    start, end = _sentence(text, hit)
    near = [m for m in mentions if start <= m.start < end]
    if not near:
        entities = {m.entity_id for m in mentions}
        return entities.pop() if len(entities) == 1 else ""
    sides = {"before": [m for m in near if m.end <= hit.end], "behind": [m for m in near if m.start >= hit.start]}
    candidates = sides.get(hit.side, near)
    return min(candidates, key=lambda m: (_distance(m, hit), m.start)).entity_id if candidates else ""


@lru_cache(maxsize=4)
def load_themes(path: Path = THEMES) -> Themes:
    """The themes of a file.

    Raises:
        RulesError: not TOML, an unknown key, or a pattern that cannot be read.
    """
    return Themes(path.read_text(encoding="utf-8"), str(path))


def _sentence(text: str, hit: ThemeHit) -> tuple[int, int]:
    start, end = 0, len(text)
    for mark in _SENTENCE_END.finditer(text):
        if mark.end() <= hit.start:
            start = mark.end()
        elif mark.start() >= hit.end:
            end = mark.start()
            break
    return start, end


def _distance(mention: Match, hit: ThemeHit) -> int:
    return max(mention.start - hit.end, hit.start - mention.end, 0)


def _checked(text: str, source: str) -> dict[str, Any]:
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{source}: not valid TOML: {error}. Mend that line and run again.") from error
    for key in ("themes", "negations", "reversals"):
        if key not in values:
            raise RulesError(f"{source}: the key {key} is missing.")
    for name, body in values["themes"].items():
        for key in body.keys() - _THEME_KEYS:
            raise RulesError(f"{source}: [themes.{name}] {key} is not a key; they are patterns, severe, unless.")
        if not body.get("patterns"):
            raise RulesError(f"{source}: [themes.{name}] has no patterns.")
    return dict(values)


def _any(phrases: Sequence[str]) -> str:
    return "|".join(rf"\b{_literal(phrase)}\b" for phrase in sorted(phrases, key=len, reverse=True))


def _literal(phrase: str) -> str:
    return re.escape(phrase).replace("\\ ", r"\s+")


def _word(word: str) -> str:
    return rf"\b{_literal(word[:-1])}\w*" if word.endswith("*") else rf"\b{_literal(word)}\b"


def _compiled(written: str) -> tuple[re.Pattern[str], Side, list[str]]:
    """A readable pattern as a regular expression, its side, and the words of which one must stand in the text."""
    side, plain = "", written.strip()
    if plain.startswith("[X]"):
        side, plain = "before", plain[3:]
    elif "[X]" in plain:
        side, plain = "behind", plain.replace("[X]...", " ... ").replace("[X]", "")
    parts: list[str] = []
    anchors: list[list[str]] = []
    for found in _TOKEN.finditer(plain):
        choices, gap, word = found.groups()
        if gap:
            parts.append(_GAP)
            continue
        words = [w.strip() for w in (choices.split("|") if choices else [word])]
        if not all(w.rstrip("*").strip() for w in words):
            raise RulesError(
                f"themes: the pattern {written!r} has an empty word; write words, (a|b), word* or ... only."
            )
        if parts and parts[-1] != _GAP:
            parts.append(r"[\s-]+")
        parts.append("(?:" + "|".join(map(_word, words)) + ")")
        anchors.append([w.rstrip("*").split()[0] for w in words])
    if not anchors:
        raise RulesError(f"themes: the pattern {written!r} names no word.")
    # The rarest choice makes the best anchor: few everyday words, then long ones.
    best = max(anchors, key=lambda group: (-len(_EVERYDAY.intersection(group)), min(map(len, group)), -len(group)))
    return re.compile("".join(parts)), side, best
