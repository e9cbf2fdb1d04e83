"""From the bytes of a feed to entries: plain text, http(s) links, dates in UTC. feedparser does the reading.

Never trusts the feed: bytes only (feedparser would open an address or a file it is given by name), entries capped,
every fault turned into an outcome.
"""

from __future__ import annotations

import calendar
import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import feedparser

from pipeline.ingest.dates import Dated, Flag, Precision, parse_date, with_flag
from pipeline.ingest.identity import article_id, content_sha256
from pipeline.ingest.outcomes import Outcome, sentence
from pipeline.ingest.text import SUMMARY_LIMIT, TITLE_LIMIT, canonical_link, http_link, plain_text

__all__ = ["MAX_ENTRIES", "Entry", "ParsedFeed", "Parser", "parse"]

logger = logging.getLogger(__name__)

MAX_ENTRIES = 500
_TITLE_FROM_SUMMARY = 200

# "4 - Name (0001234567) (Reporting)": the form, the filer, its number, its part in the filing.
_FILING_TITLE = re.compile(r"\S[\w/ .-]{0,20} - .+ \(\d{10}\) \([A-Za-z ]+\)")
_CLOSED = re.compile(rb"</(?:\w+:)?(?:item|entry)\s*>")
_ROOT_CLOSED = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_HAS_CLOCK = re.compile(r"\d:\d\d")
_PLACE_ZONE = re.compile(r"\b[ECMP]T\b")


@dataclass(frozen=True)
class Entry:
    """One entry as it will be stored. `url` is None where the link was not http(s)."""

    article_id: str
    kind: str
    url: str | None
    title: str
    summary: str
    dated: Dated
    content_sha256: str


@dataclass(frozen=True)
class ParsedFeed:
    """What a body held. With `outcome` it held nothing usable (or no entries), and `error` says what to do.

    Not `complete`: the body broke off, so the next fetch must not be answered with "unchanged".
    """

    entries: tuple[Entry, ...] = ()
    language: str | None = None
    title: str = ""
    outcome: Outcome | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    complete: bool = True


class Parser(Protocol):
    """Reads one body. Pure and safe to run in another process; raises nothing for what the body holds."""

    def __call__(self, body: bytes, *, feed_id: str, content_type: str, url: str, now: datetime) -> ParsedFeed: ...


def parse(body: bytes, *, feed_id: str, content_type: str, url: str, now: datetime) -> ParsedFeed:
    """`Parser` with feedparser 6. `now` is when the body was fetched: later dates are flagged as future."""
    if not body.strip():
        return _nothing(Outcome.NOT_A_FEED, "The body is empty")
    headers = {"content-type": content_type or "application/xml", "content-location": url}
    try:
        document = feedparser.parse(
            io.BytesIO(body), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
        )
    except Exception as error:  # noqa: BLE001 - feedparser raises anything on bad bytes (UnicodeDecodeError, its #277)
        logger.info("feedparser gave up on %s: %r", feed_id, error)
        return _nothing(Outcome.MALFORMED, f"The parser gave up ({type(error).__name__})")
    found, problem = list(document.entries), document.get("bozo_exception")
    if not document.version and not found:
        return _nothing(Outcome.NOT_A_FEED, _looks_like(body))
    # An unexpected encoding or content type is no damage (feedparser's #81): the entries are whole.
    broken = problem is not None and not isinstance(
        problem, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType
    )
    warnings = []
    truncated = broken and _ROOT_CLOSED.search(body[-400:].replace(b"\0", b"")) is None
    if truncated:
        found = found[: _closed_entries(body, len(found))]
    if broken:
        warnings.append(f"broken XML ({_one_line(problem)}); {len(found)} whole entries were kept")
    if not found:
        return _nothing(Outcome.MALFORMED if broken else Outcome.EMPTY, _one_line(problem) if broken else "")
    if len(found) > MAX_ENTRIES:
        warnings.append(f"{len(found)} entries; only the first {MAX_ENTRIES} were read")
        found = found[:MAX_ENTRIES]
    entries = _entries(found, feed_id, url, now, warnings)
    feed = document.feed
    return ParsedFeed(
        entries=tuple(entries),
        language=_language(feed.get("language")),
        title=plain_text(feed.get("title"), 200),
        warnings=tuple(warnings),
        complete=not truncated,
    )


