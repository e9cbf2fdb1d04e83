"""Pairs of two events in the register of newspapers, from sentences written by hand for training: for choosing only.

Each of those sentences tells an event of its own, so any two are two stories. A real stream is full of such pairs about
one company or one country, and the labelled pairs have few of them. The adapter learns from one half of the sentences,
the weights from the other: they must see the encoder as it is on texts it does not know.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from models.generator import written
from models.generator.lexicon import lexicon
from pipeline.fold.compare import compare, left_open
from pipeline.fold.neighbours import neighbours
from pipeline.fold.records import Article, Candidate
from pipeline.fold.text import gist
from pipeline.link import Linker

__all__ = ["FOR_ADAPTER", "FOR_WEIGHTS", "about_one_company", "of_one_day"]

FOR_ADAPTER, FOR_WEIGHTS = 0, 1

_NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
_A_DAY = 400
_SHUFFLES = 12


def about_one_company(half: int, dice: random.Random) -> Iterator[tuple[Article, Article]]:
    """Pairs (later, earlier) that words leave open: sentences of one topic, their companies under one name."""
    lines = [line for line in _lines(half) if line.entity]
    for _ in range(_SHUFFLES):
        dice.shuffle(lines)
        lines.sort(key=lambda line: line.topic)
        for one, other in pairwise(lines):
            if one.topic == other.topic and one.text != other.text and one.entity != other.entity:
                name = dice.choice(lexicon().invented)
                pair = _named(one, name, dice.uniform(0, 23)), _named(other, name, 0.0)
                if _open(*pair):
                    yield pair


def of_one_day(half: int, linker: Linker, dice: random.Random) -> Iterator[tuple[Article, Article]]:
    """Pairs (later, earlier) that words leave open: sentences as they stand, many a day, found as `fold` finds them."""
    companies = frozenset(e.entity_id for e in linker.gazetteer.entities.values() if e.kind == "company")
    texts = list(dict.fromkeys(line.text for line in _lines(half)))
    dice.shuffle(texts)
    articles = []
    for number, text in enumerate(texts):
        entities = frozenset(mention.entity_id for mention in linker.link(text).mentions if mention.entity_id)
        when = _NOON + timedelta(days=number / _A_DAY)
        articles.append(Article(text, "news", gist(text, ""), entities & companies, when, when, entities))
    found = neighbours([], articles, kin=True)
    for later, alike, kin in zip(articles, found.alike, found.kin, strict=True):
        for earlier in (articles[at] for at in (*alike, *kin)):
            if later.happened_at - earlier.happened_at < timedelta(days=1) and _open(later, earlier):
                yield later, earlier


def _lines(half: int) -> list[written.Line]:
    return [line for line in written.load() if zlib.crc32(line.text.encode()) % 2 == half]


def _named(line: written.Line, name: str, hours: float) -> Article:
    text = re.sub(rf"(?<!\w){re.escape(line.entity)}(?!\w)", lambda _: name, line.text)
    when = _NOON + timedelta(hours=hours)
    known = frozenset({f"co:{name}"})
    return Article(text, "news", gist(text, ""), known, when, when, known)


def _open(later: Article, earlier: Article) -> bool:
    reason, _ = compare(later, Candidate(earlier, "", earlier.companies))
    return left_open(later, earlier, reason)
