"""News sitemaps (`<news:news>`): what a newspaper tells search engines of the last two days, a feed like others."""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

from pipeline.ingest.documents import MAX_ENTRIES, Document, Form, Item, Unusable, one_line
from pipeline.ingest.outcomes import Outcome

__all__ = ["looks_so", "read"]

# From the very beginning: an entry of another format may well tell of sitemaps.
_ROOT = re.compile(
    rb"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>\s*)*"
    rb"<(?:[\w.-]+:)?(?:urlset|sitemapindex)[\s>/]",
    re.DOTALL,
)
_BYTE_ORDER = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# The format allows a thousand; more than both ends of it is never read (`documents.within` takes one of them).
_MOST = 20 * MAX_ENTRIES
_WANTED = {"loc", "title", "publication_date", "language", "lastmod", "name"}
_TEXT_LIMIT = 100_000


def looks_so(body: bytes) -> bool:
    """Whether the root of this document is that of a sitemap, or of an index of sitemaps."""
    head = body[:4_000].replace(b"\0", b"")
    for mark in _BYTE_ORDER:
        head = head.removeprefix(mark)
    return _ROOT.match(head) is not None


def read(body: bytes, content_type: str, url: str) -> Document:
    """`Read` for news sitemaps. The link identifies an entry: there are no ids.

    Raises:
        Unusable: broken before the first whole entry or with a document type (`malformed`); an index of sitemaps, or
            one without news (`not_a_feed`).
    """
    reader, damage = _Reader(), ""
    try:
        reader.feed(body)
    except (expat.ExpatError, ValueError) as error:
        # ValueError: an encoding of several bytes that expat does not know.
        damage = one_line(error)
    if reader.index:
        first = f", such as {reader.first_loc}" if reader.first_loc else ""
        raise Unusable(Outcome.NOT_A_FEED, f"It is a list of sitemaps: add one of those it names{first}")
    if not reader.items and reader.urls:
        raise Unusable(Outcome.NOT_A_FEED, "It is a sitemap without news: its addresses have no titles")
    return Document(
        form=Form.SITEMAP,
        items=tuple(reader.items),
        total=reader.urls,
        title=reader.name,
        language=(reader.languages.most_common(1) or [("", 0)])[0][0],
        damage=damage,
        truncated=bool(damage),
    )


class _Reader:
    """expat with the few handlers that are needed; a document type is refused before an entity can be expanded."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.urls = 0
        self.index = False
        self.first_loc = ""
        self.name = ""
        self.languages: Counter[str] = Counter()
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._fields: dict[str, str] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._size = 0

    def feed(self, body: bytes) -> None:
        self._parser.Parse(body, True)

    def _doctype(self, *_: object) -> None:
        raise Unusable(Outcome.MALFORMED, "It declares a document type, which is refused")

    def _start(self, name: str, _: object) -> None:
        tag = name.rpartition(" ")[2]
        self.index = self.index or (not self._path and tag == "sitemapindex")
        self._path.append(tag)
        self._text, self._size = [], 0
        if tag == "url":
            self._fields = {}

    def _characters(self, text: str) -> None:
        if self._size < _TEXT_LIMIT:
            self._text.append(text)
            self._size += len(text)

    def _end(self, _: str) -> None:
        tag = self._path.pop()
        parent = self._path[-1] if self._path else ""
        text = "".join(self._text).strip()
        # `image:title` and `video:title` are named like what we want, and stand elsewhere.
        if tag in _WANTED and parent in ("url", "news", "publication"):
            self._fields[tag] = text
        elif tag == "loc" and parent == "sitemap":
            self.first_loc = self.first_loc or text[:300]
        elif tag == "url":
            self._one()
        self._text, self._size = [], 0

    def _one(self) -> None:
        self.urls += 1
        found = self._fields
        if not found.get("title") or len(self.items) >= _MOST:
            return
        self.name = self.name or found.get("name", "")
        self.languages[found.get("language", "")] += 1
        date = found.get("publication_date") or found.get("lastmod", "")
        self.items.append(Item(title=found["title"], link=found.get("loc", ""), date=date))
