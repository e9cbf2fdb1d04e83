"""The sentences and names of this folder, and the swaps: each yields a text and variants that must mean the same."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["KINDS", "Frame", "Pair", "filled", "frames", "names", "pairs"]

_HERE = Path(__file__).parent
_PLACE = re.compile(r"\{(\w+)(?::([\d.]+))?\}")
VARIANTS = 3


@dataclass(frozen=True)
class Frame:
    """One sentence with places to fill, and the sentiment it was written with."""

    text: str
    sentiment: str

    @property
    def places(self) -> frozenset[str]:
        """The kinds of places in it."""
        return frozenset(match[1] for match in _PLACE.finditer(self.text))


@dataclass(frozen=True)
class Pair:
    """A text and a variant of it that says the same; `entity_*`: towards whom it is asked, None for the article."""

    kind: str
    text: str
    variant: str
    entity_text: str | None = None
    entity_variant: str | None = None


@cache
def frames() -> tuple[Frame, ...]:
    """Return the shipped sentences."""
    raw = tomllib.loads((_HERE / "frames.toml").read_text("utf-8"))
    return tuple(Frame(text, sentiment) for sentiment, texts in raw.items() for text in texts)


@cache
def names() -> dict[str, tuple[str, ...]]:
    """Return the shipped names by the kind of place they fill."""
    raw = tomllib.loads((_HERE / "names.toml").read_text("utf-8"))
    return {kind: tuple(values) for kind, values in raw.items()}


def _start(frame: Frame, kind: str) -> int:
    """Where in the list of names a sentence begins: spread by its hash, the same everywhere."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{frame.text}".encode()).digest()[:4], "big")


def _money(billions: str, style: int) -> str:
    amount = float(billions)
    plain = f"{amount:g}"
    return (f"${plain} billion", f"${plain}bn", f"${amount * 1000:,.0f} million", f"USD {plain} billion")[style]


def _number(kind: str, value: str, style: int) -> str:
    if kind == "money":
        return _money(value, style)
    if kind == "pct":
        return (f"{value}%", f"{value} percent", f"{value} per cent", f"{value} pct")[style]
    return (f"{int(value):,}", value, f"{int(value):,}", value)[style]


def filled(frame: Frame, chosen: dict[str, str] | None = None, style: int = 0) -> str:
    """Fill a sentence: from `chosen`, else from the names by the sentence's own hash; numbers in one of four styles."""

    def place(match: re.Match[str]) -> str:
        kind = match[1]
        if match[2]:
            return _number(kind, match[2], style)
        if chosen and kind in chosen:
            return chosen[kind]
        known = names()[kind]
        return known[_start(frame, kind) % len(known)]

    text = _PLACE.sub(place, frame.text)
    return text[0].upper() + text[1:]


def _swaps(frame: Frame, kind: str) -> list[dict[str, str]]:
    known = names()[kind]
    at = _start(frame, kind)
    step = 1 + at % (len(known) - 1) // VARIANTS
    return [{kind: known[(at + step * (1 + number)) % len(known)]} for number in range(VARIANTS)]


def _spelled(frame: Frame, text: str, kind: str) -> list[str]:
    """The variants that leave the words alone."""
    if kind == "case":
        return [text.lower(), text.upper(), text.title()]
    if kind == "punctuation":
        return [text + ".", text.replace("'", "’").replace(" ", "  "), f"“{text}”", text.replace(",", " –")]
    if kind == "number_format":
        return [filled(frame, style=style) for style in (1, 2, 3)] if frame.places & {"money", "pct", "count"} else []
    if kind == "source_tag":
        tags, at = names()["source"], _start(frame, kind)
        return [tags[(at + 3 * number) % len(tags)].format(text) for number in range(VARIANTS)]
    company = names()["company"][_start(frame, "company") % len(names()["company"])]
    if "company" not in frame.places:
        return []
    known, at = names()["ticker"], _start(frame, "ticker")
    ticker, another = known[at % len(known)], known[(at + 3) % len(known)]
    forms = (f"{company} (NYSE: {ticker})", f"{company} ${another}", f"{company} ({another}.L)")
    return [text.replace(company, form, 1) for form in forms]


NAMES = ("company", "person", "country")
SPELLINGS = ("ticker", "case", "punctuation", "number_format", "source_tag")
KINDS = (*NAMES, "company_entity", *SPELLINGS)
"""Every kind of swap; `company_entity` asks for the sentiment towards the company that is swapped."""


def pairs(among: Sequence[Frame], kind: str) -> Iterator[Pair]:
    """Yield the pairs of one kind of swap; a sentence without a place for it has none."""
    for frame in among:
        text = filled(frame)
        if kind in SPELLINGS:
            for variant in _spelled(frame, text, kind):
                if variant != text:
                    yield Pair(kind, text, variant)
            continue
        place = kind.removesuffix("_entity")
        if place not in frame.places:
            continue
        known = names()[place]
        own = known[_start(frame, place) % len(known)]
        for swap in _swaps(frame, place):
            towards = (own, swap[place]) if kind.endswith("_entity") else (None, None)
            if swap[place] != own:
                yield Pair(kind, text, filled(frame, swap), *towards)
