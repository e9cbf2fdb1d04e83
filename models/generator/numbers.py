"""Numbers of a text: amounts, percentages, counts and prices in one style, drawn in ordered triples lo < mid < hi."""

import math
from dataclasses import dataclass
from random import Random

# (below a billion, from a billion, the number that makes a billion, smallest, largest), numbers in the first unit.
_AMOUNTS: tuple[tuple[str, str, float, float, float], ...] = (
    ("${} million", "${} billion", 1000, 1, 40000),
    ("${}m", "${}bn", 1000, 1, 40000),
    ("${} mln", "${} bln", 1000, 1, 40000),
    ("${}M", "${}B", 1000, 1, 40000),
    ("${} mn", "${} bn", 1000, 1, 9000),
    ("US${} million", "US${} billion", 1000, 1, 9000),
    ("USD {} mn", "USD {} bn", 1000, 1, 9000),
    ("EUR {} mn", "EUR {} bn", 1000, 0.4, 3000),
    ("EUR {} m", "EUR {} bn", 1000, 0.4, 3000),
    ("EUR{}mn", "EUR{}bn", 1000, 0.4, 900),
    ("EUR {} million", "EUR {} billion", 1000, 0.4, 9000),
    ("{} mln euros", "{} bln euros", 1000, 0.4, 9000),
    ("{} million euros", "{} billion euros", 1000, 0.4, 9000),
    ("€{}m", "€{}bn", 1000, 0.4, 9000),
    ("€{} million", "€{} billion", 1000, 0.4, 9000),
    ("£{}m", "£{}bn", 1000, 0.4, 9000),
    ("£{} million", "£{} billion", 1000, 0.4, 9000),
    ("{} mln stg", "{} bln stg", 1000, 2, 5000),
    ("Rs {} crore", "", math.inf, 3, 30000),
    ("Rs {} cr", "", math.inf, 3, 30000),
    ("Rs.{} crore", "", math.inf, 3, 30000),
    ("₹{} crore", "", math.inf, 3, 30000),
    ("Rs {} lakh", "", math.inf, 12, 900),
    ("SEK {} mn", "SEK {} bn", 1000, 2, 9000),
    ("SEK {} million", "SEK {} billion", 1000, 2, 9000),
    ("NOK {} million", "NOK {} billion", 1000, 2, 9000),
    ("DKK {} million", "DKK {} billion", 1000, 2, 9000),
    ("{} mln crowns", "{} bln crowns", 1000, 2, 9000),
    ("CHF {} million", "CHF {} billion", 1000, 2, 9000),
    ("C${} million", "C${} billion", 1000, 1, 9000),
    ("A${} million", "A${} billion", 1000, 1, 9000),
    ("HK${} million", "HK${} billion", 1000, 5, 9000),
    ("{} billion yen", "", math.inf, 1, 900),
    ("{} bln yen", "", math.inf, 1, 900),
    ("¥{} billion", "", math.inf, 1, 900),
    ("{} bln won", "", math.inf, 5, 900),
    ("{} bln yuan", "", math.inf, 1, 90),
    ("RM{} million", "RM{} billion", 1000, 2, 3000),
    ("R{} million", "R{} billion", 1000, 2, 9000),
    ("{} mln", "{} bln", 1000, 0.5, 9000),
)
# By currency: how a share's price and earnings per share are written, smallest, largest, decimals.
_Form = tuple[str, float, float, int]
_DOLLAR: tuple[_Form, ...] = (("${}", 2, 400, 0), ("${}", 0.4, 200, 2))
_SHARES: dict[str, tuple[_Form, ...]] = {
    "$": _DOLLAR,
    "EUR": (("€{}", 1, 200, 2), ("{} euros", 1, 200, 2), ("EUR {}", 1, 200, 2)),
    "GBP": (("£{}", 1, 40, 2), ("{}p", 20, 900, 0), ("{} pence", 20, 900, 0)),
    "Rs": (("Rs {}", 20, 4000, 0), ("Rs.{}", 20, 900, 0), ("₹{}", 20, 4000, 0)),
    "SEK": (("SEK {}", 20, 400, 0), ("{} crowns", 20, 400, 0)),
    "NOK": (("NOK {}", 20, 400, 0), ("{} crowns", 20, 400, 1)),
    "DKK": (("DKK {}", 20, 900, 0),),
    "CHF": (("CHF {}", 5, 300, 2),),
    "yen": (("{} yen", 200, 9000, 0), ("¥{}", 200, 9000, 0)),
    "C$": (("C${}", 2, 90, 2),),
    "A$": (("A${}", 2, 90, 2),),
}
_EARNED: dict[str, tuple[_Form, ...]] = {
    "$": (("${}", 0.06, 4, 2), ("${}", 0.06, 4, 2), ("{} cents", 3, 95, 0), ("{}c", 3, 95, 0)),
    "EUR": (("EUR {}", 0.04, 3, 2), ("€{}", 0.04, 3, 2), ("{} euros", 0.1, 4, 2)),
    "GBP": (("{}p", 2, 90, 1), ("{} pence", 2, 90, 1)),
    "Rs": (("Rs {}", 0.6, 60, 2), ("₹{}", 0.6, 60, 1)),
    "SEK": (("SEK {}", 0.2, 9, 2), ("{} crowns", 0.2, 9, 1)),
    "NOK": (("NOK {}", 0.2, 9, 2),),
    "DKK": (("DKK {}", 0.5, 20, 2),),
    "CHF": (("CHF {}", 0.2, 20, 2),),
    "yen": (("{} yen", 8, 400, 1),),
    "C$": (("C${}", 0.06, 3, 2),),
    "A$": (("{} cents", 3, 95, 1),),
}
_MARKS = (
    ("Rs", "Rs"), ("₹", "Rs"), ("EUR", "EUR"), ("€", "EUR"), ("euro", "EUR"), ("£", "GBP"), ("stg", "GBP"),
    ("SEK", "SEK"), ("crowns", "SEK"), ("NOK", "NOK"), ("DKK", "DKK"), ("CHF", "CHF"), ("yen", "yen"), ("¥", "yen"),
    ("C$", "C$"), ("A$", "A$"),
)  # fmt: skip
_PERCENT = ("{}%", "{}%", "{}%", "{}%", "{} pct", "{} percent", "{} per cent", "{} %")


