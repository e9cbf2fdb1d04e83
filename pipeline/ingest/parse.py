"""From the bytes of a feed to entries: plain text, http(s) links, dates in UTC. Whatever comes, it has an outcome.

Never trusts the feed: entries are capped, texts cleaned and cut, links checked, every fault turned into an outcome.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from pipeline.ingest import jsonfeed, sitemap, syndication
from pipeline.ingest.dates import Dated, Flag, parse_date, with_flag
from pipeline.ingest.documents import MAX_ENTRIES, Item, Read, Unusable, within
from pipeline.ingest.identity import article_id, content_sha256
from pipeline.ingest.links import canonical_link, http_link
from pipeline.ingest.outcomes import Outcome, sentence
from pipeline.ingest.text import SUMMARY_LIMIT, TITLE_LIMIT, plain_text, was_cut

__all__ = [
    "MAX_ENTRIES",
    "Body",
    "Entry",
    "ParsedFeed",
    "Parser",
    "nothing",
    "parse",
    "parse_here",
    "read_body",
    "reader_of",
]

logger = logging.getLogger(__name__)

_TITLE_FROM_SUMMARY = 200


@dataclass(frozen=True)
class Entry:
    """One entry as it will be stored. `url` is None where the link was not http(s).

    `article_id` is made from the guid or what stands in for it, `link_key` from the canonical link (None without one,
    or where several entries share it), `page` from it in any case, `by_title` from title and link where there is no
    guid. `guided`: the id comes from a guid. `cut`: the title was too long, which it also shows by its last character.
    """

    article_id: str
    kind: str
    url: str | None
    title: str
    summary: str
    dated: Dated
    content_sha256: str
    link_key: str | None = None
    page: str | None = None
    by_title: str = ""
    guided: bool = False
    cut: bool = False


@dataclass(frozen=True)
class ParsedFeed:
    """What a body held. With `outcome` it held nothing usable (or no entries), and `error` says what to do.

    `form` is rss, rdf, atom, json or sitemap. Not `complete`: the body broke off, so the next fetch must not be
    answered with "unchanged".
    """

    entries: tuple[Entry, ...] = ()
    language: str | None = None
    title: str = ""
    outcome: Outcome | None = None
    error: str = ""
    warnings: tuple[str, ...] = ()
    complete: bool = True
    form: str = ""


@dataclass(frozen=True)
class Body:
    """What a feed answered, and what must be known to read it. `now` is when it was fetched."""

    data: bytes
    feed_id: str
    content_type: str
    url: str
    now: datetime


class Parser(Protocol):
    """Reads bodies, perhaps several at once: one result for each, in their order. Raises for nothing that they hold."""

    def __call__(self, bodies: Iterable[Body]) -> Iterator[ParsedFeed]: ...


def parse_here(bodies: Iterable[Body]) -> Iterator[ParsedFeed]:
    """`Parser` in this process, for bodies that can be trusted not to hang it."""
    return map(read_body, bodies)


def read_body(body: Body) -> ParsedFeed:
    """One body; pure, and safe to run in another process."""
    return parse(body.data, feed_id=body.feed_id, content_type=body.content_type, url=body.url, now=body.now)


def parse(body: bytes, *, feed_id: str, content_type: str, url: str, now: datetime) -> ParsedFeed:
    """Read the bytes of a feed. `now` is when they were fetched: later dates are flagged as future."""
    if not body.strip():
        return nothing(Outcome.NOT_A_FEED, "The body is empty")
    try:
        document = reader_of(body)(body, content_type, url)
    except Unusable as error:
        return nothing(error.outcome, str(error))
    warnings = []
    if document.damage:
        warnings.append(f"broken XML ({document.damage}); {len(document.items)} whole entries were kept")
    if not document.items:
        outcome = Outcome.MALFORMED if document.damage else Outcome.EMPTY
        return replace(nothing(outcome, document.damage), form=str(document.form))
    items, end = within(document.items)
    if end:
        warnings.append(f"{max(document.total, len(document.items)):,} entries; only the {end} {len(items)} were read")
    entries = tuple(_entries(items, feed_id, url, now, warnings))
    if not entries:
        return replace(nothing(Outcome.EMPTY, "None of its entries has any text"), form=str(document.form))
    return ParsedFeed(
        entries=entries,
        language=_language(document.language),
        title=plain_text(document.title, 200),
        warnings=tuple(warnings),
        complete=not document.truncated,
        form=str(document.form),
    )


def nothing(outcome: Outcome, detail: str) -> ParsedFeed:
    """A body of which nothing can be used."""
    return ParsedFeed(outcome=outcome, error=sentence(outcome, detail), complete=outcome is Outcome.EMPTY)


def reader_of(body: bytes) -> Read:
    """Which of the readers a body is for, by how it begins."""
    if jsonfeed.looks_so(body):
        return jsonfeed.read
    return sitemap.read if sitemap.looks_so(body) else syndication.read


def _entries(items: Sequence[Item], feed_id: str, url: str, now: datetime, warnings: list[str]) -> list[Entry]:
    links = [http_link(item.link, url) for item in items]
    keys = [canonical_link(link) if link else None for link in links]
    guids, shared = _reused_guids(items, keys), _shared_links(items, keys)
    if guids:
        warnings.append(f"{len(guids)} ids stand at several different links; the link identifies those entries")
    entries = []
    for item, link, key in zip(items, links, keys, strict=True):
        guid = "" if item.guid in guids else item.guid
        page = article_id(feed_id, "link", key) if key and not item.filing else None
        entry = _entry(replace(item, guid=guid), link, page, feed_id, now, shared=key in shared)
        if entry is not None:
            entries.append(entry)
    if len(entries) < len(items):
        warnings.append(f"{len(items) - len(entries)} entries without any text were left out")
    if undated := sum(entry.dated.flag in (Flag.MISSING, Flag.UNPARSABLE) for entry in entries):
        warnings.append(f"{undated} entries have no usable date; they count when they were first seen")
    if cut := sum(entry.cut for entry in entries):
        warnings.append(f"{cut} titles were cut at {TITLE_LIMIT:,} characters")
    return entries


def _entry(
    item: Item, link: str | None, page: str | None, feed_id: str, now: datetime, *, shared: bool
) -> Entry | None:
    summary = plain_text(item.summary, SUMMARY_LIMIT)
    title = plain_text(item.title, TITLE_LIMIT) or plain_text(summary, _TITLE_FROM_SUMMARY)
    if not title:
        return None
    link_key = None if shared else page
    by_title = article_id(feed_id, "title", title, *([link] if link else []))
    return Entry(
        article_id=_id(item, title, link_key or by_title, feed_id),
        kind="filing" if item.filing else "news",
        url=link,
        title=title,
        summary=summary,
        dated=_dated(item.date, now),
        content_sha256=content_sha256(title, summary),
        link_key=link_key,
        page=page,
        by_title="" if item.guid else by_title,
        guided=bool(item.guid) and not item.filing,
        cut=was_cut(title, TITLE_LIMIT),
    )


def _id(item: Item, title: str, otherwise: str, feed_id: str) -> str:
    if item.guid:
        # EDGAR gives one id to a filing and lists it once for every party to it.
        return (
            article_id(feed_id, "filing", item.guid, title) if item.filing else article_id(feed_id, "guid", item.guid)
        )
    return otherwise


def _dated(text: str, now: datetime) -> Dated:
    dated = with_flag(parse_date(text, seen=now), now)
    return replace(dated, raw=plain_text(dated.raw, 200))


def _reused_guids(items: Sequence[Item], keys: Sequence[str | None]) -> frozenset[str]:
    """Ids that one document gives to entries with different links (filings apart: see `_id`)."""
    pairs = {(item.guid, key) for item, key in zip(items, keys, strict=True) if not item.filing}
    counts = Counter(guid for guid, key in pairs if guid and key)
    return frozenset(guid for guid, n in counts.items() if n > 1)


def _shared_links(items: Sequence[Item], keys: Sequence[str | None]) -> frozenset[str]:
    """Links that lead from several entries of one document to one page (a home page, a live blog): no identity.

    Entries that are the same in all but their guids share nothing: they are one story.
    """
    stories = {
        (key, item.title, *((item.summary, item.date) if item.guid else ()))
        for item, key in zip(items, keys, strict=True)
    }
    counts = Counter(story[0] for story in stories if story[0])
    return frozenset(key for key, n in counts.items() if n > 1)


def _language(text: str) -> str | None:
    match = re.match(r"([a-z]{2,3})(?:[-_]|$)", text.strip().lower())
    return match[1] if match else None
