"""What a server asks for with Retry-After: how long to leave it alone. Pure; who asked bounds it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

__all__ = ["asked_wait"]


def asked_wait(header: str | None, at: datetime) -> timedelta | None:
    """How long from `at` the header asks to wait (seconds or a date; may be negative); None if it names no time."""
    text = (header or "").strip()
    if text.isascii() and text.isdecimal():
        # Twelve digits are thirty thousand years; more would not fit a timedelta.
        return timedelta(seconds=int(text[:12]))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - at
