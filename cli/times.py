"""Times as people write them: in ISO 8601, and where they name no zone in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from pipeline.errors import InputError

__all__ = ["moment"]


def moment(at: datetime | str) -> datetime:
    """The time in UTC.

    Raises:
        InputError: it is a text, and no time.
    """
    try:
        read = datetime.fromisoformat(at.strip()) if isinstance(at, str) else at
    except ValueError as error:
        raise InputError(f"{at!r} is not a time: write 2026-03-02T08:00 (UTC) or with a zone, +01:00.") from error
    return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
