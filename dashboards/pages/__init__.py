"""The pages: each is a pure function from a view of the snapshot, the address and the clock to what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dashboards.address import Asked
from dashboards.data import View
from dashboards.pages import feeds, incidents, model, morning, rules, search, series, story

__all__ = ["PAGES", "Page", "page_of"]


class Shows(Protocol):
    """Title and content of a page for one address."""

    def __call__(self, view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]: ...


@dataclass(frozen=True)
class Page:
    """One page. `path` is the first part of its addresses, with a `/` after it for those that go on; `title` stands in
    the navigation, where it is listed.

    `shared`: it shows everybody the same, so one rendering serves all; it is shown no token, so it can have no form.
    """

    path: str
    title: str
    show: Shows
    listed: bool = True
    shared: bool = False


PAGES = (
    Page("/", "Morning", morning.show, shared=True),
    Page("/series", "Series", series.show, shared=True),
    Page("/incidents", "Incidents", incidents.show, shared=True),
    Page("/incidents/", "Incident", incidents.show_one, listed=False),
    Page("/rules", "Rules", rules.show, shared=True),
    Page("/feeds", "Feeds", feeds.show, shared=True),
    Page("/model", "Model", model.show, shared=True),
    Page("/search", "Search", search.show, shared=True),
    Page("/story", "Story", story.show, listed=False),
)
_BY_PATH: dict[str, Page] = {page.path: page for page in PAGES}


def page_of(path: str) -> Page | None:
    """The page for an address; None where nothing is."""
    first, _, more = path.strip("/").partition("/")
    one = _BY_PATH.get(f"/{first}/") if more else None
    return one or _BY_PATH.get(f"/{first}")
