"""JSON Feed 1.0 and 1.1 (jsonfeed.org), which feedparser 6 does not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pipeline.ingest.documents import Document, Form, Item, Unusable
from pipeline.ingest.outcomes import Outcome

__all__ = ["looks_so", "read"]


def looks_so(body: bytes) -> bool:
    """Whether this can only be JSON."""
    return body[:200].removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def read(body: bytes, content_type: str, url: str) -> Document:
    """`Read` for JSON Feed; what has the wrong type is taken for missing.

    Raises:
        Unusable: it is no JSON (`malformed`), or no feed (`not_a_feed`).
    """
    try:
        feed = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unusable(Outcome.MALFORMED, f"It is no JSON that can be read ({type(error).__name__})") from error
    version = _text(feed, "version") if isinstance(feed, dict) else ""
    if not isinstance(feed, dict) or not (isinstance(feed.get("items"), list) or "jsonfeed.org" in version):
        raise Unusable(Outcome.NOT_A_FEED, "It is JSON, but no JSON Feed")
    rows = feed.get("items")
    items = [_item(row) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return Document(Form.JSON, tuple(items), len(items), _text(feed, "title"), _text(feed, "language"))


def _item(row: Mapping[str, Any]) -> Item:
    texts = (_text(row, name) for name in ("summary", "content_text", "content_html"))
    return Item(
        title=_text(row, "title"),
        summary=next(filter(None, texts), ""),
        link=_text(row, "url") or _text(row, "external_url"),
        guid=_text(row, "id"),
        date=_text(row, "date_published") or _text(row, "date_modified"),
    )


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    # An id may be a number, says the format.
    return str(value).strip() if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
