"""The test documents of gofeed beside what gofeed expects of them: which titles, links and dates agree, and why not.

A document is paired with the `.json` beside it; an entry of one side alone has '' on the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

from pipeline.ingest.dates import parse_date
from pipeline.ingest.documents import Item, Unusable
from pipeline.ingest.links import http_link
from pipeline.ingest.parse import reader_of
from pipeline.ingest.text import TITLE_LIMIT, plain_text

__all__ = ["BASE", "FIELDS", "REASONS", "Compared", "compared", "documents"]

FIELDS = ("title", "link", "date")
BASE = "https://gofeed.example/feed"

_ID = "an Atom id that is a web address stands in for the missing link, as feedparser reads it; gofeed leaves it empty"
REASONS = {
    ("atom03_feed_entry_id.xml", "link"): _ID,
    ("atom10_feed_entry_id.xml", "link"): _ID,
    ("feed_item_guid_-_atom03_feed_entry_id.xml", "link"): _ID,
    ("feed_item_guid_-_atom10_feed_entry_id.xml", "link"): _ID,
    ("entry_id_xml_base.xml", "link"): _ID,
    ("issue_217_enclosure_children.xml", "title"): (
        "a media:title inside an enclosure is taken for the title of an entry that has no other"
    ),
    ("rss_channel_item_uri_at_protocol.xml", "link"): (
        "feedparser prefers the attribute uri of <link>, an at:// address, which is no web address and so no link"
    ),
}


@dataclass(frozen=True)
class Compared:
    """One field of one entry, as gofeed expects it and as we read it."""

    file: str
    field: str
    theirs: str
    ours: str

    @property
    def both(self) -> bool:
        """Whether both sides have a value."""
        return bool(self.theirs and self.ours)

    @property
    def agree(self) -> bool:
        return self.theirs == self.ours


def documents(folder: Path) -> list[Path]:
    """Every document of the collection; the rest of it are expected results."""
    xml = sorted(folder.rglob("*.xml"))
    beside = {path.with_suffix(".json") for path in xml}
    return [*xml, *(p for p in sorted(folder.rglob("*.json")) if p not in beside and not p.stem.endswith("_expected"))]


def compared(folder: Path) -> Iterator[Compared]:
    """Every field for which a side has a value, in the order of the files."""
    for path in documents(folder):
        expected = _expected(path)
        if expected is None:
            continue
        try:
            items = reader_of(body := path.read_bytes())(body, "", BASE).items
        except Unusable:
            items = ()
        theirs = expected.get("items") or expected.get("entries") or []
        for ours, wanted in zip_longest(items, theirs):
            for field in FIELDS:
                pair = Compared(
                    path.relative_to(folder).as_posix(),
                    field,
                    _theirs(wanted, field) if wanted else "",
                    _ours(ours, field) if ours else "",
                )
                if pair.theirs or pair.ours:
                    yield pair


def _expected(path: Path) -> dict[str, Any] | None:
    for beside in (path.with_suffix(".json"), path.with_name(f"{path.stem}_expected.json")):
        if beside != path and beside.exists():
            found = json.loads(beside.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else None
    return None


def _ours(item: Item, field: str) -> str:
    if field == "title":
        return plain_text(item.title, TITLE_LIMIT)
    if field == "link":
        return http_link(item.link, BASE) or ""
    return _moment(parse_date(item.date).published_at)


def _theirs(wanted: Mapping[str, Any], field: str) -> str:
    """Through the same cleaning as ours: what is compared is the reading, not that we keep no markup."""
    if field == "title":
        return plain_text(str(wanted.get("title") or ""), TITLE_LIMIT)
    if field == "link":
        return http_link(_link(wanted), BASE) or ""
    names = ("publishedParsed", "pubDateParsed", "updatedParsed", "date_published", "date_modified")
    text = next((str(wanted[name]) for name in names if wanted.get(name)), "")
    return _moment(datetime.fromisoformat(text)) if text else ""


def _link(wanted: Mapping[str, Any]) -> str:
    if wanted.get("link") or wanted.get("url"):
        return str(wanted.get("link") or wanted["url"])
    links = [link for link in wanted.get("links") or [] if isinstance(link, dict)]
    return next((str(link.get("href") or "") for link in links if link.get("rel", "alternate") == "alternate"), "")


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).replace(microsecond=0).isoformat() if at else ""
