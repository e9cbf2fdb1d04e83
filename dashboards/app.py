"""The Dash app: the frame, the way from an address to a page, and the headers that keep the pages to themselves."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import orjson
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component
from flask import Response, has_request_context, request

from dashboards import access, act, compress, controls, download, panels
from dashboards.address import Asked
from dashboards.data import Reader, View
from dashboards.frame import Around, Filled, frame, navigation
from dashboards.pages import PAGES, Page, page_of
from dashboards.pieces import panel, quiet
from pipeline.context import utc_now
from pipeline.errors import InputError, SnapshotMissing
from pipeline.settings import Settings

__all__ = ["content_of", "create_app"]

logger = logging.getLogger(__name__)

# The frame with the page in it is asked for at once, and made while the browser reads its scripts.
_INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<meta name="color-scheme" content="light dark">
<title>{%title%}</title>
<link rel="preload" href="/_dash-layout" as="fetch" crossorigin="anonymous">
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""
# A zoom changes the address, so that it can be sent on, but not what was drawn.
_ZOOM = ("from", "to")
_TELL_AGES_S = 300
_LAYOUT = "/_dash-layout"
# Of Dash's own scripts: what browsers lacked years ago (`assets/barograph.js` has the one part of it that Dash still
# needs), and a table that no page has. Both cost every page time.
_NOT_WANTED = re.compile(r"<script [^>]*/(?:polyfill@|dash_table/)[^>]*></script>\s*")


class _App(Dash):
    def interpolate_index(self, *said: Any, **parts: Any) -> Any:
        """The frame of HTML, with those of Dash's scripts that the pages need."""
        needed = {**parts, "scripts": _NOT_WANTED.sub("", parts["scripts"])}
        return super().interpolate_index(*said, **needed)  # type: ignore[no-untyped-call]


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now, reader: Reader | None = None) -> Dash:
    """The pages over the published snapshots. They open nothing else, and call nobody. `reader`: one that others share.

    Raises:
        SettingsError: other machines would see them, and nobody would be asked who they are.
    """
    app = _App(
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
        # Each page brings its own parts, which are not there before somebody goes to it.
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    app.enable_dev_tools(debug=False, dev_tools_disable_version_check=True)
    reader = reader or Reader(settings.store.published)
    access.guard(app.server, settings.dashboard)
    act.wire(app.server, settings, reader, clock)
    app.layout = lambda: _layout(reader, clock)
    download.wire(app.server, reader)
    _wire(app, reader, clock)
    controls.wire(app, reader, clock)
    _protect(app)
    compress.wire(app.server)
    return app


def _current(reader: Reader, clock: Callable[[], datetime]) -> tuple[str | None, Around]:
    """The snapshot that is shown, and what is said of it around every page."""
    try:
        view, now = reader.view(), clock()
    except SnapshotMissing as error:
        return None, Around(panels.banners(None, clock(), str(error)), [], [])
    foot = [*panels.foot(view), *_signed_in()]
    return view.snapshot.snapshot_id, Around(panels.banners(view, now), panels.as_of(view, now), foot)


def _layout(reader: Reader, clock: Callable[[], datetime]) -> html.Div:
    """The frame; with the page in it where the browser says which one it is on, so that it need not ask once more."""
    # Dash asks for a layout of its own as well, before anybody was asked who they are.
    if not has_request_context() or request.path != _LAYOUT:
        return frame(None, Around([], [], []))
    shown, around = _current(reader, clock)
    if shown is None:
        return frame(None, around)
    try:
        told = urlsplit(request.headers.get("Referer", ""))
        if told.netloc != request.host:
            return frame(shown, around)
        search = told.query and f"?{told.query}"
        filled = _filled(reader, Asked.parse(told.path, search, access.form_token()), shown, clock)
        return frame(shown, around, filled, (told.path, search))
    except Exception:
        # The frame stands whatever is wrong with a page; the router says it once more.
        logger.exception("the page of %s was not made with the frame", request.headers.get("Referer", "")[:200])
        return frame(shown, around)


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
            "form-action 'self'",
            "frame-ancestors 'none'",
        ]
    )

    def add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Our own pages tell our own server which they are (`_layout`), but for a token; nobody else is told anything.
        response.headers["Referrer-Policy"] = "no-referrer" if request.path == "/act" else "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if request.path == _LAYOUT:
            response.headers["Cache-Control"] = "no-store"
        return response

    app.server.after_request(add)

    def refuse(error: InputError) -> tuple[str, int, dict[str, str]]:
        return str(error), 400, {"Content-Type": "text/plain; charset=utf-8"}

    app.server.register_error_handler(InputError, refuse)


