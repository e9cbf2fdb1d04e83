"""What a source says about when: UTC, how precise it is, and whether to believe it. Nothing is ever moved.

A day without a time is kept as midnight UTC of that day, so that it stays on the day its publisher wrote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum

from dateutil import parser as dateutil_parser

from pipeline.ingest.zones import named_zone, place_zone

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
    r"(?P<clock>\d{1,2}:\d{2}(?::\d{2})?\s*(?:[ap]\.?m\.?)?)\s+(?P<zone>[A-Z]{1,4}),?\s+(?P<date>\S.*)", re.IGNORECASE
)
_HAS_CLOCK = re.compile(r"\d:\d\d")
_HAS_DATE = re.compile(rf"\d{{4}}-\d\d|\d{{4}}\d\d\d\dT|\b{_MONTH}", re.IGNORECASE)
_CLOCK_ALONE = re.compile(
    r"(?P<hour>\d{1,2}):(?P<minute>[0-5]\d)(?::[0-5]\d)?\s*(?P<half>[ap]\.?m\.?)?\s+(?P<zone>[A-Z]{1,4})", re.IGNORECASE
)
# As nearly every feed writes it; the libraries take ten times as long over it.
_COMMON = re.compile(
    rf"(?:[a-z]{{3}}, )?(?P<day>\d{{1,2}}) (?P<month>{'|'.join(_MONTHS)}) (?P<year>\d{{4}})"
    r" (?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) (?:GMT|(?P<sign>[+-])(?P<hours>\d\d)(?P<minutes>\d\d))",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"(\d{10})(?:\d{3}|\.\d+)?")
_ORDINAL = re.compile(r"(\d{4})-(\d{3})(T.+)")

# Slips that feeds make again and again, each with the way it is meant.
_SLIPS = (
    (re.compile(r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+", re.IGNORECASE), ""),  # also where it is wrong
    (re.compile(r"\bsept\b", re.IGNORECASE), "Sep"),
    (re.compile(r"(?<=\d)\s*\b(?:GMT|UTC|UT)\s*(?=[+-]\d)"), " "),  # GMT+0200
    (re.compile(r"(?<=\d)\s+[A-Z]{3,5}\s*(?=[+-]\d\d:?\d\d$)"), " "),  # EST-0500: the name would turn the sign
    (re.compile(r"([+-]\d\d:?\d\d)\s*\(?[A-Z]{2,5}\)?$"), r"\1"),  # -0500 (EST)
    (re.compile(r"\s*\(([A-Z]{2,5})\)$"), r" \1"),  # 11:00:00 (GMT)
    (re.compile(r"([+-]\d\d:?\d\d|Z)\[[\w/+-]+\]$"), r"\1"),  # -05:00[America/New_York]
    (re.compile(r"^(\d{4})/(\d{1,2})/(\d{1,2})\b"), r"\1-\2-\3"),
)
_SHORT_ISO = re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})([T ])(\d{1,2})(?=:)")
_PLACE_NAME = re.compile(r"\s([A-Z]\w+/[A-Z]\w+(?:/\w+)?)$")
_LEAP_SECOND = re.compile(r"(:\d\d):60(?!\d)")
_MIDNIGHT = re.compile(r"(?<!\d)24:00(:00)?(?!\d)")


class _Century(dateutil_parser.parserinfo):
    """Two figures are a year by POSIX's rule, not by what the wall clock says today."""

    def convertyear(self, year: int, century_specified: bool = False) -> int:
        return year if century_specified or year >= 100 else year + (1900 if year >= 69 else 2000)


_PARSER = dateutil_parser.parser(_Century())


