"""What a body holds before it is judged: its form, and its entries as the source wrote them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.ingest.dates import parse_date
from pipeline.ingest.outcomes import Outcome

__all__ = ["MAX_ENTRIES", "Document", "Form", "Item", "Read", "Unusable", "one_line", "within"]

MAX_ENTRIES = 500
# So many entries at either end say whether a document begins or ends with what is newest.
_PROBE = 5


class Form(StrEnum):
    """What kind of feed a document is."""

    RSS = "rss"
    RDF = "rdf"
    ATOM = "atom"
    JSON = "json"
    SITEMAP = "sitemap"


@dataclass(frozen=True)
class Item:
    """One entry as it stood there, markup and all; '' for what it does not say. `date` is the source's text."""

    title: str = ""
    summary: str = ""
    link: str = ""
    guid: str = ""
    date: str = ""
    filing: bool = False


@dataclass(frozen=True)
class Document:
    """One body. `total` entries stood in it, `items` are those to be read; `damage` says how it is broken.

    `truncated`: it broke off, so that there was more than we have.
    """

    form: Form
    items: tuple[Item, ...]
    total: int
    title: str = ""
    language: str = ""
    damage: str = ""
    truncated: bool = False


Read = Callable[[bytes, str, str], Document]


class Unusable(Exception):
    """Nothing of a body can be used: `outcome` says in which way, the text why."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


def within(items: Sequence[Item], limit: int = MAX_ENTRIES) -> tuple[tuple[Item, ...], str]:
    """At most `limit` of the `items`, from the end where the newest stand, and which end that is ('' for all)."""
    if len(items) <= limit:
        return tuple(items), ""
    if _newest(items[-_PROBE:]) > _newest(items[:_PROBE]):
        return tuple(items[-limit:]), "last"
    return tuple(items[:limit]), "first"


def one_line(problem: object) -> str:
    """An error's words in one line; its type where it has none."""
    return " ".join(str(problem).split())[:200] or type(problem).__name__


def _newest(items: Sequence[Item]) -> float:
    moments = [parse_date(item.date).published_at for item in items]
    return max((moment.timestamp() for moment in moments if moment), default=float("-inf"))
