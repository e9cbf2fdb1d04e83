"""Cleaning of a text, the same for training and scoring, and the key under which near twins meet."""

import hashlib
import html
import re
import unicodedata

_LINK = re.compile(r"\b(?:https?://|www\.)\S+|\bpic\.twitter\.com/\S+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_CASHTAG = re.compile(r"\$[a-z]\w*")
_NOT_LETTER = re.compile(r"[\W\d_]+")


def clean(text: str) -> str:
    """Return the text as the network reads it: entities resolved, links gone, all runs of space one space."""
    # Twice, because feeds and tweets deliver "&amp;amp;" as well.
    resolved = html.unescape(html.unescape(text))
    without_links = _LINK.sub(" ", resolved)
    printable = "".join(" " if unicodedata.category(c) == "Cc" else c for c in without_links)
    return _SPACE.sub(" ", printable).strip()


def twin_key(text: str) -> str:
    """Return what near twins have in common: lower-case words, without links, cashtags, digits and punctuation."""
    folded = clean(text).lower()
    return _NOT_LETTER.sub(" ", _CASHTAG.sub(" ", folded)).strip()


def share(text: str, salt: str = "dev") -> float:
    """Return a number in [0, 1) drawn from the hash of the text's twin key: equal for near twins, stable everywhere."""
    digest = hashlib.sha256(f"{salt}:{twin_key(text)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