@dataclass(frozen=True)
class Figure:
    """A number as written and as meant."""

    text: str
    value: float


@dataclass(frozen=True)
class Style:
    """How one text writes its numbers.

    `amount`: index of the form of amounts; `share`, `earned`: forms in the same currency; `size`: where between small
    and large the amounts of this text lie (0–1).
    """

    amount: int
    share: _Form
    earned: _Form
    percent: str
    decimals: int
    dots: bool
    size: float

    @classmethod
    def draw(cls, rng: Random) -> "Style":
        """Return a style for one text."""
        amount = rng.randrange(len(_AMOUNTS))
        currency = next((key for mark, key in _MARKS if mark in _AMOUNTS[amount][0]), "$")
        return cls(
            amount=amount,
            share=rng.choice(_SHARES[currency]),
            earned=rng.choice(_EARNED[currency]),
            percent=rng.choice(_PERCENT),
            decimals=rng.choice((0, 1, 1, 1, 2)),
            dots=rng.random() < 0.85,
            size=rng.random(),
        )


def _between(low: float, high: float, rng: Random) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _triple(low: float, high: float, rng: Random) -> tuple[float, float, float]:
    """Three numbers, each clearly above the one before: by four hundredths at least, mostly by a fifth or so."""
    lo = _between(low, high, rng)
    first, second = (1.04 + rng.random() ** 2 * rng.choice((0.2, 0.5, 1.2)) for _ in range(2))
    return lo, lo * first, lo * first * second


def _written(value: float, decimals: int, dots: bool = True) -> str:
    return f"{value:,.{decimals}f}" if dots else f"{value:.{decimals}f}"