def _entries(
    found: Sequence[Mapping[str, Any]], feed_id: str, url: str, now: datetime, warnings: list[str]
) -> list[Entry]:
    links = {i: http_link(raw.get("link"), url) for i, raw in enumerate(found)}
    reused = _reused_guids(found, links)
    if reused:
        warnings.append(f"{len(reused)} ids stand at several different links; the link identifies those entries")
    entries = []
    for i, raw in enumerate(found):
        entry = _entry(raw, links[i], feed_id, now, reused)
        if entry is not None:
            entries.append(entry)
    if len(entries) < len(found):
        warnings.append(f"{len(found) - len(entries)} entries without any text were left out")
    undated = sum(entry.dated.flag in (Flag.MISSING, Flag.UNPARSABLE) for entry in entries)
    if undated:
        warnings.append(f"{undated} entries have no usable date; they count when they were first seen")
    return entries


def _entry(
    raw: Mapping[str, Any], link: str | None, feed_id: str, now: datetime, reused: frozenset[str]
) -> Entry | None:
    summary = plain_text(raw.get("summary") or _content(raw), SUMMARY_LIMIT)
    title = plain_text(raw.get("title"), TITLE_LIMIT) or plain_text(summary, _TITLE_FROM_SUMMARY)
    if not title:
        return None
    kind = "filing" if _is_filing(raw, title) else "news"
    guid = str(raw.get("id") or "").strip()
    identity: tuple[str, ...]
    if kind == "filing" and guid:
        # EDGAR gives one id to a filing and lists it once for every party to it.
        identity = ("filing", guid, title)
    elif guid and guid not in reused:
        identity = ("guid", guid)
    elif link:
        identity = ("link", canonical_link(link))
    else:
        identity = ("title", title)
    return Entry(
        article_id=article_id(feed_id, *identity),
        kind=kind,
        url=link,
        title=title,
        summary=summary,
        dated=_dated(raw, now),
        content_sha256=content_sha256(title, summary),
    )


def _content(raw: Mapping[str, Any]) -> str:
    parts = raw.get("content") or [{}]
    return str(parts[0].get("value") or "")


def _dated(raw: Mapping[str, Any], now: datetime) -> Dated:
    for name in ("published", "updated", "created"):
        if text := raw.get(name):
            break
    else:
        return parse_date(None)
    dated, struct = parse_date(None), raw.get(f"{name}_parsed")
    if struct and _HAS_CLOCK.search(text) and not _PLACE_ZONE.search(text):
        try:
            moment = datetime.fromtimestamp(calendar.timegm(struct), UTC)
            dated = Dated(moment, text[:200], Precision.SECOND)
        except (ValueError, OverflowError, OSError):
            dated = Dated(None, text[:200], Precision.NONE, Flag.UNPARSABLE)
    else:
        dated = parse_date(text)
    return with_flag(replace(dated, raw=plain_text(dated.raw, 200)), now)


def _is_filing(raw: Mapping[str, Any], title: str) -> bool:
    labels = {str(tag.get("label") or "").lower() for tag in raw.get("tags") or ()}
    return "form type" in labels or _FILING_TITLE.fullmatch(title) is not None


def _reused_guids(found: Sequence[Mapping[str, Any]], links: Mapping[int, str | None]) -> frozenset[str]:
    """Ids that one document gives to entries with different links (filings apart: see `_entry`)."""
    pairs = {(str(raw.get("id") or "").strip(), links[i]) for i, raw in enumerate(found) if not _is_filing(raw, "")}
    counts = Counter(guid for guid, link in pairs if guid and link)
    return frozenset(guid for guid, n in counts.items() if n > 1)


def _closed_entries(body: bytes, found: int) -> int:
    """How many entries were whole: the parser also reports the one that the break cut in two."""
    if b"\0" in body[:400]:
        return max(found - 1, 0)  # UTF-16 or UTF-32: the end tags cannot be counted in bytes
    return min(found, len(_CLOSED.findall(body)))


def _language(text: object) -> str | None:
    match = re.match(r"([a-z]{2,3})(?:[-_]|$)", str(text or "").strip().lower())
    return match[1] if match else None


def _looks_like(body: bytes) -> str:
    head = body[:2_000].lower()
    return "A web page came" if b"<html" in head or b"<!doctype html" in head else "What came has no entries of a feed"


def _one_line(problem: object) -> str:
    return " ".join(str(problem).split())[:200] or type(problem).__name__


def _nothing(outcome: Outcome, detail: str) -> ParsedFeed:
    return ParsedFeed(outcome=outcome, error=sentence(outcome, detail), complete=outcome is Outcome.EMPTY)
