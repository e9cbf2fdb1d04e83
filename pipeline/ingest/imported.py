"""One row of an archive: which of its columns are ours, and what it says as a row of `articles`. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import InputError
from pipeline.ingest.dates import Dated, Flag, Precision, parse_date, with_flag
from pipeline.ingest.identity import article_id, content_sha256
from pipeline.ingest.links import http_link
from pipeline.ingest.rejects import Reject
from pipeline.ingest.text import SUMMARY_LIMIT, TITLE_LIMIT, plain_text

__all__ = ["FIELDS", "How", "mapped", "record_of", "zone_of"]

FIELDS = ("title", "published_at", "summary", "url", "language", "publisher")
_REQUIRED = ("title", "published_at")
_ALSO_KNOWN_AS = {"link": "url"}
_LAG = {
    Precision.SECOND: timedelta(minutes=15),
    Precision.DAY: timedelta(days=1),
    Precision.MONTH: timedelta(days=31),
}


@dataclass(frozen=True)
class How:
    """How the rows of an archive are to be read."""

    publisher: str | None
    columns: Mapping[str, str]
    zone: tzinfo
    feed_id: str | None
    now: datetime


@dataclass(frozen=True)
class _Row:
    publisher: str
    feed_id: str
    title: str
    summary: str
    url: str | None
    language: str | None
    dated: Dated


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name.

    Raises:
        InputError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{name} is no time zone. Give an IANA name such as Europe/London or America/New_York."
        ) from error


def record_of(values: Mapping[str, Any], how: How) -> dict[str, Any] | Reject:
    """The row of `articles` that these cells make, under our names, or why they make none."""
    row = _row(values, how)
    return row if isinstance(row, Reject) else _record(row, how.now)


def _row(values: Mapping[str, Any], how: How) -> _Row | Reject:
    """One row cleaned, or why it is left out."""
    title = plain_text(_text(values.get("title")), TITLE_LIMIT)
    if not title:
        return Reject.WITHOUT_TITLE
    name = plain_text(_text(values.get("publisher")), 200) or (how.publisher or "").strip()
    if not name:
        return Reject.WITHOUT_PUBLISHER
    return _Row(
        publisher=name,
        feed_id=how.feed_id or f"archive:{_slug(name)}",
        title=title,
        summary=plain_text(_text(values.get("summary")), SUMMARY_LIMIT),
        url=http_link(_text(values.get("url"))),
        language=_text(values.get("language")).lower()[:2] or None,
        dated=_believed(_dated(values.get("published_at"), how.zone), how.now),
    )


def _record(row: _Row, now: datetime) -> dict[str, Any]:
    dated = row.dated
    at = dated.published_at
    return {
        # Which file it came in is no part of it: the same article of two overlapping archives is one.
        "article_id": article_id("archive", row.publisher, row.title, dated.raw, row.url or ""),
        "revision": 1,
        "kind": "news",
        "feed_id": row.feed_id,
        "publisher": row.publisher,
        "url": row.url,
        "title": row.title,
        "summary": row.summary,
        "language": row.language,
        "published_at": at,
        "published_raw": dated.raw,
        "date_precision": str(dated.precision),
        "date_flag": str(dated.flag),
        "first_seen_at": now,
        "content_sha256": content_sha256(row.title, row.summary),
        "imported": True,
        "known_at": at + _LAG[dated.precision] if at and dated.flag is Flag.OK else now,
    }


def _dated(value: Any, zone: tzinfo) -> Dated:
    if isinstance(value, datetime):
        try:
            moment = (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return Dated(None, value.isoformat(), Precision.NONE, Flag.UNPARSABLE)
        return Dated(moment, value.isoformat(), Precision.SECOND, Flag.OK)
    return _parsed(_text(value), zone)


def _believed(dated: Dated, now: datetime) -> Dated:
    """An archive may be as old as it likes, but it does not know what is to come."""
    flagged = with_flag(dated, now)
    return flagged if flagged.flag is Flag.FUTURE else dated


@lru_cache(maxsize=4096)
def _parsed(text: str, zone: tzinfo) -> Dated:
    return parse_date(text, zone)


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


@lru_cache(maxsize=4096)
def _slug(name: str) -> str:
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    return slug or article_id(name)[:12]


def mapped(have: Sequence[str], asked: Mapping[str, str], name: str) -> dict[str, str]:
    """Which column each of our fields comes from."""
    unknown = [field for field in asked if field not in FIELDS]
    if unknown:
        raise InputError(f"{name}: {unknown[0]} is not a field of ours; they are {', '.join(FIELDS)}.")
    found: dict[str, str] = {}
    for column in have:
        field = _ALSO_KNOWN_AS.get(column.strip().lower(), column.strip().lower())
        if field in FIELDS:
            found.setdefault(field, column)
    found.update(asked)
    if twice := sorted(column for column in set(found.values()) if have.count(column) > 1):
        raise InputError(f"{name}: the column {twice[0]} stands there twice. Rename one of the two in the file.")
    missing = [f for f in _REQUIRED if f not in found] + [f for f in found if found[f] not in have]
    if missing:
        pairs = ",".join(f"{field}=COLUMN" for field in missing)
        there = ", ".join(have)[:300]
        raise InputError(f"{name}: no column for {', '.join(missing)}. It has: {there}. Say which with --map {pairs}")
    return found
