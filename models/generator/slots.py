"""Filling the slots of one text: names, words and numbers, each slot once, no two names alike."""

import re
from collections.abc import Callable
from random import Random

from models.generator import numbers
from models.generator.lexicon import Lexicon
from models.generator.numbers import Figure, Style

_NAME = re.compile(r"([A-Za-z]+?(?:_[a-z]+)?)(\d?)")
COMPANIES = ("C", "D", "F", "G")
NAMED = {
    "U": "units", "B": "brokers", "R": "agencies", "A": "authorities", "P": "people", "K": "countries", "S": "sectors",
    "M": "commodities", "X": "indices", "Y": "currencies", "Z": "currencies",
    "M_gold": "precious", "M_metal": "metals", "M_oil": "oils", "M_gas": "gases", "M_crop": "crops",
    "cb": "central_banks",
}  # fmt: skip
WORDS = {
    "city": "cities", "product": "products", "metric": "metrics", "cost": "costs", "region": "regions",
    "division": "divisions",
}  # fmt: skip
TRIPLES: dict[str, tuple[str, int]] = {
    "lo": ("amounts", 0), "mid": ("amounts", 1), "hi": ("amounts", 2), "amt": ("one amount", 1), "gap": ("amounts", 3),
    "plo": ("percentages", 0), "pmid": ("percentages", 1), "phi": ("percentages", 2), "pct": ("one percentage", 1),
    "vlo": ("levels", 0), "vmid": ("levels", 1), "vhi": ("levels", 2),
    "nlo": ("counts", 0), "nmid": ("counts", 1), "nhi": ("counts", 2), "n": ("one count", 1),
    "elo": ("earned", 0), "emid": ("earned", 1), "ehi": ("earned", 2), "eps": ("one earned", 1),
    "egap": ("earned", 3),
    "price_lo": ("prices", 0), "price_mid": ("prices", 1), "price_hi": ("prices", 2), "price": ("one price", 1),
}  # fmt: skip
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_FEW = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NTH = ("second", "third", "fourth", "fifth", "sixth", "seventh")
_QUARTERS = ("first", "second", "third", "fourth")
_PERIODS = (
    "the {nth} quarter", "the {nth} quarter", "the {nth} quarter", "January-June", "January-September", "January-March",
    "the first half", "the first half of {year}", "the second half", "fiscal {year}", "the 12 months to March",
    "the first nine months of {year}", "the quarter ended June 30", "Q{q}", "Q{q} {year}", "the three months to May",
    "the six months to December", "the July-September quarter", "{year}", "the March quarter", "the full year",
    "the {nth} quarter of {year}", "the year to September",
)  # fmt: skip


def _split(name: str) -> tuple[str, str] | None:
    match = _NAME.fullmatch(name)
    return (match[1], match[2]) if match else None


def is_slot(name: str) -> bool:
    """Tell whether a template may use `{name}`."""
    parts = _split(name)
    return parts is not None and (
        parts[0] in (*COMPANIES, *NAMED, *WORDS, *TRIPLES, *_MADE) or (not parts[1] and _tag(name) is not None)
    )


def is_name(name: str) -> bool:
    """Tell whether the slot holds something that can be asked for: a name, not a number or a word."""
    parts = _split(name)
    return parts is not None and (parts[0] in (*COMPANIES, *NAMED) or _tag(name) is not None)


def _tag(name: str) -> str | None:
    """The company slot a cashtag (`tC`) or ticker (`kC`) belongs to."""
    return name[1] if len(name) == 2 and name[0] in "tk" and name[1] in COMPANIES else None


