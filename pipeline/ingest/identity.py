"""What makes two entries the same article, and what makes an article a new revision of itself. Pure."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

__all__ = [
    "MAX_REVISIONS",
    "SHARED",
    "Candidate",
    "Decision",
    "Known",
    "Reason",
    "article_id",
    "content_sha256",
    "decide",
    "feed_id",
]

# Before the link key of an article whose page other stories share: then the page is no name.
SHARED = "~"
# A feed whose text holds the clock would otherwise grow the store at every poll: after so many revisions an article
# gets one more a day, so that a correction that comes late is still kept.
MAX_REVISIONS = 24
_THEN_EVERY = timedelta(days=1)


class Reason(StrEnum):
    """Why an entry becomes a row, or does not."""

    FIRST = "first"
    REVISED = "revised"
    KNOWN = "known"
    REPEATED_IN_FEED = "repeated_in_feed"
    TOO_MANY_REVISIONS = "too_many_revisions"

    @property
    def stores(self) -> bool:
        """Whether a row is written."""
        return self in (Reason.FIRST, Reason.REVISED)


@dataclass(frozen=True)
class Candidate:
    """An entry, reduced to what the decision needs.

    `article_id` is by its guid or what stands in for it (`guided`: it is by a guid), `link_key` by its canonical link,
    `page` too, also where other entries share it; `by_title`: the id by title and `url` of an entry without a guid.
    `fixed`: no policy changes the id (filings). `day`: of the source's own date (UTC), where that is plausible.
    """

    article_id: str
    content_sha256: str
    link_key: str | None = None
    title: str = ""
    guided: bool = False
    fixed: bool = False
    day: date | None = None
    page: str | None = None
    by_title: str = ""
    url: str | None = None


@dataclass(frozen=True)
class Known:
    """The newest revision that the store has (since `changed_at`), and when its article was first seen."""

    revision: int
    content_sha256: str
    first_seen_at: datetime
    changed_at: datetime
    title: str = ""
    link_key: str | None = None
    day: date | None = None
    url: str | None = None


@dataclass(frozen=True)
class Decision:
    """What to do with the entry at the same place in the list; `revision` is the one it has or gets."""

    article_id: str
    revision: int
    reason: Reason


def decide(known: Mapping[str, Known], entries: Sequence[Candidate], at: datetime) -> list[Decision]:
    """One decision per entry, in their order, at the time of the poll.

    Of several with one identity in one document the first counts.
    """
    decisions = []
    seen: set[str] = set()
    for entry in entries:
        have = known.get(entry.article_id)
        if entry.article_id in seen:
            reason, revision = Reason.REPEATED_IN_FEED, 0
        elif have is None:
            reason, revision = Reason.FIRST, 1
        elif have.content_sha256 == entry.content_sha256:
            reason, revision = Reason.KNOWN, have.revision
        elif have.revision >= MAX_REVISIONS and at - have.changed_at < _THEN_EVERY:
            reason, revision = Reason.TOO_MANY_REVISIONS, have.revision
        else:
            reason, revision = Reason.REVISED, have.revision + 1
        seen.add(entry.article_id)
        decisions.append(Decision(entry.article_id, revision, reason))
    return decisions


def feed_id(url: str) -> str:
    """The id of a feed: it is made from the address it was added with and stays when the feed moves."""
    return _hash(url.strip())


def article_id(*parts: str) -> str:
    """The id of an article, from all that identifies it (feed and guid, or publisher, title, date and link)."""
    return _hash(*parts)


def content_sha256(title: str, summary: str) -> str:
    """A hash of the text that ignores case, spacing and compatibility forms, so that these make no revision."""
    text = unicodedata.normalize("NFKC", f"{title}\n{summary}").casefold()
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def _hash(*parts: str) -> str:
    # The unit separator cannot stand in cleaned text, so ("a", "bc") and ("ab", "c") differ.
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
