"""What stands around every page: the bars on top, the head with the way to each page, the foot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dash import dcc, html

from dashboards.pieces import aria

__all__ = ["REFRESH_S", "Around", "Filled", "frame", "navigation"]

REFRESH_S = 20


class Around(NamedTuple):
    """What the frame says of the snapshot itself, whichever page is in it."""

    banners: Sequence[Any]
    as_of: Sequence[Any]
    foot: Sequence[Any]


class Filled(NamedTuple):
    """What a page puts into the frame. `rendered`: which address of which snapshot that is."""

    content: Any
    nav: list[dcc.Link]
    title: str
    rendered: str


_LOADING = html.P("Loading …", className="quiet", role="status")


def frame(
    snapshot_id: str | None, around: Around, page: Filled | None = None, address: tuple[str, str] | None = None
) -> html.Div:
    """The frame with a page in it, or with an empty one, which the router fills.

    `snapshot_id`: the one that is current now. `address`: path and query (with its mark) of the page. The browser tells
    the router its own when it has the frame, where that came without one or with another (`assets/barograph.js`).
    """
    filled = page or Filled(_LOADING, [], "", "")
    at = {"pathname": address[0], "search": address[1]} if address else {}
    told: dict[str, Any] = {"data-address": "".join(address)} if address else {}
    return html.Div(
        [
            dcc.Location(id="url", refresh=False, **at),
            dcc.Interval(id="tick", interval=REFRESH_S * 1000),
            # Known to the callbacks and the script alone. A `dcc.Store` would report back as each page opens.
            html.Div(snapshot_id, id="snapshot", hidden=True),
            html.Div(filled.rendered, id="rendered", hidden=True),
            html.Div(filled.title, id="name", hidden=True),
            html.A("Skip to the page", href="#page", className="skip"),
            html.Div(around.banners, id="banners", role="status"),
            html.Header(
                [
                    dcc.Link(
                        [
                            html.Span(className="logo"),
                            html.Span("Barograph", className="wordmark"),
                            html.Span("sentiment of financial news", className="tagline"),
                        ],
                        href="/",
                        className="brand",
                    ),
                    html.Nav(filled.nav, id="nav", className="nav", **aria(label="Pages")),
                    html.Div(around.as_of, id="as-of", className="as-of"),
                ],
                className="top",
            ),
            html.Main(filled.content, id="page", className="content", tabIndex="-1"),
            html.Footer(
                [
                    html.Span(around.foot, id="foot", className="foot"),
                    html.Button(
                        "times: UTC", id="zone", type="button", className="plain", title="UTC, or your own zone"
                    ),
                ],
                className="foot",
            ),
        ],
        className="page",
        **told,
    )


def navigation(pages: Sequence[tuple[str, str]], current: str) -> list[dcc.Link]:
    """Links to the pages (path, title); the current one says so to a screen reader, too."""
    return [
        dcc.Link(
            title,
            href=path,
            className="on" if path == current else "",
            id={"page": path},
        )
        for path, title in pages
    ]
