"""What stands around every page: the bars on top, the head with the way to each page, the foot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from dash import dcc, html

from dashboards.pieces import aria

__all__ = ["REFRESH_S", "Filled", "frame", "navigation"]

REFRESH_S = 20


class Filled(NamedTuple):
    """What a page puts into the frame. `rendered`: which address of which snapshot that is."""

    content: Any
    nav: list[dcc.Link]
    title: str
    rendered: str


_LOADING = html.P("Loading …", className="quiet", role="status")


def frame(snapshot_id: str | None, page: Filled | None = None) -> html.Div:
    """The frame with a page in it, or with an empty one, which the router fills.

    `snapshot_id`: the one that is current now.
    """
    filled = page or Filled(_LOADING, [], "", "")
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=REFRESH_S * 1000),
            dcc.Store(id="snapshot", data=snapshot_id),
            dcc.Store(id="rendered", data=filled.rendered),
            dcc.Store(id="seen", storage_type="local"),
            dcc.Store(id="visit", storage_type="session"),
            dcc.Store(id="name", data=filled.title),
            html.A("Skip to the page", href="#page", className="skip"),
            html.Div(id="banners", role="status"),
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
                    html.Div(id="as-of", className="as-of"),
                ],
                className="top",
            ),
            html.P(id="since"),
            html.Main(filled.content, id="page", className="content", tabIndex="-1"),
            html.Footer(
                [
                    html.Span(id="foot", className="foot"),
                    html.Button(
                        "times: UTC", id="zone", type="button", className="plain", title="UTC, or your own zone"
                    ),
                ],
                className="foot",
            ),
        ],
        className="page",
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
