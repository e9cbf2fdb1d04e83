"""Titles and summaries as plain text: markup, entities, control characters and writing tricks gone."""

from __future__ import annotations

import html
import re
import unicodedata
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import nh3

__all__ = ["SUMMARY_LIMIT", "TITLE_LIMIT", "canonical_link", "http_link", "plain_text"]

TITLE_LIMIT = 1_000
SUMMARY_LIMIT = 4_000
_LINK_LIMIT = 2_000
# Markup is cut before it is cleaned: a summary that holds a whole page costs no more than this.
_RAW_FACTOR = 20
_ROUNDS = 20

_BLOCKS = re.compile(r"<(?=/?(?:p|br|div|li|ul|ol|tr|td|th|h[1-6]|blockquote)\b)", re.IGNORECASE)
# Lone surrogates (the store refuses them), C0 and C1 controls, direction overrides, invisible spaces and joins.
_UNWANTED = re.compile(
    "[\ud800-\udfff\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|mc_cid|mc_eid|cmpid|ocid|ftcamp", re.IGNORECASE)


def plain_text(markup: str | None, limit: int) -> str:
    """`markup` as one line of at most `limit` characters, in Unicode's NFC.

    Cleaned and unescaped until nothing changes, since feeds escape twice and hide tags behind entities.
    """
    if not markup:
        return ""
    text = _UNWANTED.sub("", markup[: limit * _RAW_FACTOR])
    for _ in range(_ROUNDS):
        if "<" not in text and "&" not in text:
            break
        before = text
        # Unwanted characters go in every round: an invisible one inside a tag hides it from the cleaner.
        text = _UNWANTED.sub("", html.unescape(nh3.clean(_BLOCKS.sub(" <", text), tags=set())))
        if text == before:
            break
    else:
        text = text.replace("<", " ").replace("&", " ")
    text = unicodedata.normalize("NFC", text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def http_link(link: str | None, base: str = "") -> str | None:
    """`link` made absolute, if it is http(s); None for anything else (`javascript:`, `data:`, nothing)."""
    if not link or len(link) > _LINK_LIMIT:
        return None
    try:
        absolute = urljoin(base, _UNWANTED.sub("", link).strip())
        parts = urlsplit(absolute)
    except ValueError:
        return None
    return absolute if parts.scheme in ("http", "https") and parts.hostname else None


def canonical_link(link: str) -> str:
    """`link` for comparison only: host in lower case, no fragment, no tracking parameters."""
    parts = urlsplit(link)
    pairs = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if not _TRACKING.fullmatch(k)]
    return urlunsplit(("https", parts.netloc.lower(), parts.path.rstrip("/"), urlencode(pairs), ""))