def _decimals(value: float, usual: int) -> int:
    return 2 if value < 0.1 else max(usual, 1) if value < 9 else usual


def amounts(style: Style, rng: Random) -> tuple[Figure, ...]:
    """Return three amounts of money, rising, and a small one beside them; values in the style's smaller unit."""
    small, big, billion, low, high = _AMOUNTS[style.amount]
    # All amounts of a text are of one order: profit and sales of one company.
    usual = low * (high / 4 / low) ** style.size
    raw = _triple(usual, 4 * usual, rng)
    gap = max(raw[0] * rng.uniform(0.02, 0.12), 0.01)
    decimals = 1 if raw[0] < 100 or rng.random() < 0.2 else 0
    decimals = 2 if raw[0] < 3 else decimals
    figures = []
    for value in (*raw, gap):
        if value < billion:
            written = _written(value, _decimals(value, decimals), style.dots)
            figures.append(Figure(small.format(written), float(written.replace(",", ""))))
        else:
            written = _written(value / billion, 2)
            figures.append(Figure(big.format(written), float(written.replace(",", "")) * billion))
    return tuple(figures)


def percentages(style: Style, rng: Random) -> tuple[Figure, ...]:
    """Return three percentages, rising, a third of a point apart at least."""
    lo = _between(0.7, 34, rng)
    gap = rng.choice((0.35, 0.8, 2.0)) if style.decimals else 1.0
    values = [lo, lo + gap * rng.uniform(1, 3), lo + gap * rng.uniform(4, 8)]
    return _share_of(values, style)


def _share_of(values: list[float], style: Style) -> tuple[Figure, ...]:
    decimals = 1 if style.decimals == 0 and values[0] < 1 else style.decimals
    written = [f"{value:.{decimals}f}" for value in values]
    figures = [Figure(style.percent.format(w), float(w)) for w in written]
    return tuple(figures)


def levels(style: Style, rng: Random) -> tuple[Figure, ...]:
    """Return three rates of use, such as load factors, rising, in percent."""
    lo = rng.uniform(48, 80)
    return _share_of([lo, lo + rng.uniform(1.2, 5), lo + rng.uniform(6.5, 15)], style)


def moves(style: Style, rng: Random, largest: float) -> Figure:
    """Return a price move in percent, most of them small."""
    value = _between(largest / 14, largest, rng)
    return _share_of([value, value, value], style)[0]


def counts(rng: Random) -> tuple[Figure, ...]:
    """Return three counts, rising, two in three of them round."""
    raw = _triple(6, rng.choice((90, 900, 60000)), rng)
    digits = 2 if rng.random() < 0.66 else 6
    rounded = [round(value, digits - len(str(int(value)))) for value in raw]
    whole = [int(rounded[0]), 0, 0]
    whole[1] = max(int(rounded[1]), whole[0] + 1)
    whole[2] = max(int(rounded[2]), whole[1] + 1)
    figures = [Figure(f"{value:,}", float(value)) for value in whole]
    return tuple(figures)


def _per_share(table: _Form, rng: Random, cut: bool) -> tuple[Figure, ...]:
    form, low, high, decimals = table
    step = 10.0**-decimals
    lo, mid, hi = (round(value / step) * step for value in _triple(low, high, rng))
    mid = max(mid, lo + step)
    hi = max(hi, mid + step)
    gap = max(step, round(lo * rng.uniform(0.02, 0.15) / step) * step)
    written = [f"{value:,.{decimals}f}" for value in (lo, mid, hi, gap)]
    return tuple(Figure(form.format(w.removeprefix("0") if cut else w), float(w.replace(",", ""))) for w in written)


def prices(style: Style, rng: Random) -> tuple[Figure, ...]:
    """Return three share prices, rising, and a small difference."""
    return _per_share(style.share, rng, cut=False)


def earned(style: Style, rng: Random) -> tuple[Figure, ...]:
    """Return three earnings or dividends per share, rising, and a small difference."""
    return _per_share(style.earned, rng, cut=not style.dots)
