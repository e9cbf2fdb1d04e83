"""Links: http(s) or nothing, and one form in which two addresses of the same page are equal."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

from w3lib.url import canonicalize_url

from pipeline.ingest.text import UNWANTED

__all__ = ["canonical_link", "http_link"]

_LINK_LIMIT = 2_000
_UNWRAPS = 3
_PORTS = {"http": 80, "https": 443}

# Parameters that say where a reader came from, never what is shown. Names that anywhere stand for an article (id, cid,
# source) are not here: two stories taken for one are worse than one taken for two.
_TRACKING = re.compile(
    r"(?:utm|pk|mtm|hsa|oly|vero|itm|ns|at)_\w+|_hs(?:enc|mi)|_ga|_gl|__twitter_impression"
    r"|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|igshid|igsh|twclid|ttclid|yclid|ysclid"
    r"|mc_[ce]id|mkt_tok|cmpid|cmp_id|ocid|ftcamp|ftag|xtor|s_cid|ncid|smid|smtyp|sref|sr_share|tsrc|taid"
    r"|guccounter|guce_referrer\w*|ref_src|ref_url|traffic_source|reflink",
    re.IGNORECASE,
)
# Names that may stand for an article; dropped only where their value says that the reader came from a feed.
_FROM_FEED = re.compile(r"(?:mod|ref|source|src|from|cmp|feed\w*|partner|syn|rss)=(?:\w*[-_])?rss\w*", re.IGNORECASE)
_AMP_QUERY = re.compile(r"amp|output_?type|output", re.IGNORECASE)
_AMP_VALUES = {"", "1", "true", "amp"}
_AMP_CACHE = re.compile(r"^/(?:[civ]/)?(?:s/)?(?P<page>[^/]+\.[^/]+/.*)$")
_AMP_PATH = re.compile(r"^/amp(?=/.)|/amp(?:\.html?)?$|\.amp(?=\.html?$)|\.amp$", re.IGNORECASE)
_ASIDE_HOSTS = ("www.", "m.", "mobile.", "amp.", "wap.")
_INDEX = re.compile(r"/(?:index\.(?:html?|php|aspx?))$", re.IGNORECASE)

# Pages that only send the reader on; where to stands in one of these parameters.
_REDIRECTOR_PATH = re.compile(
    r"/(?:url|redirect|redirector|redir|out|click|away|goto|l\.php|rd|track)/?$", re.IGNORECASE
)
_REDIRECTOR_HOST = re.compile(r"^(?:l|lm|out|click|clicks|go|away|redirect|track|r)\.", re.IGNORECASE)
_DESTINATION = re.compile(r"url|u|q|z|to|target|dest|destination|murl|redirect|redirect_?ur[il]|link", re.IGNORECASE)


def http_link(link: str | None, base: str = "") -> str | None:
    """`link` made absolute, if it is http(s); None for anything else (`javascript:`, `data:`, nothing)."""
    if not link or len(link) > _LINK_LIMIT:
        return None
    try:
        absolute = urljoin(base, UNWANTED.sub("", link).strip())
        parts = urlsplit(absolute)
    except ValueError:
        return None
    return absolute if parts.scheme in ("http", "https") and parts.hostname else None


def canonical_link(link: str) -> str:
    """`link` in the form that all addresses of its page share; for comparison, never to be fetched.

    Redirectors and AMP caches are opened (what they lead to stands in them), then: https, the host without `www.`,
    `m.`, `amp.` and the usual port, no tracking parameters, no fragment, parameters sorted, percent-encoding unified
    (w3lib), no trailing slash. A link that cannot be taken apart is given back as it is.
    """
    try:
        return _canonical(_opened(link))
    except ValueError:
        return link


def _opened(link: str) -> str:
    for _ in range(_UNWRAPS):
        inner = _destination(link)
        if inner is None:
            break
        link = inner
    return link


def _destination(link: str) -> str | None:
    """The address that a redirector or AMP cache carries, if it is one."""
    parts = urlsplit(link)
    host = (parts.hostname or "").lower()
    if host.endswith(".ampproject.org") or (host.endswith("google.com") and parts.path.startswith("/amp/")):
        match = _AMP_CACHE.match(parts.path.removeprefix("/amp"))
        return f"https://{match['page']}" if match else None
    if _REDIRECTOR_PATH.search(parts.path) or _REDIRECTOR_HOST.match(host):
        for name, value in parse_qsl(parts.query):
            if _DESTINATION.fullmatch(name) and value.lower().startswith(("http://", "https://")):
                return value if urlsplit(value).hostname else None
    if host.endswith("search.yahoo.com") and (match := re.search(r"/RU=([^/]+)/", parts.path)):
        return unquote(match[1])
    return None


def _canonical(link: str) -> str:
    parts = urlsplit(canonicalize_url(link))
    host = (parts.hostname or "").lower()
    for prefix in _ASIDE_HOSTS:
        rest = host.removeprefix(prefix)
        if rest != host and "." in rest:
            host = rest
    if parts.port and parts.port != _PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    pairs = [
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if not _TRACKING.fullmatch(name)
        and not _FROM_FEED.fullmatch(f"{name}={value}")
        and not (_AMP_QUERY.fullmatch(name) and value.lower() in _AMP_VALUES)
    ]
    path = _INDEX.sub("", _AMP_PATH.sub("", parts.path.rstrip("/"))).rstrip("/")
    return urlunsplit(("https", host, path, urlencode(pairs), ""))
