"""What a source says about when: UTC, how precise it is, and whether to believe it. Nothing is ever moved.

A day without a time is kept as midnight UTC of that day, so that it stays on the day its publisher wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

from dateutil import parser as dateutil_parser

__all__ = ["Dated", "Flag", "Precision", "parse_date", "with_flag"]


class Precision(StrEnum):
    """How exact a date is; `none` when there is no usable one."""

    SECOND = "second"
    DAY = "day"
    MONTH = "month"
    NONE = "none"


class Flag(StrEnum):
    """Why a date is not to be believed; empty when it is."""

    OK = ""
    FUTURE = "future"
    ANCIENT = "ancient"
    MISSING = "missing"
    UNPARSABLE = "unparsable"


@dataclass(frozen=True)
class Dated:
    """A date in UTC (None without one), the text it came from, its precision and flag."""

    published_at: datetime | None
    raw: str
    precision: Precision
    flag: Flag = Flag.OK


# Publishers' clocks run a little ahead; and a day begins up to 14 hours earlier in the east.
_AHEAD = {Precision.SECOND: timedelta(minutes=10)}
_AHEAD_OF_A_DAY = timedelta(hours=14)
_FIRST_NEWS_FEED = datetime(1995, 1, 1, tzinfo=UTC)

# The letters the press uses without saying whether it is summer.
_PLACES = {"ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles"}
_OFFSETS = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9, "HKT": 8,
    "SGT": 8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_ZONES: dict[str, tzinfo] = {name: timezone(timedelta(hours=hours), name) for name, hours in _OFFSETS.items()}
_ZONES |= {name: ZoneInfo(place) for name, place in _PLACES.items()}

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_YEAR = r"(?P<year>\d{4}|\d{2})"
_DAY_FORMS = (
    re.compile(r"(?P<year>\d{4})-(?P<number>\d{1,2})-(?P<day>\d{1,2})"),
    re.compile(rf"(?:[a-z]{{3,9}},? )?(?P<day>\d{{1,2}})[- ]{_MONTH}[- ,]+{_YEAR}", re.IGNORECASE),
    re.compile(rf"(?:[a-z]{{3,9}},? )?{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<year>\d{{4}})", re.IGNORECASE),
)
_MONTH_FORMS = (
    re.compile(r"(?P<year>\d{4})[-/](?P<number>\d{1,2})"),
    re.compile(rf"{_MONTH}[- ]{_YEAR}", re.IGNORECASE),
)
_CLOCK_FIRST = re.compile(
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?\s*(?:[ap]\.?m\.?)?)\s+(?P<zone>[A-Z]{1,4})\s+(?P<date>\S.*)", re.IGNORECASE
)
_HAS_CLOCK = re.compile(r"\d:\d\d")
_HAS_DATE = re.compile(rf"\d{{4}}-\d\d|\d{{4}}\d\d\d\dT|\b{_MONTH}", re.IGNORECASE)


def parse_date(text: str | None, zone: tzinfo = UTC) -> Dated:
    """Read one date; where it names no zone of its own it is a time in `zone`.

    Understands ISO 8601, RFC 822, `31-Dec-19`, `6:51 PM ET Tue, 31 Dec 2019`, `Dec 31, 2019`, `Jul-18`, `2019-12`.
    A date of figures and slashes alone can mean two days and is `unparsable`.
    """
    raw = " ".join((text or "").split())[:200]
    if not raw:
        return Dated(None, raw, Precision.NONE, Flag.MISSING)
    try:
        found = _iso(raw, zone) or _day_or_month(raw) or _with_clock(raw, zone)
        return Dated(found[0].astimezone(UTC), raw, found[1]) if found else _unparsable(raw)
    except (ValueError, OverflowError, TypeError):
        return _unparsable(raw)


def with_flag(dated: Dated, now: datetime) -> Dated:
    """The same date, flagged if a feed cannot mean it: ahead of `now`, or before there were news feeds."""
    at = dated.published_at
    if at is None:
        return dated
    flag = (
        Flag.FUTURE
        if at > now + _AHEAD.get(dated.precision, _AHEAD_OF_A_DAY)
        else Flag.ANCIENT
        if at < _FIRST_NEWS_FEED
        else Flag.OK
    )
    return Dated(at, dated.raw, dated.precision, flag)


def _unparsable(raw: str) -> Dated:
    return Dated(None, raw, Precision.NONE, Flag.UNPARSABLE)


def _iso(raw: str, zone: tzinfo) -> tuple[datetime, Precision] | None:
    if not _HAS_CLOCK.search(raw) and "T" not in raw:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)), Precision.SECOND


def _day_or_month(raw: str) -> tuple[datetime, Precision] | None:
    for forms, precision in ((_DAY_FORMS, Precision.DAY), (_MONTH_FORMS, Precision.MONTH)):
        for form in forms:
            if match := form.fullmatch(raw):
                part = match.groupdict()
                month = int(part["number"]) if part.get("number") else 1 + _MONTHS.index(part["month"][:3].lower())
                day = int(part["day"]) if precision is Precision.DAY else 1
                return datetime(_full_year(part["year"]), month, day, tzinfo=UTC), precision
    return None


def _full_year(text: str) -> int:
    # POSIX: 69–99 are of the last century.
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= 69 else 2000)


def _with_clock(raw: str, zone: tzinfo) -> tuple[datetime, Precision] | None:
    if not (_HAS_CLOCK.search(raw) and _HAS_DATE.search(raw)):
        return None
    if match := _CLOCK_FIRST.fullmatch(raw):
        raw = f"{match['date']} {match['clock']} {match['zone'].upper()}"
    # The default must be without a zone, or dateutil would give it to dates that name none.
    moment = dateutil_parser.parse(raw, tzinfos=_named_zone, default=datetime(1, 1, 1))  # noqa: DTZ001
    if moment.year == 1:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)), Precision.SECOND


def _named_zone(name: str | None, offset: int | None) -> tzinfo | None:
    """What dateutil asks for a zone it met; an unknown name is an error, for a guess could be hours off."""
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return None
    if name.upper() not in _ZONES:
        raise ValueError(f"unknown time zone {name}")
    return _ZONES[name.upper()]
