"""Headlines linked and folded per second of one core, with the full gazetteer; time is processor time."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

from pipeline.fold.decide import Article, decide
from pipeline.fold.text import gist
from pipeline.fold.window import Window
from pipeline.link import open_linker

N = 20_000
LINK_LIMIT, FOLD_LIMIT = 20_000, 2_000
# As in the archive we measure on: a name of the gazetteer in one headline of three, a theme in one of ten.
_NAMES = ["Boeing", "Apple", "HSBC", "Tolva", "Orrin Foods", "Brightwater", "Holt", "Minister", "Growers", "Tenants"]
_DOINGS = ["shares fall", "raises forecast", "names new finance chief", "plans tower", "to hire 900 graduates",
           "beats estimates", "opens plant", "praises talks", "recalls vans", "meets rival"]  # fmt: skip
_TAILS = ["after weak quarter", "amid rate fears", "as demand cools", "in Leeds", "despite strike", "on Tuesday",
          "over 5% drop", "as rivals merge", "in $2bn deal", "ahead of vote"]  # fmt: skip


def headlines(n: int) -> list[str]:
    """`n` headlines of about ten words from a vocabulary of four thousand, one in ten a copy of an earlier one."""
    dice = random.Random(7)
    words = [
        "".join(dice.choice(p) for p in ("bdfghklmnprstv", "aeiou", "lmnrst", "aeiou", "dklnrst")) for _ in range(4000)
    ]
    texts: list[str] = []
    for i in range(n):
        if texts and dice.random() < 0.1:
            texts.append(texts[dice.randrange(max(0, i - 500), i)])
        else:
            filler = " ".join(dice.choices(words, k=4))
            texts.append(f"{dice.choice(_NAMES)} {dice.choice(_DOINGS)} {dice.choice(_TAILS)}, says {filler}")
    return texts


def link_rate(texts: list[str]) -> float:
    """Headlines a second through the linker, themes included."""
    linker = open_linker()
    started = time.process_time()
    for text in texts:
        linker.link(text)
    return len(texts) / (time.process_time() - started)


def fold_rate(texts: list[str]) -> float:
    """Headlines a second through gist, window and decision, at 500 headlines a day."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    started = time.process_time()
    articles = []
    for i, text in enumerate(texts):
        when = began + timedelta(minutes=3 * i)
        articles.append(Article(f"{i:08d}", "news", gist(text, ""), frozenset(), when, when))
    window = Window()
    window.prepare(articles)
    for article in articles:
        window.add(article, decide(article, window.candidates(article)).story_id)
    return len(texts) / (time.process_time() - started)


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """Both rates against their limits."""
    texts = headlines(N)
    linked, folded = link_rate(texts), fold_rate(texts)
    return [
        ("link", linked, "headlines/s/core", f">= {LINK_LIMIT:,}", linked >= LINK_LIMIT),
        ("fold", folded, "headlines/s/core", f">= {FOLD_LIMIT:,}", folded >= FOLD_LIMIT),
    ]
