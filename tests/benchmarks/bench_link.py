"""Headlines linked per second of one core with the full gazetteer, and what loading costs; processor time."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from pipeline.link import open_linker

N = 20_000
LINK_LIMIT = 20_000
LOAD_LIMIT_MB = 100
# As in the archive we measure on: a name of the gazetteer in one headline of three, a theme in one of ten.
_NAMES = ["Boeing", "Apple", "HSBC", "Tolva", "Orrin Foods", "Brightwater", "Holt", "Minister", "Growers", "Tenants"]
_DOINGS = ["shares fall", "raises forecast", "names new finance chief", "plans tower", "to hire 900 graduates",
           "beats estimates", "opens plant", "praises talks", "recalls vans", "meets rival"]  # fmt: skip
_TAILS = ["after weak quarter", "amid rate fears", "as demand cools", "in Leeds", "despite strike", "on Tuesday",
          "over 5% drop", "as rivals merge", "in $2bn deal", "ahead of vote"]  # fmt: skip
# In a process of its own: what the linker adds to a Python that has imported it.
_LOAD = """
import time
import psutil
from pipeline.link import open_linker
before, started = psutil.Process().memory_info().rss, time.process_time()
linker = open_linker()
print(time.process_time() - started, (psutil.Process().memory_info().rss - before) / 2**20)
"""


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


def load_cost() -> tuple[float, float]:
    """Seconds and MB that opening the linker takes."""
    done = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> list[tuple[str, float, str, str | None, bool | None]]:
    """The rate and the cost of loading against their limits."""
    linked = link_rate(headlines(N))
    seconds, megabytes = load_cost()
    return [
        ("link", linked, "headlines/s/core", f">= {LINK_LIMIT:,}", linked >= LINK_LIMIT),
        ("open the linker", seconds, "s", None, None),
        ("the linker in memory", megabytes, "MB", f"<= {LOAD_LIMIT_MB}", megabytes <= LOAD_LIMIT_MB),
    ]