def _wire(app: Dash, reader: Reader, clock: Callable[[], datetime]) -> None:
    @app.callback(
        Output("banners", "children"),
        Output("as-of", "children"),
        Output("foot", "children"),
        Output("snapshot", "children"),
        Input("tick", "n_intervals"),
        State("snapshot", "children"),
        prevent_initial_call=True,
    )
    def look(_ticks: int | None, shown: str | None) -> tuple[Any, ...]:
        found, around = _current(reader, clock)
        return *around, no_update if found in (None, shown) else found

    @app.callback(
        Output("page", "children"),
        Output("nav", "children"),
        Output("name", "children"),
        Output("rendered", "children"),
        Input("url", "pathname"),
        Input("url", "search"),
        Input("snapshot", "children"),
        State("rendered", "children"),
        # Where the frame came without a page the browser tells its address after that, which is not the initial call.
        prevent_initial_call=True,
    )
    def route(path: str | None, search: str | None, snapshot: str | None, rendered: str | None) -> tuple[Any, ...]:
        asked = Asked.parse(path, search, access.form_token())
        if _wanted(asked, snapshot) == rendered:
            return no_update, no_update, no_update, no_update
        return _filled(reader, asked, snapshot, clock)


def _wanted(asked: Asked, snapshot: str | None) -> str:
    values = {name: value for name, value in asked.values.items() if name not in _ZOOM}
    return json.dumps([asked.path, sorted(values.items()), snapshot])


def _filled(reader: Reader, asked: Asked, snapshot: str | None, clock: Callable[[], datetime]) -> Filled:
    """The parts of the frame that a page fills."""
    pages = [(one.path, one.title) for one in PAGES if one.listed]
    current = f"/{asked.path.strip('/').partition('/')[0]}" if page_of(asked.path) else ""
    title, content = _shown(reader, asked, clock)
    return Filled(content, navigation(pages, current), title, _wanted(asked, snapshot))


def _signed_in() -> list[Any]:
    """Who acts, where somebody logged in, and the way out."""
    name = access.user()
    if name in (None, access.LOCAL):
        return []
    leave = [
        dcc.Input(type="hidden", name="form", value=access.form_token()),
        html.Button("log out", type="submit", className="plain"),
    ]
    out = [html.Form(leave, action="/logout", method="POST")] if access.asked_for_passwords() else []
    return [html.Span(f"signed in as {name}"), *out]


def _shown(reader: Reader, asked: Asked, clock: Callable[[], datetime]) -> tuple[str, list[Any]]:
    page = page_of(asked.path)
    if page is None:
        return "Not here", [panel("gone", "Not here", quiet(f"No page has the address {asked.path}."))]
    try:
        view: View = reader.view()
    except SnapshotMissing as error:
        return page.title, [panel("empty", page.title, quiet(str(error)))]
    return content_of(page, view, asked, clock())


def content_of(page: Page, view: View, asked: Asked, now: datetime, *, ahead: bool = False) -> tuple[str, list[Any]]:
    """Title and content of a page; of one that everybody is shown alike, made once and without anybody's token.

    `ahead`: nobody has asked for it yet.
    """
    if not page.shared:
        return page.show(view, asked, now)
    asked = replace(asked, form="")
    address = (asked.path, tuple(sorted(asked.values.items())))
    # Ages are told anew after a while, should nothing be published any more.
    period = int(now.timestamp() // _TELL_AGES_S)
    text = view.page(address, period, lambda: _written(page.show(view, asked, now)), ahead=ahead)
    title, content = orjson.loads(text)
    return title, content


def _written(content: tuple[str, list[Any]]) -> bytes:
    """A page as JSON. Its figures are plain already: plotly's own way would walk every number of theirs."""
    return orjson.dumps(content, default=Component.to_plotly_json, option=orjson.OPT_SERIALIZE_NUMPY)
