"""By what a feed's entries are known (guid, link or text), and how that is learned of a feed whose guids mean nothing.

Pure. An entry whose guid is new is still the article of before where the link and the text are those of one; what a
feed makes of its guids is judged by whole polls, and kept with the feed once two in a row say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from urllib.parse import urlsplit

from pipeline.ingest.identity import SHARED, Candidate, Known, article_id

__all__ = ["Cause", "Found", "Identity", "Memory", "Policy", "Resolved", "alike", "learned", "resolve"]

# A judgement needs so many entries that were seen before, and so many polls in a row that agree.
_LEAST = 3
_POLLS = 2
# Two titles that share fewer of their words than this are not one story retold.
_ALIKE = 1 / 3


class Policy(StrEnum):
    """Kept in `feeds.identity`; a feed is `guid` until it is learned otherwise."""

    GUID = "guid"
    LINK = "link"
    HASH = "hash"


class Cause(StrEnum):
    """Why a feed is not known by its guids; kept in `feeds.identity_reason`."""

    RESTLESS_GUIDS = "restless_guids"
    RESTLESS_LINKS = "restless_links"
    REUSED_GUIDS = "reused_guids"

    @property
    def policy(self) -> Policy:
        """What to know the entries by instead."""
        return Policy.HASH if self is Cause.RESTLESS_LINKS else Policy.LINK

    @property
    def words(self) -> str:
        """The same for people."""
        return _WORDS[self]


_WORDS = {
    Cause.RESTLESS_GUIDS: "its guids change at every poll, so articles are known by their links",
    Cause.RESTLESS_LINKS: "its guids and links change at every poll, so articles are known by their text",
    Cause.REUSED_GUIDS: "it gives old guids to new articles, so articles are known by their links",
}


@dataclass(frozen=True)
class Identity:
    """The policy of one feed; `hint` is what the last poll said, as 'cause:polls', and '' for nothing."""

    policy: Policy = Policy.GUID
    cause: Cause | None = None
    since: datetime | None = None
    hint: str = ""


class Found(StrEnum):
    """By what an entry was recognised; `nothing`: it is new."""

    GUID = "guid"
    LINK = "link"
    TEXT = "text"
    REUSED = "reused"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Resolved:
    """Which article an entry is, and what said so."""

    article_id: str
    found: Found


@dataclass
class Memory:
    """What the store knows of the entries at hand.

    `contents` are by (feed, sha256 of the text, day), of recent articles: the same words dated to another day are news
    again, such as the result of a weekly auction. `shared`: pages that several stories have been seen to share.
    """

    ids: dict[str, Known] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    contents: dict[tuple[str, str, date | None], str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)

    def learn(self, feed_id: str, known: Known, article: str) -> None:
        """Take in a revision that was just decided on."""
        page = known.link_key
        if page and page.startswith(SHARED):
            self.shared.add(page.removeprefix(SHARED))
            known = replace(known, link_key=None)
        elif page:
            self.links.setdefault(page, article)
        self.ids[article] = known
        self.contents.setdefault((feed_id, known.content_sha256, known.day), article)


def resolve(
    identity: Identity, feed_id: str, entries: Sequence[Candidate], memory: Memory, day: date
) -> list[Resolved]:
    """The article of each entry, in their order, under the feed's policy.

    `day` is that of the poll: without a date of its own it tells a text from the same words long after.
    """

    def text(entry: Candidate) -> Resolved:
        have = memory.contents.get((feed_id, entry.content_sha256, entry.day))
        if have:
            return Resolved(have, Found.TEXT)
        return Resolved(
            article_id(feed_id, "text", entry.content_sha256, (entry.day or day).isoformat()), Found.NOTHING
        )

    def one(entry: Candidate) -> Resolved:
        if entry.fixed or identity.policy is Policy.GUID:
            return _by_guid(entry, memory)
        if identity.policy is Policy.LINK and entry.link_key and entry.link_key not in memory.shared:
            return _by_link(entry.link_key, memory)
        return text(entry)

    resolved = _once(entries, [one(entry) for entry in entries])
    if identity.policy is Policy.GUID and _cause(_counts(entries, resolved, feed_id, memory)) is Cause.RESTLESS_LINKS:
        # Nothing but the text is left to go by, and a whole document of it says so.
        return [
            text(entry) if entry.guided and found.found is Found.NOTHING else found
            for entry, found in zip(entries, resolved, strict=True)
        ]
    return resolved


def learned(
    identity: Identity,
    feed_id: str,
    entries: Sequence[Candidate],
    resolved: Sequence[Resolved],
    memory: Memory,
    at: datetime,
) -> Identity:
    """What one poll says of the feed; `memory` must be as it was before the poll. A policy once learned stays."""
    if identity.policy is not Policy.GUID:
        return identity
    counts = _counts(entries, resolved, feed_id, memory)
    if counts["seen"] < _LEAST:
        return identity
    cause = _cause(counts)
    if cause is None:
        return replace(identity, hint="")
    before, _, polls = identity.hint.partition(":")
    n = int(polls) + 1 if before == cause else 1
    if n < _POLLS:
        return replace(identity, hint=f"{cause}:{n}")
    return Identity(cause.policy, cause, at)


def _once(entries: Sequence[Candidate], resolved: Sequence[Resolved]) -> list[Resolved]:
    """Entries of one document that are the same in all but their guids are one new article."""
    first: dict[tuple[str, str, date | None], Resolved] = {}
    return [
        first.setdefault((entry.link_key, entry.content_sha256, entry.day), found)
        if entry.guided and entry.link_key and found.found is Found.NOTHING
        else found
        for entry, found in zip(entries, resolved, strict=True)
    ]


def _by_page(entry: Candidate, page: str, memory: Memory) -> Resolved:
    """An entry without a guid: by its page, or where stories share that, by its title there.

    What is known by its title stays so, whoever its neighbours are; a page that was shared once is no name any more.
    """
    if entry.by_title in memory.ids:
        return Resolved(entry.by_title, Found.TEXT)
    have = memory.links.get(page)
    shared = entry.link_key is None or page in memory.shared
    if have is None:
        return Resolved(entry.by_title if shared else page, Found.NOTHING)
    known = memory.ids[have]
    if entry.title.casefold() == known.title.casefold() or not (shared or _elsewhere(entry, known)):
        return Resolved(have, Found.LINK)
    return Resolved(entry.by_title, Found.NOTHING)


def _elsewhere(entry: Candidate, have: Known) -> bool:
    """Whether it stands at another place of the page (`#entry-7`), in other words."""
    places = [urlsplit(url or "").fragment for url in (entry.url, have.url)]
    return all(places) and places[0] != places[1] and not alike(entry.title, have.title)


def _by_guid(entry: Candidate, memory: Memory) -> Resolved:
    if entry.by_title and entry.page:
        return _by_page(entry, entry.page, memory)
    have = memory.ids.get(entry.article_id)
    if have is not None and not (entry.guided and entry.link_key and _another(entry, have)):
        return Resolved(entry.article_id, Found.GUID)
    if have is not None and entry.link_key:
        return replace(_by_link(entry.link_key, memory), found=Found.REUSED)
    same_page = memory.links.get(entry.link_key) if entry.link_key else None
    if same_page and (not entry.guided or memory.ids[same_page].content_sha256 == entry.content_sha256):
        return Resolved(same_page, Found.LINK)
    return Resolved(entry.article_id, Found.NOTHING)


def _by_link(key: str, memory: Memory) -> Resolved:
    have = memory.links.get(key)
    return Resolved(have, Found.LINK) if have else Resolved(key, Found.NOTHING)


def _another(entry: Candidate, have: Known) -> bool:
    """Whether a known guid now stands for another story: at another link, and in other words."""
    if have.link_key is None or have.link_key == entry.link_key:
        return False
    return not alike(entry.title, have.title)


def alike(title: str, other: str) -> bool:
    """Whether two titles may be one story retold."""
    ours, theirs = (set(re.findall(r"\w+", text.casefold())) for text in (title, other))
    return len(ours & theirs) >= _ALIKE * len(ours | theirs)


def _counts(
    entries: Sequence[Candidate], resolved: Sequence[Resolved], feed_id: str, memory: Memory
) -> Mapping[str, int]:
    """Of the entries with a guid: how many there are, were seen before, and by what."""
    counts = dict.fromkeys(("all", "seen", "guid", "link", "text", "reused"), 0)
    for entry, result in zip(entries, resolved, strict=True):
        if not entry.guided:
            continue
        found = result.found
        if found is Found.NOTHING and entry.link_key in memory.links:
            found = Found.LINK
        elif found is Found.NOTHING and (feed_id, entry.content_sha256, entry.day) in memory.contents:
            found = Found.TEXT
        counts["all"] += 1
        if found is not Found.NOTHING:
            counts["seen"] += 1
            counts[found] += 1
    return counts


def _cause(counts: Mapping[str, int]) -> Cause | None:
    if counts["reused"] >= max(_LEAST, (counts["guid"] + counts["reused"]) / 2):
        return Cause.REUSED_GUIDS
    again = counts["link"] + counts["text"]
    if again < max(_LEAST, counts["all"] / 2) or counts["guid"] > counts["all"] / 10:
        return None
    return Cause.RESTLESS_GUIDS if counts["link"] >= counts["text"] else Cause.RESTLESS_LINKS
