"""The Dash app: callbacks between the page and the snapshot, and the headers that keep the page to itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from dash import Dash, Input, Output, State, ctx, no_update
from flask import Response

from dashboards import panels, words
from dashboards.data import MARKET, Reader, Series, parse_series
from dashboards.figures import no_figure, series_figure
from dashboards.incidents import incidents
from dashboards.layout import skeleton
from pipeline.context import utc_now
from pipeline.errors import SnapshotMissing

__all__ = ["create_app"]

logger = logging.getLogger(__name__)

_ROWS = 12
_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="color-scheme" content="light dark">
<title>{%title%}</title>
<link rel="icon" type="image/svg+xml" href="assets/icon.svg">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""


def create_app(published: Path, *, clock: Callable[[], datetime] = utc_now) -> Dash:
    """The page over the snapshots published under `published`. It opens nothing else, and calls nobody."""
    app = Dash(
        __name__,
        title="Barograph",
        update_title="",
        index_string=_INDEX,
        pages_folder="",
        use_pages=False,
        use_async=False,
        serve_locally=True,
        add_log_handler=False,
        enable_mcp=False,
        websocket_callbacks=False,
        health_endpoint="healthz",
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    reader = Reader(published)
    app.layout = lambda: skeleton(_options(reader))
    _wire(app, reader, clock)
    _protect(app)
    return app


def _options(reader: Reader) -> list[dict[str, str]]:
    try:
        return reader.view().options()
    except SnapshotMissing:
        return []


def _protect(app: Dash) -> None:
    """Headers on every answer. Inline styles are allowed because plotly positions with them; inline scripts are not."""
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(app.csp_hashes())}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )

    def add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return response

    app.server.after_request(add)


def _wire(app: Dash, reader: Reader, clock: Callable[[], datetime]) -> None:
    @app.callback(
        Output("banners", "children"),
        Output("as-of", "children"),
        Output("snapshot", "data"),
        Input("tick", "n_intervals"),
        State("snapshot", "data"),
    )
    def look(_ticks: int | None, shown: str | None) -> tuple[Any, ...]:
        try:
            view = reader.view()
        except SnapshotMissing as error:
            return panels.banners(None, clock(), str(error)), [], no_update
        found = view.snapshot.snapshot_id
        now = clock()
        return panels.banners(view, now), panels.as_of(view, now), no_update if found == shown else found

    @app.callback(
        Output("tiles", "children"),
        Output("incidents", "children"),
        Output("incidents-note", "children"),
        Output("feeds", "children"),
        Output("feeds-note", "children"),
        Output("stories", "children"),
        Output("stories-note", "children"),
        Output("series", "options"),
        Output("foot", "children"),
        Input("snapshot", "data"),
        prevent_initial_call=True,
    )
    def fill(_snapshot: str) -> tuple[Any, ...]:
        view, now = reader.view(), clock()
        market = view.series("market", "all", "hour")
        return (
            panels.tiles(view, _coverage(market)),
            *incidents(view, now),
            *panels.feeds(view, now),
            *panels.stories(view),
            view.options(),
            panels.foot(view),
        )

    @app.callback(
        Output("topics", "children"),
        Output("companies", "children"),
        Output("companies-note", "children"),
        Input("snapshot", "data"),
        Input("day", "value"),
    )
    def rank(snapshot: str | None, day: str) -> tuple[Any, ...]:
        if snapshot is None:
            return no_update, no_update, no_update
        view = reader.view()
        day = "today" if day == "today" else "yesterday"
        note = "today so far" if day == "today" else "yesterday"
        return panels.unusual(view, "topic", day, _ROWS), panels.unusual(view, "entity", day, _ROWS), note

    @app.callback(
        Output("series", "value"),
        Output("grain", "value"),
        Output("url", "search"),
        Input("url", "search"),
        Input("series", "value"),
        Input("grain", "value"),
        State("series", "options"),
    )
    def address(search: str | None, series: str, grain: str, options: list[dict[str, str]]) -> tuple[Any, ...]:
        # The page's state is its address, so that a view can be sent to a colleague.
        if ctx.triggered_id in (None, "url"):
            asked = parse_qs((search or "").removeprefix("?"))
            series = ":".join(parse_series(asked.get("series", [MARKET])[0]))
            grain = asked.get("grain", [grain])[0]
            # A series that nobody wrote about has no place in the list; the market stands in for it.
            series = series if any(option["value"] == series for option in options) else MARKET
            return series, grain if grain in ("hour", "day") else "day", no_update
        return no_update, no_update, "?" + urlencode({"series": series, "grain": grain})

    @app.callback(
        Output("chart", "figure"),
        Output("chart-title", "children"),
        Output("chart-words", "children"),
        Input("snapshot", "data"),
        Input("series", "value"),
        Input("grain", "value"),
    )
    def draw(snapshot: str | None, value: str, grain: str) -> tuple[Any, ...]:
        if snapshot is None:
            return no_figure(), "Market", "Nothing was published yet."
        scope, key = parse_series(value)
        series = reader.view().series(scope, key, "hour" if grain == "hour" else "day")
        return series_figure(series), series.label, _said(series)


def _coverage(series: Series) -> float | None:
    """Coverage of the newest closed hour for which it is known."""
    rows = series.rows
    if rows.empty or "coverage" not in rows:
        return None
    known = rows[rows["bucket_start"] < series.until.replace(minute=0, second=0, microsecond=0)]["coverage"].dropna()
    return float(known.iloc[-1]) if len(known) else None


def _said(series: Series) -> str:
    """The newest bucket in words, counts first."""
    if series.rows.empty:
        return "no stories in this time"
    row = series.rows.iloc[-1]
    when = row["bucket_start"]
    span = f"{when:%-d %b}" if series.grain == "day" else f"{when:%-d %b %H:%M}–{when.hour + 1:02d}:00 UTC"
    counted = words.counts_words(int(row["negative_stories"]), int(row["story_count"]))
    status = row["status"] if isinstance(row["status"], str) else "warming_up"
    usual = words.range_words(row["expected"], row["low"], row["high"], status)
    index = row.get("sentiment_index")
    tail = "" if index is None or index != index else f"; index {index:+.1f}"
    return f"{span}: {counted}; {usual}{tail}"
