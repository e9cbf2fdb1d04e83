"""The words of headlines (words.toml), made ready to be looked up: one form for what is said in many."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Lexicon", "Patterns", "lexicon", "stem"]


@dataclass(frozen=True)
class Patterns:
    """Any of several patterns, at the beginning of a text or of a word.

    Most do not care about capitals: they are written in lower case, and searched in the text in lower case, which takes
    less than half of the time that `re.IGNORECASE` takes (docs/log.md). `cased` say themselves where it matters.
    """

    lower: re.Pattern[str] | None
    cased: re.Pattern[str] | None

    def found(self, text: str, lower: str) -> bool:
        """Whether the text has one; `lower` is the same text in lower case."""
        return bool((self.lower and self.lower.search(lower)) or (self.cased and self.cased.search(text)))


@dataclass(frozen=True)
class Lexicon:
    """`same` and `phrases`: what a word or phrase becomes. `opposites`: which words tell the opposite of a word.
    `kinds`: of what kinds of event a word tells. `things`: of which class (illness, vehicle, …) a word names which
    member, and `loose` the classes that tell events less surely apart."""

    stop: frozenset[str]
    same: dict[str, str]
    phrases: dict[str, str]
    phrase: re.Pattern[str]
    opposites: dict[str, frozenset[str]]
    single: frozenset[str]
    kinds: dict[str, frozenset[str]]
    things: dict[str, frozenset[tuple[str, int]]]
    loose: frozenset[str]
    column: Patterns
    comment: Patterns
    roles: frozenset[str]
    stages: dict[str, Patterns]
    ahead: Patterns
    forecast: Patterns
    denial: Patterns

    def form(self, word: str) -> str:
        """The one form of a word in lower case."""
        return self.same.get(word) or stem(word)


@cache
def lexicon() -> Lexicon:
    """The lexicon that ships, read once."""
    raw = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
    # The first line that has a word decides, so that one word never has two forms.
    same: dict[str, str] = {}
    for line in raw["same"].strip().splitlines():
        first, *others = line.split()
        for word in (first, *others):
            same.setdefault(word, same.get(first, first))

    def form(word: str) -> str:
        return same.get(word) or stem(word)

    phrases: dict[str, str] = {}
    for line in raw["phrases"].strip().splitlines():
        said, _, spoken = line.partition(":")
        phrases.update({words.strip(): said for words in spoken.split("|")})
    kinds: dict[str, set[str]] = {}
    for line in raw["kinds"].strip().splitlines():
        name, _, words = line.partition(":")
        for word in words.split():
            kinds.setdefault(form(word), set()).add(name)
    loose = {line.partition(":")[0] for line in raw["loosely"].strip().splitlines()}
    return Lexicon(
        frozenset(raw["stop"].split()),
        same,
        phrases,
        re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})\b"),
        _opposites(raw["opposites"], form),
        frozenset(map(form, raw["single"].split())),
        {word: frozenset(names) for word, names in kinds.items()},
        _things(f"{raw['others']}{raw['loosely']}", form),
        frozenset(loose),
        _any(raw["column"]),
        _any(raw["comment"]),
        frozenset(map(form, raw["roles"].split())),
        {stage: _any(patterns) for stage, patterns in raw["stages"].items()},
        _any(raw["ahead"]),
        _any(raw["forecast"]),
        _any(raw["denial"]),
    )


def stem(word: str) -> str:
    """A headline's inflections only; a real stemmer merges words that must stay apart (general, generali)."""
    if len(word) > 4 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 6 and word.endswith("ing"):
        return word[:-3]
    return word[:-2] if len(word) > 5 and word.endswith("ed") else word


def _any(patterns: Sequence[str]) -> Patterns:
    cased = [pattern for pattern in patterns if _cares_for_capitals(pattern)]
    lower = [pattern for pattern in patterns if pattern not in cased]
    return Patterns(_one_of(lower), _one_of(cased, re.IGNORECASE))


def _cares_for_capitals(pattern: str) -> bool:
    plain = re.sub(r"\\.", "", pattern)  # without \A, \W and the like
    return plain != plain.lower() or "-i:" in plain


def _one_of(patterns: Sequence[str], flags: int = 0) -> re.Pattern[str] | None:
    return re.compile(rf"(?:\A|\b)(?:{'|'.join(patterns)})", flags) if patterns else None


def _opposites(pairs: Iterable[tuple[str, str]], form: Callable[[str], str]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for pair in pairs:
        one, other = map(form, pair)
        found.setdefault(one, set()).add(other)
        found.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in found.items()}


def _things(lines: str, form: Callable[[str], str]) -> dict[str, frozenset[tuple[str, int]]]:
    found: dict[str, set[tuple[str, int]]] = {}
    for line in lines.strip().splitlines():
        name, _, members = line.partition(":")
        for number, words in enumerate(members.split("|")):
            for word in words.split():
                found.setdefault(form(word), set()).add((name, number))
    return {word: frozenset(named) for word, named in found.items()}
