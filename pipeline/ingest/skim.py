"""A driver for xml.sax (expat's) that drops what no article is made of, before feedparser spends its time on it.

Half of the elements of a news feed are pictures, credits and keywords. Everything else passes as it is, and so does a
document that is no whole XML: feedparser reads such a one in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from xml.sax.expatreader import ExpatParser

import feedparser.api

__all__ = ["create_parser", "skimming"]

_DC, _MEDIA = "http://purl.org/dc/elements/1.1/", "http://search.yahoo.com/mrss/"
_ATOM = "http://www.w3.org/2005/Atom"
# These go with all that is in them. RSS has no namespace; of an Atom category the label tells a filing of EDGAR.
_DROPPED = frozenset(
    [
        *((None, name) for name in ("author", "category", "comments")),
        *((_ATOM, name) for name in ("author", "contributor")),
        *((_DC, name) for name in ("creator", "contributor", "publisher", "rights", "subject")),
        *((_MEDIA, name) for name in ("category", "copyright", "credit", "keywords", "rating", "thumbnail")),
    ]
)
# This one goes without what is in it: its title may be the only one that an entry has.
_OPENED = (_MEDIA, "content")
_Name = tuple[str | None, str]


class _Skimmer(ExpatParser):
    """Passes on the start, end and text of elements that count; `_below` is how deep we are in one that does not."""

    _parser: Any  # expat's, and whom it tells: the types of the standard library leave both out
    _cont_handler: Any
    _below = 0

    def reset(self) -> None:
        super().reset()
        self._below = 0
        self._parser.buffer_text = True
        self._names: dict[str, _Name] = {}

    def start_element_ns(self, name: str, attrs: Mapping[str, str]) -> None:
        if self._below:
            self._below += 1
        elif (known := self._name(name)) in _DROPPED:
            self._below = 1
            self._parser.CharacterDataHandler = None
        elif known != _OPENED:
            super().start_element_ns(name, attrs)

    def end_element_ns(self, name: str) -> None:
        if self._below:
            self._below -= 1
            if not self._below:
                self._parser.CharacterDataHandler = self._cont_handler.characters
        elif self._name(name) != _OPENED:
            super().end_element_ns(name)

    def _name(self, text: str) -> _Name:
        """Namespace and name of what expat calls 'namespace name prefix'."""
        if text not in self._names:
            parts = text.split(" ")
            self._names[text] = (parts[0], parts[1]) if len(parts) > 1 else (None, text)
        return self._names[text]


def create_parser() -> ExpatParser:
    """What xml.sax asks a driver for."""
    return _Skimmer()


@contextmanager
def skimming() -> Iterator[None]:
    """Within the block feedparser reads with this driver."""
    before = feedparser.api.PREFERRED_XML_PARSERS
    feedparser.api.PREFERRED_XML_PARSERS = [__name__]
    try:
        yield
    finally:
        feedparser.api.PREFERRED_XML_PARSERS = before
