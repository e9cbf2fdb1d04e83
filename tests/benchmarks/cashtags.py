"""Cashtag tweets with their cashtags removed: how often the name alone finds the ticker's company."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.link.gazetteer import Entity
from pipeline.link.linker import Linker
from pipeline.link.names import core_name, fold, parse_name

WHEN = date(2020, 1, 15)  # the tweets are from late 2019 and early 2020: whose code it was then
_CASHTAG = re.compile(r"\$([A-Z]{1,5}(?:\.[A-Z])?)(?![\w$])")
_CODE = re.compile(r"\((?:[A-Za-z]+\s?:\s?)?\$?[A-Z]{1,5}(?:\.[A-Z])?\)")
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Found:
    """One cashtag of one tweet: whether the text still names the company, and whether the linker found it."""

    text: str
    entity_id: str
    named: bool
    found: bool


def tweets(path: Path) -> list[str]:
    """The texts of a training file with a column `text`."""
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def without_codes(text: str) -> str:
    """The text without cashtags, codes in brackets and links."""
    return re.sub(r"\s+", " ", _LINK.sub(" ", _CODE.sub(" ", _CASHTAG.sub(" ", text)))).strip(" -:")


def names_company(text: str, entity: Entity) -> bool:
    """Whether `text` has the first word of the company's name, of three letters or more, anywhere and in any case.

    The yardstick knows nothing of the linker's aliases, reasons and capitals; of former names it takes the first
    word too, since a ticker's company of 2020 may be called otherwise today.
    """
    words = set(re.findall(r"[^\W_]+", fold(text)))
    former = (parse_name(alias) for alias in entity.aliases)
    names = [entity.name, *(alias.text for alias in former if alias.until)]
    firsts = (re.findall(r"[^\W_]+", fold(core_name(name)))[:1] for name in names)
    return any(first and len(first[0]) > 2 and first[0] in words for first in firsts)


def measure(linker: Linker, texts: Iterable[str]) -> Iterator[Found]:
    """Every cashtag of every text whose code the gazetteer knows."""
    holders = _holders(linker.gazetteer.entities.values())
    for text in texts:
        codes = {holders[code] for code in _CASHTAG.findall(text) if code in holders}
        if not codes:
            continue
        plain = without_codes(text)
        found = {m.entity_id for m in linker.link(plain, when=WHEN).mentions}
        for entity_id in sorted(codes):
            named = names_company(plain, linker.gazetteer.entities[entity_id])
            yield Found(plain, entity_id, named, entity_id in found)


def counts(rows: Iterable[Found]) -> Counter[tuple[bool, bool]]:
    """How many are (named, found)."""
    return Counter((row.named, row.found) for row in rows)


def _holders(entities: Iterable[Entity]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entity in entities:
        for ticker in map(parse_name, entity.tickers):
            if (ticker.since is None or ticker.since <= WHEN) and (ticker.until is None or ticker.until > WHEN):
                found.setdefault(ticker.text, entity.entity_id)
    return found
