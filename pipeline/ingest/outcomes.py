"""How an attempt to fetch a feed can end, each end with one sentence that says what to do."""

from __future__ import annotations

import re
from enum import StrEnum
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

__all__ = ["SUCCESSES", "Outcome", "masked", "masked_text", "sentence"]


class Outcome(StrEnum):
    """Kept in `fetches.outcome` and `feeds.last_outcome`."""

    NEW = "new"  # at least one article or revision that the store did not have
    UNCHANGED = "unchanged"  # 304
    SAME_BODY = "same_body"  # 200, but the bytes are those of the last time
    NOTHING_NEW = "nothing_new"  # other bytes, no other articles
    EMPTY = "empty"  # a feed without entries
    NOT_A_FEED = "not_a_feed"  # a web page, or no body at all
    MALFORMED = "malformed"  # broken, and no entry of it could be kept
    HTTP_ERROR = "http_error"
    HUSHED = "hushed"  # not asked: its host has just asked to be left alone
    GONE = "gone"  # 410: never asked again
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"  # an address that must not be fetched
    NETWORK = "network"
    TLS = "tls"
    BAD_URL = "bad_url"


SUCCESSES = frozenset({Outcome.NEW, Outcome.UNCHANGED, Outcome.SAME_BODY, Outcome.NOTHING_NEW, Outcome.EMPTY})

_SENTENCES = {
    Outcome.NEW: "It delivered something new; nothing to do.",
    Outcome.UNCHANGED: "Nothing changed since the last fetch; nothing to do.",
    Outcome.SAME_BODY: "The same bytes as the last time; nothing to do.",
    Outcome.NOTHING_NEW: "Every entry was known already; nothing to do.",
    Outcome.EMPTY: "It is a feed but has no entries; if it stays so, look for the publisher's current feed.",
    Outcome.NOT_A_FEED: "It is no feed; open it in a browser and look for the feed's address.",
    Outcome.MALFORMED: "The feed is broken, no entry could be read; it is tried again, tell the publisher if it stays.",
    Outcome.HTTP_ERROR: "The server answered with an error; it is tried again later.",
    Outcome.HUSHED: "Its host has just asked to be left alone; it is asked again when that time is over.",
    Outcome.GONE: "The publisher removed this feed (410), it is not asked again; `barograph feeds remove` it.",
    Outcome.TIMEOUT: "It did not finish in time; it is tried again, or raise [ingest] timeout_s.",
    Outcome.TOO_LARGE: "The body is larger than allowed; raise [ingest] max_body_mb if this feed must be so large.",
    Outcome.BLOCKED: "Private addresses and unusual ports are refused; name it in [ingest] allow_hosts to fetch it.",
    Outcome.NETWORK: "The server could not be reached; check the network and the host name. It is tried again later.",
    Outcome.TLS: "The server's certificate cannot be trusted; tell the publisher, certificates are always checked.",
    Outcome.BAD_URL: "The address cannot be fetched; mend it in the OPML file.",
}


def sentence(outcome: Outcome, detail: str = "") -> str:
    """What to tell a person: the detail of this case if there is one, then what to do."""
    if not detail:
        return _SENTENCES[outcome]
    return f"{detail}{'' if detail.endswith(('?', '!', '.')) else '.'} {_SENTENCES[outcome]}"


def masked(url: str) -> str:
    """`url` without its secrets: user and password gone, the values of its query replaced."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = urlencode([(key, "***") for key, _ in parse_qsl(parts.query, keep_blank_values=True)], safe="*")
    except ValueError:
        return "(an address that cannot be read)"
    return urlunsplit((parts.scheme, host, parts.path, query, ""))


def masked_text(text: str) -> str:
    """`text` with every http(s) address in it masked."""
    return re.sub(r"https?://[^\s'\"<>]+", lambda match: masked(match[0]), text)
