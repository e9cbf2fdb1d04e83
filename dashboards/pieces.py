"""The small pieces every page is put together from. Feed text goes in as text, never as markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.address import Asked, href

__all__ = [
    "Children", "aria", "coded", "copy_link", "labelled", "listed", "moment", "panel", "quiet", "records",
    "series_link", "switch", "tag", "text_of", "title_link", "when_of",
]  # fmt: skip

Children = list[Any]


def aria(**values: str) -> dict[str, Any]:
    """Attributes for a screen reader: `aria(label="…")`."""
    return {f"aria-{name}": value for name, value in values.items()}


def panel(name: str, title: str, content: Any, note: Any = "", controls: Any = None, kind: str = "") -> html.Section:
    """A titled box. `name` becomes the id of what is in it."""
    head: Children = [html.H2(title, id=f"{name}-title"), html.Span(note, id=f"{name}-note", className="note")]
    if controls is not None:
        head.append(controls)
    return html.Section(
        [html.Div(head, className="panel-head"), html.Div(content, id=name)],
        className=f"panel {kind}".strip(),
        **aria(labelledby=f"{name}-title"),
    )


def switch(asked: Asked, name: str, choices: Mapping[str, str], now: str, label: str) -> html.Nav:
    """One choice among few, each a link to the same view with that value."""
    links = [
        dcc.Link(text, href=asked.href(**{name: value}))
        if value != now
        else html.Span(text, className="on", **aria(current="true"))
        for value, text in choices.items()
    ]
    return html.Nav(links, className="switch", **aria(label=label))


def labelled(row: html.Tr, names: Sequence[str]) -> html.Tr:
    """A row whose cells have the names of their columns with them: on a phone it is a card, and has no head above."""
    for cell, name in zip(row.children, names, strict=True):
        if name:
            setattr(cell, "data-label", name)
    return row


def quiet(text: str) -> html.P:
    """What is said where there is nothing to show."""
    return html.P(coded(text), className="quiet")


def coded(text: str) -> Children:
    """Our own words, with what stands between backticks set as code."""
    return [html.Code(part) if n % 2 else part for n, part in enumerate(text.split("`"))]


def copy_link() -> Children:
    """A button that copies the address of this view, and the place that says so (`assets/barograph.js`)."""
    button = html.Button(
        "copy link", id="copy-link", type="button", className="plain", title="the address of this view, to send on"
    )
    return [button, " ", html.Span(id="copied", role="status")]


def tag(text: str, kind: str = "") -> html.Span:
    """A small label."""
    return html.Span(text, className=f"tag {kind}".strip())


def title_link(title: object, url: object) -> html.A | html.Span:
    """A headline, linked to its source where the address is http(s)."""
    text = text_of(title) or "(no title)"
    address = words.safe_url(url)
    if address is None:
        return html.Span(text)
    return html.A(text, href=address, target="_blank", rel="noopener noreferrer nofollow", className="headline")


def series_link(scope: str, key: str, label: str, grain: str = "day") -> dcc.Link:
    """A link to the page of a series."""
    return dcc.Link(label, href=href("/series", series=f"{scope}:{key}", grain=grain))


def moment(when: Any, now: datetime) -> html.Time | html.Span:
    """A time in UTC, short, with the whole of it on hover; the reader may switch all of them to the own zone."""
    there = when_of(when)
    if there is None:
        return html.Span("–")
    return html.Time(words.clock_words(there, now), dateTime=there.isoformat(), title=f"{there:%Y-%m-%d %H:%M:%S} UTC")


def when_of(when: Any) -> datetime | None:
    """A time of a table, or None."""
    if when is None or pd.isna(when):
        return None
    there: datetime = pd.Timestamp(when).to_pydatetime()
    return there


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries of plain values: of a Series every look at a cell costs as much as a row does here."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def text_of(value: object) -> str:
    """A text of a table; empty where there is none."""
    return value if isinstance(value, str) else ""


def listed(value: Any) -> Sequence[Any]:
    """A list of a table; empty where there is none."""
    return list(value) if isinstance(value, list | tuple | np.ndarray) else []
