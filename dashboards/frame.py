"""What stands around every page: the bars on top, the head with the way to each page, the foot."""

from __future__ import annotations

from collections.abc import Sequence

from dash import dcc, html

from dashboards.pieces import aria

__all__ = ["REFRESH_S", "frame", "navigation"]

REFRESH_S = 20


def frame(snapshot_id: str | None) -> html.Div:
    """The frame with an empty page in it, which the router fills; `snapshot_id`: the one that is current now."""
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=REFRESH_S * 1000),
            dcc.Store(id="snapshot", data=snapshot_id),
            dcc.Store(id="rendered"),
            dcc.Store(id="seen", storage_type="local"),
            dcc.Store(id="visit", storage_type="session"),
            dcc.Store(id="name"),
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
                    html.Nav(id="nav", className="nav", **aria(label="Pages")),
                    html.Div(id="as-of", className="as-of"),
                ],
                className="top",
            ),
            html.P(id="since"),
            html.Main(
                html.P("Loading …", className="quiet", role="status"), id="page", className="content", tabIndex="-1"
            ),
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
