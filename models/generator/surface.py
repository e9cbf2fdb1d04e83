"""From an expanded template to a text as it would stand in a feed: joints mended, then a little surface noise.

Names travel through all steps as single private-use characters, so that no step can alter or split them, and what is
asked for is always written as it stands in the text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from models.generator.grammar import Slot
from models.generator.slots import Filler, is_name

_FIRST = 0xE000
_NAME = re.compile("[\ue000-\uf8ff]")
_ARTICLE = re.compile(r"\b([Aa])n? (?=(\S+))")
_EIGHTS = re.compile(r"(?:8|11|18)(?:\D|$)|8\d(?!\d)|8[\d,]*")
_SMALL = frozenset(
    ("a", "an", "and", "as", "at", "but", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "vs",
     "with", "after", "over", "than", "is")
)  # fmt: skip
_SUFFIXES = (
    " - Reuters", " | Reuters", " - Bloomberg", " - The Economic Times", " - CNBC", " -Bloomberg", " | ET",
)  # fmt: skip
_PREFIXES = (
    "UPDATE 1-", "UPDATE 2-", "BRIEF-", "RPT-", "REFILE-", "BREAKING: ", "JUST IN: ", "*", "MARKETS: ", "UPDATE: ",
)  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A text whose names are still placeholders: `names[i]` is (slot, value) of the character U+E000 + i."""

    text: str
    names: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Written:
    """A finished text, and how each name first stands in it, by slot."""

    text: str
    surfaces: dict[str, str]


def draft(parts: Iterable[str | Slot], filler: Filler) -> Draft:
    """Fill the slots and mend the joints: spaces, "a" and "an", doubled stops, the capital at the beginning."""
    names: list[tuple[str, str]] = []
    places: dict[str, str] = {}
    pieces: list[str] = []
    literal: list[str] = []
    for part in parts:
        if isinstance(part, str):
            pieces.append(part)
            literal.append(part)
        elif is_name(part.name):
            if part.name not in places:
                places[part.name] = chr(_FIRST + len(names))
                names.append((part.name, filler.value(part.name)))
            pieces.append(places[part.name])
        else:
            pieces.append(filler.value(part.name))
    text = _mended("".join(pieces), names)
    shouted = "".join(literal)
    if sum(c.isalpha() for c in shouted) >= 5 and not any(c.islower() for c in shouted):
        text, names = text.upper(), [(slot, value.upper()) for slot, value in names]
    return Draft(text, names)


def _mended(text: str, names: Sequence[tuple[str, str]]) -> str:
    text = re.sub(r"\s+", " ", text).strip(" ,")
    text = re.sub(r"(?<=[^\s.]) (?=[.,;:?!](?: |$))", "", text)
    text = re.sub(r",(?=[.;:?!])|(?<=,) ?,", "", text)
    text = re.sub(r"\b([Tt])he the\b", r"\1he", text)
    text = _ARTICLE.sub(lambda match: _article(match, names), text)
    return text[:1].upper() + text[1:]


def _article(match: re.Match[str], names: Sequence[tuple[str, str]]) -> str:
    if match.group().strip() == "A" and match.start() > 0 and match.string[match.start() - 1] not in " ":
        return match.group()
    word = match[2].lstrip("\"'“(")
    if word and _NAME.match(word):
        word = names[ord(word[0]) - _FIRST][1]
    return f"{match[1]}{'n' if _sounds_open(word) else ''} "


def _sounds_open(word: str) -> bool:
    if word[:1].isdigit():
        return _EIGHTS.match(word) is not None
    lower = word.lower()
    if word.startswith(("US", "UK", "U.", "EUR")):
        return False
    if word.isupper() and 1 < len(word) <= 4:
        return lower[0] in "aefhilmnorsx"
    if lower.startswith(("uni", "use", "usu", "eu", "one", "ubiq", "u.")):
        return lower.startswith(("unin", "unim", "unid"))
    return lower[:1] in "aeiou" or lower.startswith(("hour", "honest"))


def finish(given: Draft, rng: Random, noise: bool = True) -> Written:
    """Put the names in, after the surface noise; without `noise` the text stays as drafted."""
    text, names = given.text, list(given.names)
    if names and text[:1] == chr(_FIRST):
        names[0] = (names[0][0], names[0][1][:1].upper() + names[0][1][1:])
    if noise:
        text, names = _cased(text, names, rng)
        text = _edges(_spaced(text, rng), rng)
    raw = [value for _, value in names]
    text = _NAME.sub(lambda match: raw[ord(match.group()) - _FIRST], text)
    text = text.replace("'s's", "'s").replace("'s’s", "'s")
    text = re.sub(r"\.\.(?!\.)", ".", text)
    return Written(text, {slot: value for slot, value in names if value in text})


def _cased(text: str, names: list[tuple[str, str]], rng: Random) -> tuple[str, list[tuple[str, str]]]:
    roll = rng.random()
    if roll < 0.05:
        return text.lower(), [(slot, value.lower()) for slot, value in names]
    if roll < 0.085:
        return text.upper(), [(slot, value.upper()) for slot, value in names]
    if roll < 0.17 and not text.endswith("."):
        words = [word if word in _SMALL else word[:1].upper() + word[1:] for word in text.split(" ")]
        titled = " ".join(words)
        return titled[:1].upper() + titled[1:], [(slot, value[:1].upper() + value[1:]) for slot, value in names]
    return text, names


def _spaced(text: str, rng: Random) -> str:
    """Now and then the spacing of old corpora ("EUR 13.1 mn , 7.7 % of sales ."), or printed quotes."""
    roll = rng.random()
    if roll < (0.3 if text.endswith(".") else 0.04):
        text = re.sub(r"(?<=\w)%", " %", text)
        text = re.sub(r"(?<=[^\s\d])('s\b)", r" \1", text)
        return re.sub(r"(?<=[^\s.])([,;:.?!])(?= |$)", r" \1", text).replace("(", "( ").replace(")", " )")
    return text.replace("'", "’") if roll > 0.95 else text


def _edges(text: str, rng: Random) -> str:
    """A stop lost, an agency's prefix, a source behind the headline."""
    if text.endswith("."):
        return text[:-1].rstrip() if rng.random() < 0.12 else text
    roll = rng.random()
    if roll < 0.035:
        return text + rng.choice(_SUFFIXES)
    if roll < 0.07 and not re.match(r"\W|[A-Z]{4}|[^ ]*:", text) and not text.endswith("?"):
        return rng.choice(_PREFIXES) + text
    return text
