"""The figures of a headline, written one way, so that 1.2bn and 1,200 million are one and 5% and 6% are not."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["differ", "figures", "periods_differ", "roles", "swapped"]

_INDEX = re.compile(
    r"\b(?:s&p 500|ftse 100|ftse 250|nasdaq 100|nikkei 225|cac 40|stoxx 600|stoxx 50|russell 2000|fortune 500)\b"
)
_NUMBER = re.compile(
    r"(?<![\w.])([$£€¥])?(\d[\d,]*(?:\.\d+)?)(?:[\s-]?"
    r"(%|per ?cent\b|pct\b|percent\b|basis points?\b|bps?\b|tn\b|trn\b|trillion\b|bn\b|bln\b|billion\b|mln\b|mn\b|m\b"
    r"|million\b|k\b|thousand\b))?(?:\s(dollars|euros?|pounds|pence|cents|yen|francs|yuan)\b)?(?!\w)"
)
_PERIOD = re.compile(
    r"\b(?:(first|second|third|fourth|1st|2nd|3rd|4th)[\s-]+(quarter|half)|([qh])([1-4])|([1-4])([qh])"
    r"|(full|half)[\s-]year|(fy)(?=\b|\d))\b"
)
_PART = re.compile(
    r"\b(?:(?:an?|one) (half|third|quarter|fifth|sixth|eighth|tenth)(?= (?:of|fewer|less|more|cheaper|dearer)\b)"
    r"|(?:by|up|down) an? (half|third|quarter|fifth|sixth|eighth|tenth)(?! of\b| (?:percentage )?point)"
    r"|one in (two|three|four|five|ten)"
    r"|(half) (?=of\b|its\b|the\b|all\b)|(halve[sd]?)|(quarter|half) (?:a )?(?:percentage )?point|(doubles?d?|twice))\b"
)
_NTH = re.compile(
    r"\b(second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)"
    r"[ -](?:straight|consecutive|successive|day|night|week|month|year|session)"
)
_WORD = re.compile(r"[a-z]+")
_TENS = {"dozen": 12, "decades": 10}
_SCALES = {"tn": 1e12, "trn": 1e12, "trillion": 1e12, "bn": 1e9, "bln": 1e9, "billion": 1e9, "mln": 1e6, "mn": 1e6,
           "m": 1e6, "million": 1e6, "k": 1e3, "thousand": 1e3}  # fmt: skip
_SHARES = {"half": 50, "two": 50, "third": 33, "three": 33, "quarter": 25, "four": 25, "fifth": 20, "five": 20,
           "sixth": 17, "eighth": 12.5, "tenth": 10, "ten": 10}  # fmt: skip
_ORDINALS = {"first": "1", "1st": "1", "second": "2", "2nd": "2", "third": "3", "3rd": "3", "fourth": "4", "4th": "4"}
_DAYS = frozenset(
    ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december",
     "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
)  # fmt: skip  # may is a verb far more often; "in May" is looked for by itself
_MAY = re.compile(r"\b(?:in|of|since|until|for|from|by) may\b")
# Written out before a scale, and spans of tens: read as if in digits.
_SPELLED = re.compile(
    r"\b(half an?|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|fifty)"
    r"[ -](thousand|million|billion|trillion|dozen|decades)\b"
)
_VALUES = {"half a": 0.5, "half an": 0.5, "a": 1, "an": 1, "one": 1, "twenty": 20, "thirty": 30, "fifty": 50}
_COUNTS = {"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
           "ten": "10", "eleven": "11", "twelve": "12"}  # fmt: skip


# The word that an amount belongs to: "against" in "against EUR 310 mn".
_BEFORE = re.compile(r"([a-z]+)[^a-z0-9]*(?:(?:eur|usd|gbp|inr|rs|sek|nok|dkk|chf)[^a-z0-9]*)?$")


def figures(text: str) -> frozenset[str]:
    """Amounts (`$1.2e+09`), shares (`5%`), points (`0.25pt`), periods (`q2`, `y2025`, `march`), counts
    (`3000`, and `#third` of a row)."""
    lower = _SPELLED.sub(_digits, _INDEX.sub(" ", text.lower()))
    found = {*_periods(lower), *_parts(lower)}
    found.update(_amount(*match.groups()) for match in _NUMBER.finditer(lower))
    found.update(f"#{match[1]}" for match in _NTH.finditer(lower))
    for match in _WORD.finditer(lower):
        if match[0] in _DAYS:
            found.add(match[0])
        elif match[0] in _COUNTS:
            found.add(_COUNTS[match[0]])
    return frozenset(found)


def roles(text: str) -> tuple[tuple[str, str], ...]:
    """The amounts, shares and counts in digits, in their order, each with the word before it."""
    lower = text.lower()
    found = ((_BEFORE.search(lower, 0, match.start()), _amount(*match.groups())) for match in _NUMBER.finditer(lower))
    return tuple((before[1], amount) for before, amount in found if before)


def swapped(a: tuple[tuple[str, str], ...], b: tuple[tuple[str, str], ...]) -> bool:
    """Whether two amounts that both texts have stand behind one word the other way round ("41 vs 77", "77 vs 41")."""
    both = {amount for _, amount in a} & {amount for _, amount in b}
    if len(both) < 2:
        return False
    first, second = ({word: amount for word, amount in reversed(own) if amount in both} for own in (a, b))
    return any(second.get(word, amount) != amount for word, amount in first.items())


def _periods(lower: str) -> Iterator[str]:
    for ordinal, unit, letter, digit, digit_first, letter_last, year, _ in (
        m.groups() for m in _PERIOD.finditer(lower)
    ):
        if ordinal:
            yield f"{unit[0]}{_ORDINALS[ordinal]}"
        elif letter or letter_last:
            yield f"{letter or letter_last}{digit or digit_first}"
        else:
            yield "half-year" if year == "half" else "full-year"
    if _MAY.search(lower):
        yield "may"


def _digits(match: re.Match[str]) -> str:
    said, scale = match[1], match[2]
    value = _VALUES.get(said) or float(_COUNTS[said])
    if scale in _TENS:
        return f"{value * _TENS[scale]:g}"
    return f"{value:g} {scale}"


def _parts(lower: str) -> Iterator[str]:
    for share, step, one_in, half, halved, points, _ in (match.groups() for match in _PART.finditer(lower)):
        if points:
            yield "0.25pt" if points == "quarter" else "0.5pt"
        elif part := share or step or one_in or half or (halved and "half"):
            yield f"{_SHARES[part]:.4g}%"
        else:
            yield "x2"


def differ(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether each has an amount (or a share, or a count) that the other has not: one of them tells another number."""
    # The same value with and without its currency is one figure.
    plain = {value.lstrip("$") for value in a} & {value.lstrip("$") for value in b}
    one, other = (_kinds(frozenset(v for v in own if v.lstrip("$") not in plain)) for own in (a - b, b - a))
    return any(kind in other for kind in one if kind != "period")


def periods_differ(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether each names a quarter, month, year or weekday that the other does not."""
    return bool(_kinds(a - b).get("period") and _kinds(b - a).get("period"))


def _kinds(values: frozenset[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for value in values:
        found.setdefault(_kind(value), set()).add(value)
    return found


def _kind(value: str) -> str:
    if value[0].isdigit():
        return "share" if value[-1] == "%" else "points" if value.endswith("pt") else "count"
    if value[0] in "$#":
        return value[0]
    return "count" if value == "x2" else "period"


def _amount(sign: str | None, digits: str, unit: str | None, currency: str | None) -> str:
    value = float(digits.replace(",", "").rstrip("."))
    name = (unit or "").replace(" ", "")
    if name in ("%", "percent", "pct"):
        return f"{value:.4g}%"
    if name.startswith(("basispoint", "bp")):
        return f"{value / 100:.4g}pt"
    if not sign and not currency and not unit and "," not in digits and 1900 <= value <= 2100 and len(digits) == 4:
        return f"y{digits}"
    amount = value * _SCALES.get(name, 1)
    return f"{'$' if sign or currency else ''}{amount:.5g}"
