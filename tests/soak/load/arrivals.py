"""What the feeds of the load publish and when: Poisson by the hour of the week, and bursts about one company. Pure."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline import link

__all__ = ["HOSTS", "Entry", "Load", "arrivals"]

HOSTS = 30
_BURST_S = 5.0
_IN_BURSTS = 0.25  # of all articles
_COPIED = 0.2  # what wires send and others print as it is
_REMEMBERED = 400
# A day's news by the hour (UTC): little at night, most while Europe and America both are at work.
_HOURS = np.array([3, 3, 3, 3, 4, 6, 9, 12, 13, 13, 13, 13, 14, 16, 17, 16, 15, 13, 11, 10, 9, 7, 5, 4]) / 9.67
_WEEKEND = 0.35
_DEEDS = (
    "files for bankruptcy", "cuts its outlook", "faces a fraud probe", "defaults on a bond", "closes a plant",
    "recalls a product", "is fined by regulators", "posts a record profit", "beats forecasts", "wins a contract",
    "raises its dividend", "names a new chair", "opens a depot", "holds its annual meeting", "sells a unit",
    "plans an offering", "appoints auditors", "moves its head office",
)  # fmt: skip
_TAILS = ("after talks with", "as told by", "in a deal with", "says a letter from", "in a dispute with", "advised by")
_SYLLABLES = ("bdfghklmnprstv", "aeiou", "lmnrst", "aeiou", "dklnrst")


@dataclass(frozen=True)
class Load:
    """How much comes: `rate` articles per second on average, bursts included, which run at `burst` per second.

    `hour` is the hour of the week (0: Monday, midnight UTC) at which it begins.
    """

    seconds: float
    rate: float = 12.0
    burst: float = 200.0
    feeds: int = 300
    seed: int = 1
    hour: int = 13


@dataclass(frozen=True)
class Entry:
    """The entry `number` of a feed, which appears `at` seconds after the beginning."""

    at: float
    feed: int
    number: int
    title: str


def arrivals(load: Load) -> list[Entry]:
    """All entries in the order in which they appear."""
    chance = np.random.default_rng(load.seed)
    total = load.rate * load.seconds
    lasts = min(_BURST_S, _IN_BURSTS * total / load.burst)
    bursts = np.sort(chance.uniform(0, load.seconds - lasts, round(_IN_BURSTS * total / (load.burst * lasts))))
    told = _quiet(chance, load, total - len(bursts) * lasts * load.burst)
    # The number of the burst that it is part of; -1 for everyday news.
    when = [(at, -1) for at in told]
    for number, start in enumerate(bursts):
        when += [(start + at, number) for at in chance.uniform(0, lasts, chance.poisson(load.burst * lasts))]
    popularity = 1 / (np.arange(load.feeds) + 20)
    feeds = chance.choice(load.feeds, len(when), p=popularity / popularity.sum())
    return list(_entries(sorted(when), feeds.tolist(), _teller(chance)))


def _quiet(chance: np.random.Generator, load: Load, total: float) -> list[float]:
    """When everyday news appears: its rate changes from minute to minute with the hour of the week."""
    starts = np.arange(0, load.seconds, 60.0)
    hours = (load.hour + starts / 3600).astype(int) % 168
    lengths = np.minimum(60.0, load.seconds - starts)
    weights = _HOURS[hours % 24] * np.where(hours >= 120, _WEEKEND, 1.0) * lengths
    counts = chance.poisson(max(total, 0.0) * weights / weights.sum())
    return [
        float(at)
        for start, length, n in zip(starts, lengths, counts, strict=True)
        for at in chance.uniform(start, start + length, n)
    ]


def _entries(when: list[tuple[float, int]], feeds: list[int], tell: Callable[[int], str]) -> Iterator[Entry]:
    numbers: dict[int, int] = {}
    # Two entries of one publisher with one title would be one article, and rightly.
    printed: set[tuple[int, str]] = set()
    for (at, burst), feed in zip(when, feeds, strict=True):
        title = tell(burst)
        while (feed % HOSTS, title) in printed:
            title = tell(burst)
        printed.add((feed % HOSTS, title))
        numbers[feed] = numbers.get(feed, -1) + 1
        yield Entry(float(at), feed, numbers[feed], title)


def _teller(chance: np.random.Generator) -> Callable[[int], str]:
    companies = _companies()
    names = ["".join(chance.choice(list(part)) for part in _SYLLABLES).title() for _ in range(4000)]
    recent: dict[int, list[str]] = {}
    events: dict[int, tuple[str, str]] = {}

    def event() -> tuple[str, str]:
        return companies[chance.integers(len(companies))], _DEEDS[chance.integers(len(_DEEDS))]

    def tell(burst: int) -> str:
        """A headline; `burst` names the event that it is about, -1 for any. Some are copies of one of late."""
        known = recent.setdefault(burst, [])
        if known and chance.random() < _COPIED:
            return known[chance.integers(len(known))]
        company, deed = event() if burst < 0 else events.setdefault(burst, event())
        who = " ".join(names[i] for i in chance.integers(len(names), size=3))
        known.append(f"{company} {deed} {_TAILS[chance.integers(len(_TAILS))]} {who}")
        del known[:-_REMEMBERED]
        return known[-1]

    return tell


def _companies() -> list[str]:
    """Names that `link` knows."""
    with (Path(link.__file__).parent / "gazetteer" / "companies_own.csv").open(encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]