def parse_date(text: str | None, zone: tzinfo = UTC, seen: datetime | None = None) -> Dated:
    """Read one date; where it names no zone of its own it is a time in `zone`.

    A time with a zone and no day (`6:51 PM ET`) is the last such time before it was `seen`; without that, nothing.

    Understands ISO 8601, RFC 822, `31-Dec-19`, `6:51 PM ET Tue, 31 Dec 2019`, `Dec 31, 2019`, `Jul-18`, `2019-12`,
    and seconds or milliseconds since 1970. A date of figures and slashes alone can mean two days, and a zone whose
    letters are unknown or mean several (IST) could be hours off: both are `unparsable`.
    """
    raw = " ".join((text or "").split())[:200]
    if not raw:
        return Dated(None, raw, Precision.NONE, Flag.MISSING)
    try:
        found = _epoch(raw) or _common(raw) or _clock_alone(raw, seen) or _read(raw, zone)
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


def _read(raw: str, zone: tzinfo) -> tuple[datetime, Precision] | None:
    text = raw
    for slip, meant in _SLIPS:
        text = slip.sub(meant, text)
    if match := _PLACE_NAME.search(text):
        zone, text = place_zone(match[1]), text[: match.start()]
    if match := _ORDINAL.fullmatch(text):
        day = datetime.strptime(f"{match[1]}-{match[2]}", "%Y-%j").replace(tzinfo=UTC)
        text = f"{day:%Y-%m-%d}{match[3]}"
    text = _SHORT_ISO.sub(lambda m: f"{m[1]}-{m[2]:0>2}-{m[3]:0>2}{m[4]}{m[5]:0>2}", text)
    # The second or day after: the same moment, in figures that the libraries know.
    later = timedelta(seconds=1) if _LEAP_SECOND.search(text) else timedelta(0)
    later += timedelta(days=1) if _MIDNIGHT.search(text) else timedelta(0)
    text = _MIDNIGHT.sub(r"00:00\1", _LEAP_SECOND.sub(r"\1:59", text))
    found = _iso(text, zone) or _day_or_month(text) or _with_clock(text, zone)
    if found is None:
        return None
    at, precision = found
    return (at + later if precision is Precision.SECOND else at), precision


def _epoch(raw: str) -> tuple[datetime, Precision] | None:
    match = _EPOCH.fullmatch(raw)
    return (datetime.fromtimestamp(int(match[1]), UTC), Precision.SECOND) if match else None


def _common(raw: str) -> tuple[datetime, Precision] | None:
    match = _COMMON.fullmatch(raw)
    if match is None or match["second"] == "60" or match["hour"] == "24":
        return None
    month = 1 + _MONTHS.index(match["month"].lower())
    year, day, hour, minute, second = map(int, match.group("year", "day", "hour", "minute", "second"))
    at = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    if match["sign"]:
        ahead = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
        at += -ahead if match["sign"] == "+" else ahead
    return at, Precision.SECOND


def _clock_alone(raw: str, seen: datetime | None) -> tuple[datetime, Precision] | None:
    match = _CLOCK_ALONE.fullmatch(raw)
    if match is None or seen is None or (zone := named_zone(match["zone"], None)) is None:
        return None
    hour, half = int(match["hour"]), (match["half"] or "").lower()[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    latest = (seen + _AHEAD[Precision.SECOND]).astimezone(zone)
    at = latest.replace(hour=hour, minute=int(match["minute"]), second=0, microsecond=0, fold=0)
    return (at if at <= latest else at - timedelta(days=1)), Precision.SECOND


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
    # The defaults must be without a zone, or dateutil would give it to dates that name none.
    moment = _PARSER.parse(raw, tzinfos=named_zone, default=datetime(1, 1, 1))  # noqa: DTZ001
    other = _PARSER.parse(raw, tzinfos=named_zone, default=datetime(2, 2, 2))  # noqa: DTZ001
    if moment.year != other.year or moment.month != other.month:
        return None
    if moment.day != other.day:
        # A clock without a day ("Dec 2019 10:00") says no more than the month.
        return datetime(moment.year, moment.month, 1, tzinfo=UTC), Precision.MONTH
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)), Precision.SECOND