class Filler:
    """The slots of one text. The same slot keeps its value; a digit after a name (`hi2`, `P2`) makes another one.

    `figures`: the numbers drawn, by slot.
    """

    def __init__(self, words: Lexicon, rng: Random, real_share: float = 0.22) -> None:
        self.words = words
        self.rng = rng
        self.real_share = real_share
        self.style = Style.draw(rng)
        self.figures: dict[str, Figure] = {}
        self._values: dict[str, str] = {}
        self._triples: dict[tuple[str, str], tuple[Figure, ...]] = {}
        self._taken: list[str] = []

    def value(self, name: str) -> str:
        """Return what stands in the slot; `name` must be a slot (`is_slot`)."""
        if name not in self._values:
            self._values[name] = self._draw(name)
        return self._values[name]

    def _draw(self, name: str) -> str:
        tagged = _tag(name)
        if tagged is not None:
            return ("$" if name[0] == "t" else "") + self.words.ticker(self.value(tagged))
        base, index = _split(name) or (name, "")
        if base in COMPANIES:
            return self._distinct(self._company)
        if base in NAMED:
            return self._distinct(lambda: self._word(NAMED[base]))
        if base in WORDS:
            return self._distinct(lambda: self._word(WORDS[base]))
        if base in TRIPLES:
            return self._number(base, index).text
        return _MADE[base](self, index)

    def _word(self, key: str) -> str:
        return self.rng.choice(self.words.words[key])

    def _company(self) -> str:
        pool = self.words.real if self.rng.random() < self.real_share else self.words.invented
        return self.rng.choice(pool)

    def _distinct(self, draw: Callable[[], str]) -> str:
        """A name none of whose words begins another name of the text, so that a surface means one thing."""
        found = draw()
        for _ in range(50):
            if not any(_alike(found, other) for other in self._taken):
                break
            found = draw()
        self._taken.append(found)
        return found

    def _number(self, base: str, index: str) -> Figure:
        kind, place = TRIPLES[base]
        if (kind, index) not in self._triples:
            self._triples[kind, index] = self._three(kind)
        figure = self._triples[kind, index][place]
        self.figures[base + index] = figure
        return figure

    def _three(self, kind: str) -> tuple[Figure, ...]:
        match kind.split()[-1]:
            case "amounts" | "amount":
                return numbers.amounts(self.style, self.rng)
            case "percentages" | "percentage":
                return numbers.percentages(self.style, self.rng)
            case "levels":
                return numbers.levels(self.style, self.rng)
            case "counts" | "count":
                return numbers.counts(self.rng)
            case "earned":
                return numbers.earned(self.style, self.rng)
            case _:
                return numbers.prices(self.style, self.rng)

    def quarter(self, index: str) -> str:
        """A quarter before a noun: "Q3", "third-quarter", "3Q"."""
        number = int(self.value("q" + index)[1]) - 1
        return self.rng.choice((f"Q{number + 1}", f"{_QUARTERS[number]}-quarter", f"{_QUARTERS[number]}-quarter",
                                f"{number + 1}Q", "quarterly", "full-year", "half-year"))  # fmt: skip

    def period(self, index: str) -> str:
        """A period after "in": "the third quarter", "January-June"."""
        form = self.rng.choice(_PERIODS)
        return form.format(nth=self.rng.choice(_QUARTERS), q=self.rng.randint(1, 4), year=self.value("year" + index))

    def date(self) -> str:
        """A day of the year: "4 May", "May 4"."""
        month, day = self.rng.choice(_MONTHS), self.rng.randint(1, 28)
        return self.rng.choice((f"{day} {month}", f"{month} {day}", f"{month[:3]} {day}"))

    def points(self) -> str:
        """Basis points with their unit."""
        number = self.rng.choice((10, 20, 25, 25, 30, 40, 50, 50, 60, 75, 80, 100, 120))
        return f"{number} {self.rng.choice(('basis points', 'basis points', 'bps', 'bp'))}"


def _alike(name: str, other: str) -> bool:
    one, two = name.lower(), other.lower()
    return one in two or two in one or one.split()[0] == two.split()[0]


_MADE: dict[str, Callable[[Filler, str], str]] = {
    "q": lambda f, i: f"Q{f.rng.randint(1, 4)}",
    "qa": lambda f, i: f.quarter(i),
    "per": lambda f, i: f.period(i),
    "year": lambda f, i: str(f.rng.randint(2004, 2027)),
    "pyear": lambda f, i: str(int(f.value("year" + i)) - 1),
    "nyear": lambda f, i: str(int(f.value("year" + i)) + 1),
    "month": lambda f, i: f.rng.choice(_MONTHS),
    "day": lambda f, i: f.rng.choice(_DAYS),
    "date": lambda f, i: f.date(),
    "few": lambda f, i: f.rng.choice(_FEW),
    "nth": lambda f, i: f.rng.choice(_NTH),
    "bps": lambda f, i: f.points(),
    "mv": lambda f, i: numbers.moves(f.style, f.rng, 13).text,
    "mvs": lambda f, i: numbers.moves(f.style, f.rng, 2.6).text,
}
