"""Search: stories by the words of their titles, newest or most told first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dash import dcc, html

from dashboards.address import Asked
from dashboards.data import View
from dashboards.pieces import panel, quiet, switch
from dashboards.stories import story_table

__all__ = ["show"]

_MOST = 100
_ORDER = {"best": "Best", "new": "Newest"}


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """Asked for: the words `q`, and `order`."""
    said, order = asked.text("q").strip(), asked.one_of("order", tuple(_ORDER), "best")
    controls = html.Div(
        [
            dcc.Input(
                id="search-words", value=said, placeholder="words of a title", debounce=True, type="search",
                className="find", autoFocus=True,
            ),
            switch(asked, "order", _ORDER, order, "Order"),
        ],
        className="controls",
    )  # fmt: skip
    if not said:
        content: Any = quiet("Type words of a title. “-word” leaves out, “wor*” begins with.")
        note = ""
    else:
        found = view.search(said, newest=order == "new", most=_MOST)
        content = story_table(found, now, f"No title of the last 90 days has these words: {said}.")
        note = f"{len(found)} shown" + (", the most that are listed" if len(found) == _MOST else "")
    return "Search", [html.H1("Search", className="hidden"), panel("found", "Search", content, note, controls)]
