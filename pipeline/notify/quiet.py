"""Quiet hours: windows on the clock of a place, during which only what is critical gets through. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipeline.local_time import is_zone

__all__ = ["DAYS", "QuietHours", "quiet_until"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class QuietHours(BaseModel):
    """One window; `days` are those on which it begins. A window that ends before it begins ends the next day, and one
    that ends when it begins lasts the whole day."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begins: time = Field(alias="from")
    ends: time = Field(alias="to")
    zone: str
    days: tuple[str, ...] = DAYS

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError(f"{value!r} is no time zone; write one such as Europe/London")
        return value

    @field_validator("days")
    @classmethod
    def _known_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(DAYS):
            raise ValueError(f"days are {', '.join(DAYS)}")
        return value

    def until(self, now: datetime) -> datetime | None:
        """The end, in UTC, of the window that `now` lies in; None outside. Changes of the clock are the place's own."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if DAYS[day.weekday()] not in self.days:
                continue
            last = day if self.ends > self.begins else day + timedelta(days=1)
            starts, ends = (
                datetime.combine(d, t, zone).astimezone(UTC) for d, t in ((day, self.begins), (last, self.ends))
            )
            if starts <= now < ends:
                return ends
        return None


def quiet_until(now: datetime, windows: Iterable[QuietHours]) -> datetime | None:
    """When it is quiet no more, windows that touch taken together; None where it is not quiet now.

    Windows that leave no gap at all would hold a message for ever: after a week it goes out.
    """
    known, end, limit = tuple(windows), now, now + timedelta(days=7)
    while end < limit:
        ends = [until for window in known if (until := window.until(end))]
        if not ends:
            break
        end = max(ends)
    return end if end > now else None
