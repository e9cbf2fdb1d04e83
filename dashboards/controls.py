"""What reacts on a page beside its links: fields that change the address, a zoom, and when the reader looked last."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from dash import Dash, Input, Output, State, no_update

from dashboards.address import Asked
from dashboards.data import MARKET, Reader, parse_series
from dashboards.pages.morning import FIRST_LOOK, since
from dashboards.pages.series import COMPARED, in_view
from pipeline.errors import SnapshotMissing

__all__ = ["wire", "zoomed"]

_OPTIONS = 50
_FIELDS = {"incident-words": "q", "search-words": "q", "series": "series"}


def wire(app: Dash, reader: Reader, clock: Callable[[], datetime]) -> None:
    """Connect the controls; each writes the address, and the page follows that."""
    for name, value in _FIELDS.items():
        _field(app, name, value)
    _compared(app)
    _choices(app, reader)
    _zoom(app, reader, clock)
    _clicks(app)
    _visits(app, reader, clock)


def _field(app: Dash, control: str, name: str) -> None:
    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Input(control, "value"),
        State("url", "pathname"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def write(value: str | None, path: str, search: str) -> Any:
        asked = Asked.parse(path, search)
        if (value or "") == asked.text(name) or (control == "series" and value == asked.text(name, MARKET)):
            return no_update
        changed = {name: value or None, **dict.fromkeys(("from", "to", "a", "b"))}
        return _query(asked.href(**changed))


def _compared(app: Dash) -> None:
    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Input("with", "value"),
        State("url", "pathname"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def compare(values: list[str] | None, path: str, search: str) -> Any:
        asked = Asked.parse(path, search)
        joined = ",".join((values or [])[: COMPARED - 1])
        return no_update if joined == asked.text("with") else _query(asked.href(**{"with": joined or None}))


def _choices(app: Dash, reader: Reader) -> None:
    for name in ("series", "with"):

        @app.callback(
            Output(name, "options"),
            Input(name, "search_value"),
            State(name, "value"),
            State(name, "options"),
            prevent_initial_call=True,
        )
        def offer(typed: str | None, value: str | list[str] | None, there: list[dict[str, str]]) -> Any:
            chosen = value if isinstance(value, list) else [value]
            words = (typed or "").casefold().split()
            try:
                options = reader.view().options()
            except SnapshotMissing:
                return no_update
            kept = [option for option in options if option["value"] in chosen]
            found = [
                option
                for option in options
                if option["value"] not in chosen and all(word in option["label"].casefold() for word in words)
            ]
            return [*kept, *found[:_OPTIONS]]


def _zoom(app: Dash, reader: Reader, clock: Callable[[], datetime]) -> None:
    @app.callback(
        Output("series-stories", "children"),
        Output("series-stories-note", "children"),
        Output("url", "search", allow_duplicate=True),
        Input("series-chart", "relayoutData"),
        State("url", "pathname"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def zoom(layout: Mapping[str, Any] | None, path: str, search: str) -> tuple[Any, ...]:
        span = zoomed(layout or {})
        if span is None or not path.startswith("/series"):
            return no_update, no_update, no_update
        asked = Asked.parse(path, search)
        asked = Asked(path, {**asked.values, "from": span[0], "to": span[1]})
        scope, key = parse_series(asked.text("series", MARKET))
        view = reader.view()
        series = view.series(scope, key, asked.one_of("grain", ("hour", "day"), "day"))
        return *in_view(view, asked, series, clock()), _query(asked.href())


def _clicks(app: Dash) -> None:
    @app.callback(
        Output("url", "search", allow_duplicate=True),
        Input("series-chart", "clickData"),
        State("url", "pathname"),
        State("url", "search"),
        prevent_initial_call=True,
    )
    def click(clicked: Mapping[str, Any] | None, path: str, search: str) -> Any:
        points = (clicked or {}).get("points") or [{}]
        at = str(points[0].get("x", "")).replace(" ", "T")[:19]
        asked = Asked.parse(path, search)
        if not at or not path.startswith("/series"):
            return no_update
        # The first click of a pair begins anew; the second one completes it.
        second = asked.moment("a") is not None and asked.moment("b") is None
        return _query(asked.href(**({"b": at} if second else {"a": at, "b": None})))


def _visits(app: Dash, reader: Reader, clock: Callable[[], datetime]) -> None:
    # Only where Morning is shown: a look at another page is none at what that tells.
    @app.callback(
        Output("since", "children"),
        Output("seen", "data"),
        Output("visit", "data"),
        Input("snapshot", "children"),
        State("seen", "data"),
        State("visit", "data"),
    )
    def visit(_snapshot: str | None, seen: str | None, begun: str | None) -> tuple[str, str, str]:
        now = clock()
        then = begun or seen
        return _since(reader, then, now) if then else FIRST_LOOK, now.isoformat(), then or now.isoformat()


def _since(reader: Reader, then: str, now: datetime) -> str:
    try:
        return since(reader.view(), datetime.fromisoformat(then), now)
    except (ValueError, TypeError, SnapshotMissing):
        return ""


def zoomed(layout: Mapping[str, Any]) -> tuple[str, str] | None:
    """(from, to) that a plotly event tells of the time axis; empty texts where the whole is shown; None: not a zoom."""
    if layout.get("xaxis.autorange") or (layout.get("autosize") is True and len(layout) > 1):
        return "", ""
    span = layout.get("xaxis.range") or [layout.get("xaxis.range[0]"), layout.get("xaxis.range[1]")]
    texts = [str(at).replace(" ", "T")[:19] for at in span if at is not None and not _nan(at)]
    return (texts[0], texts[1]) if len(texts) == 2 else None


def _nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _query(address: str) -> str:
    _, mark, query = address.partition("?")
    return mark + query
