"""The names by which dates say their time zone: the letters of the press and the places of the IANA base."""

from __future__ import annotations

from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["named_zone", "place_zone"]

# The letters the press uses without saying whether it is summer.
_PLACES = {"ET": "America/New_York", "CT": "America/Chicago", "MT": "America/Denver", "PT": "America/Los_Angeles"}
_OFFSETS = {
    "UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 1, "CET": 1, "WEST": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "JST": 9, "HKT": 8,
    "SGT": 8, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "MEZ": 1, "MESZ": 2, "MSK": 3, "SAST": 2, "PKT": 5,
    "ICT": 7, "WIB": 7, "MYT": 8, "PHT": 8, "AWST": 8, "ACST": 9.5, "ACDT": 10.5, "KST": 9, "BRT": -3, "ART": -3,
    "NST": -3.5, "NDT": -2.5, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip
_ZONES: dict[str, tzinfo] = {name: timezone(timedelta(hours=hours), name) for name, hours in _OFFSETS.items()}
_ZONES |= {name: ZoneInfo(place) for name, place in _PLACES.items()}


def named_zone(name: str | None, offset: int | None) -> tzinfo | None:
    """What dateutil asks for a zone it met.

    Raises:
        ValueError: the name is unknown, or stands for several zones: a guess could be hours off.
    """
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return None
    if name.upper() not in _ZONES:
        raise ValueError(f"unknown time zone {name}")
    return _ZONES[name.upper()]


def place_zone(name: str) -> tzinfo:
    """The zone of a place such as America/New_York.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"unknown time zone {name}") from error
