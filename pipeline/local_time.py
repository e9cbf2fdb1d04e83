"""The clock on the wall of a place, for whole arrays of hours: offsets from UTC and when they change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

__all__ = ["UTC_CLOCK", "LocalTime", "is_zone", "local_time"]

Hours = NDArray[np.float64]

_FIRST, _LAST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2060, 1, 1, tzinfo=UTC)
# No place changes its clock twice within so short a time.
_STEP = timedelta(days=7)


@dataclass(frozen=True, eq=False)
class LocalTime:
    """A place's offsets from UTC in hours, each from a start on (hours since 1970, UTC; the first is −∞)."""

    starts: Hours
    offsets: Hours

    def pieces(self, when: Hours | float) -> NDArray[np.intp]:
        """Which of the offsets holds at each time."""
        return np.asarray(np.searchsorted(self.starts, when, side="right") - 1)

    def of(self, when: Hours | float) -> Hours:
        """Local hours since 1970 at times given in UTC hours."""
        return np.asarray(when + self.offsets[self.pieces(when)], dtype=np.float64)


UTC_CLOCK = LocalTime(np.array([-np.inf]), np.array([0.0]))


def is_zone(name: str) -> bool:
    """Whether `name` is a place of the IANA base ('' is none)."""
    return _zone(name) is not None


@cache
def local_time(name: str) -> LocalTime:
    """The clock of an IANA place such as `Europe/London`; UTC for '' and for a name that is unknown.

    It knows the changes between 1990 and 2060; before and after, the first and the last offset hold.
    """
    zone = _zone(name)
    if zone is None:
        return UTC_CLOCK
    starts, offsets = [-np.inf], [_offset(zone, _FIRST)]
    moment = _FIRST
    while moment < _LAST:
        after = moment + _STEP
        if _offset(zone, after) != offsets[-1]:
            change = _change(zone, moment, after)
            starts.append(change.timestamp() / 3600)
            offsets.append(_offset(zone, change))
        moment = after
    return LocalTime(np.array(starts), np.array(offsets))


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first minute with another offset than `before`."""
    old, low, high = _offset(zone, before), 0, int((after - before) / timedelta(minutes=1))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, before + timedelta(minutes=middle)) == old else (low, middle)
    return before + timedelta(minutes=high)


def _offset(zone: ZoneInfo, moment: datetime) -> float:
    return (moment.astimezone(zone).utcoffset() or timedelta()) / timedelta(hours=1)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
