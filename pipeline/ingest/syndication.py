"""RSS 0.9x to 2.0, RDF and Atom, read by feedparser from bytes: it would open an address or a file given by name."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Mapping
from typing import Any

import feedparser

from pipeline.ingest.documents import MAX_ENTRIES, Document, Form, Item, Unusable, one_line
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.skim import skimming

__all__ = ["read"]

logger = logging.getLogger(__name__)

_CLOSED = re.compile(rb"</(?:\w+:)?(?:item|entry)\s*>")
_ROOT_CLOSED = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>", re.IGNORECASE)
_REFERENCE = re.compile(rb"&#(?:x([0-9a-f]{1,8})|([0-9]{1,10}));", re.IGNORECASE)
# "4 - Name (0001234567) (Reporting)": the form, the filer, its number, its part in the filing.
_FILING_TITLE = re.compile(r"\s*\S[\w/ .-]{0,20} - .+ \(\d{10}\) \([A-Za-z ]+\)\s*")
_FILING_LINK = re.compile(r"https?://(?:www\.)?sec\.gov/(?:Archives/edgar|cgi-bin/browse-edgar|ix\?)", re.IGNORECASE)


def read(body: bytes, content_type: str, url: str) -> Document:
    """`Read` for XML feeds.

    Raises:
        Unusable: it is no feed (`not_a_feed`), or the parser gave up on it (`malformed`).
    """
    shorter, total = _both_ends(body)
    parsed = _fed(shorter, content_type)
    found, problem = list(parsed.entries), parsed.get("bozo_exception")
    if not parsed.version and not found:
        raise Unusable(Outcome.NOT_A_FEED, _looks_like(body))
    # An unexpected encoding or content type is no damage (feedparser's #81): the entries are whole.
    broken = problem is not None and not isinstance(
        problem, feedparser.CharacterEncodingOverride | feedparser.NonXMLContentType
    )
    truncated = broken and _ROOT_CLOSED.search(body[-400:].replace(b"\0", b"")) is None
    if truncated:
        found = found[: _whole_entries(shorter, len(found))]
    return Document(
        form=_form(parsed.version),
        items=tuple(map(_item, found)),
        total=max(total, len(found)),
        title=str(parsed.feed.get("title") or ""),
        language=str(parsed.feed.get("language") or ""),
        damage=one_line(problem) if broken else "",
        truncated=truncated,
    )


def _fed(body: bytes, content_type: str) -> Any:
    # Not told where the body is from: it would make addresses of guids such as "4711", others at every move.
    headers = {"content-type": content_type or "application/xml"}
    try:
        with skimming():
            return feedparser.parse(
                io.BytesIO(_REFERENCE.sub(_reference, body)),
                response_headers=headers,
                sanitize_html=False,
                resolve_relative_uris=False,
            )
    except Exception as error:
        logger.info("feedparser gave up: %r", error)
        raise Unusable(Outcome.MALFORMED, f"The parser gave up ({type(error).__name__})") from error


def _reference(match: re.Match[bytes]) -> bytes:
    """A reference to a character; nothing where there is no such character, since feedparser breaks at those."""
    code = int(match[1], 16) if match[1] else int(match[2])
    return match[0] if 0 < code < 0xD800 or 0xDFFF < code <= 0x10FFFF else b""


def _both_ends(body: bytes) -> tuple[bytes, int]:
    """The body without the entries in its middle, if there are more than we could keep, and how many there are."""
    ends = [match.end() for match in _CLOSED.finditer(body)]
    if len(ends) <= 2 * MAX_ENTRIES:
        return body, 0
    return body[: ends[MAX_ENTRIES - 1]] + body[ends[-MAX_ENTRIES - 1] :], len(ends)


def _item(raw: Mapping[str, Any]) -> Item:
    dates = (str(raw.get(name) or "") for name in ("published", "updated", "created"))
    title, link = str(raw.get("title") or ""), str(raw.get("link") or "")
    named = any(part.get("href") for part in raw.get("links") or ())
    if raw.get("guidislink") and not named and "/" not in str(raw.get("id")):
        # RSS calls every guid a permanent link that does not say otherwise; "abc123" is none. feedparser says so too of
        # a guid that only stands before the link.
        link = ""
    return Item(
        title=title,
        summary=str(raw.get("summary") or _content(raw)),
        link=link,
        guid=str(raw.get("id") or "").strip(),
        date=next(filter(str.strip, dates), ""),
        filing=_is_filing(raw, title, link),
    )


def _content(raw: Mapping[str, Any]) -> str:
    parts = raw.get("content") or [{}]
    return str(parts[0].get("value") or "")


def _is_filing(raw: Mapping[str, Any], title: str, link: str) -> bool:
    """EDGAR's pages: current filings, filings of one company, and the monthly lists of structured ones."""
    labels = {str(tag.get("label") or "").lower() for tag in raw.get("tags") or ()}
    return (
        "form type" in labels
        or any(name.startswith("edgar_") for name in raw)
        or _FILING_TITLE.fullmatch(title) is not None
        or _FILING_LINK.match(link) is not None
    )


def _whole_entries(body: bytes, found: int) -> int:
    """How many entries were whole: the parser also reports the one that the break cut in two."""
    if b"\0" in body[:400]:
        return max(found - 1, 0)  # UTF-16 or UTF-32: the end tags cannot be counted in bytes
    return min(found, len(_CLOSED.findall(body)))


def _form(version: str) -> Form:
    if version.startswith("atom"):
        return Form.ATOM
    return Form.RDF if version in ("rss090", "rss10") else Form.RSS


def _looks_like(body: bytes) -> str:
    head = body[:2_000].lower()
    return "A web page came" if b"<html" in head or b"<!doctype html" in head else "What came has no entries of a feed"
