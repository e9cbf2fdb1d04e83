"""What the feeds of the soak publish, and how each misbehaves when: all of it drawn from the seed. Pure."""

from __future__ import annotations

import email.utils
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import accumulate, takewhile

__all__ = ["WINDOW", "Fault", "Feed", "document", "fault_at", "feeds", "title"]

# A feed shows its newest entries only, but all of them for longer than the longest wait between two polls.
WINDOW = 60
_SLOT_S = 7.0
_MISBEHAVING = 0.4
_FIRMS = ("Marlow Freight", "Tessaly Foods", "Quillon Bank", "Orrin Steel", "Vantry Health", "Lindqvist Solar")
_DEEDS = ("opens a depot", "names a chair", "cuts its outlook", "wins a permit", "closes a plant", "sells a unit")


class Fault(StrEnum):
    """How a feed answers in one slot of time; `NONE` as it should."""

    NONE = "none"
    LATE = "late"  # whole, but after a pause
    SLOW = "slow"  # drips past the deadline
    TRUNCATED = "truncated"  # ends within an entry, with the ETag of the whole
    BROKEN = "broken"  # markup that is no XML between two entries
    EMPTY = "empty"
    MOVED = "moved"  # 301
    MOVED_FOR_NOW = "moved for now"  # 302
    LED_AWAY = "led away"  # 301 to an address that must not be asked
    LOOP = "loop"
    BOMB = "bomb"  # gzip of far more than is allowed
    TOO_LONG = "length too long"  # announces more than it sends
    TOO_SHORT = "length too short"  # announces less than it sends
    WRONG_TYPE = "wrong type"
    PAGE = "web page"
    REPEATED = "repeated"  # every entry twice
    REGUIDED = "other guids"  # the same entries under guids of the moment
    TRACKED = "other guids and links"  # the same, and with tracking in the links
    TOO_MANY = "429"
    ERROR = "500"
    UNAVAILABLE = "503"
    RESET = "reset"


@dataclass(frozen=True)
class Feed:
    """`appears`: when each of its entries does, in seconds of the soak."""

    number: int
    appears: tuple[float, ...]

    @property
    def atom(self) -> bool:
        """Every third feed is Atom, the others are RSS."""
        return self.number % 3 == 1

    @property
    def validators(self) -> bool:
        """Whether its server knows ETag."""
        return self.number % 4 != 0

    def shown(self, elapsed: float) -> range:
        """The numbers of the entries it shows after so many seconds."""
        n = sum(1 for _ in takewhile(lambda at: at <= elapsed, self.appears))
        return range(max(0, n - WINDOW), n)


def feeds(seed: int, count: int, seconds: float) -> list[Feed]:
    """So many feeds. Most fall silent before the end: there a 304 that is not true hides an entry for good."""
    made = []
    for number in range(count):
        chance = random.Random(f"{seed}:{number}")
        first, gap, until = chance.randint(5, 20), chance.uniform(10, 60), seconds * chance.choice((0.3, 0.6, 0.9))
        waits = (chance.expovariate(1 / gap) for _ in range(int(seconds)))
        made.append(Feed(number, (0.0,) * first + tuple(at for at in accumulate(waits) if at < until)))
    return made


def fault_at(seed: int, feed: int, elapsed: float) -> Fault:
    """How the feed answers now."""
    chance = random.Random(f"{seed}:{feed}:{int(elapsed / _SLOT_S)}")
    return chance.choice(list(Fault)[1:]) if chance.random() < _MISBEHAVING else Fault.NONE


def title(feed: int, entry: int) -> str:
    """The title, which no other entry has; '&' is one that must be escaped."""
    return f"Feed {feed} entry {entry}: {_FIRMS[(feed + entry) % 6]} & Co {_DEEDS[entry % 6]}"


def document(feed: Feed, entries: Sequence[int], fault: Fault, origin: float, elapsed: float) -> bytes:
    """The feed with these entries, newest first."""
    one = _atom_entry if feed.atom else _rss_item
    mark = f"-{int(elapsed * 1000)}" if fault in (Fault.REGUIDED, Fault.TRACKED) else ""
    query = f"?utm_source=rss&amp;utm_campaign=c{mark}" if fault is Fault.TRACKED else ""
    parts = [
        one(feed.number, n, mark, query, datetime.fromtimestamp(origin + feed.appears[n], UTC))
        for n in reversed(entries)
        for _ in range(2 if fault is Fault.REPEATED else 1)
    ]
    if fault is Fault.BROKEN:
        parts.insert(len(parts) // 2, "<br></p>&nbsp;&oops <")
    head = f"<title>Feed {feed.number}</title>"
    if feed.atom:
        inner = f'<feed xmlns="http://www.w3.org/2005/Atom">{head}<id>urn:{feed.number}</id>{"".join(parts)}</feed>'
    else:
        inner = f'<rss version="2.0"><channel>{head}{"".join(parts)}</channel></rss>'
    return f'<?xml version="1.0" encoding="utf-8"?>{inner}'.encode()


_One = Callable[[int, int, str, str, datetime], str]


def _rss_item(feed: int, n: int, mark: str, query: str, at: datetime) -> str:
    return (
        f"<item><title>{title(feed, n).replace('&', '&amp;')}</title><guid isPermaLink='false'>{feed}-{n}{mark}</guid>"
        f"<link>https://press.example/{feed}/{n}{query}</link><pubDate>{email.utils.format_datetime(at)}</pubDate>"
        f"<description>&lt;p&gt;Number {n} of feed {feed}.&lt;/p&gt;</description></item>"
    )


def _atom_entry(feed: int, n: int, mark: str, query: str, at: datetime) -> str:
    return (
        f"<entry><title>{title(feed, n).replace('&', '&amp;')}</title>"
        f'<id>urn:entry:{feed}-{n}{mark}</id><link href="https://press.example/{feed}/{n}{query}"/>'
        f"<updated>{at.isoformat()}</updated>"
        f"<summary>Number {n} of feed {feed}.</summary></entry>"
    )
