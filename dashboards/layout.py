"""The skeleton of the page: where each panel stands, before anything is in it."""

from __future__ import annotations

from dash import dcc, html

from dashboards.data import MARKET
from dashboards.figures import no_figure

__all__ = ["REFRESH_S", "skeleton"]

REFRESH_S = 20
_MARKET = {"value": MARKET, "label": "Market"}
_LEGEND = (
    ("k-neg", "negative"),
    ("k-neu", "neutral"),
    ("k-pos", "positive"),
    ("k-range", "expected range, band"),
    ("k-in", "within"),
    ("k-above", "above its range"),
    ("k-incident", "incident"),
    ("k-model", "model switch"),
    ("k-thin", "thin coverage"),
)


def skeleton(options: list[dict[str, str]] | None = None) -> html.Div:
    """The page with empty panels, which callbacks fill; `options` are the series known so far."""
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=REFRESH_S * 1000),
            dcc.Store(id="snapshot"),
            html.A("Skip to the chart", href="#chart-title", className="skip"),
            html.Div(id="banners", role="status"),
            html.Header(
                [
                    html.Div(
                        [
                            html.Span(className="logo"),
                            html.H1("Barograph"),
                            html.Span("sentiment of financial news", className="tagline"),
                        ],
                        className="brand",
                    ),
                    html.Div(id="as-of", className="as-of"),
                ],
                className="top",
            ),
            html.Section(id="tiles", className="tiles"),
            html.Main(
                [
                    html.Div(
                        [_chart(options or []), _tables(), _panel("stories", "Top stories", "stories-note")],
                        className="wide",
                    ),
                    html.Div(
                        [_panel("incidents", "Incidents", "incidents-note"), _panel("feeds", "Feeds", "feeds-note")],
                        className="side",
                    ),
                ],
                className="grid",
            ),
            html.Footer(id="foot", className="foot"),
        ],
        className="page",
    )


def _chart(options: list[dict[str, str]]) -> html.Section:
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Market", id="chart-title", tabIndex="-1"),
                    html.P(id="chart-words", className="note"),
                    html.Div(
                        [
                            dcc.Dropdown(
                                id="series",
                                value=MARKET,
                                options=[*([] if any(o["value"] == MARKET for o in options) else [_MARKET]), *options],
                                clearable=False,
                                searchable=True,
                                className="pick",
                            ),
                            dcc.RadioItems(
                                id="grain",
                                options=[{"value": "hour", "label": "Hours"}, {"value": "day", "label": "Days"}],
                                value="day",
                                inline=True,
                                className="switch",
                            ),
                        ],
                        className="controls",
                    ),
                ],
                className="panel-head",
            ),
            html.Ul(
                [html.Li([html.Span(className=f"key {kind}"), text]) for kind, text in _LEGEND], className="legend"
            ),
            dcc.Graph(
                id="chart",
                figure=no_figure(),
                className="chart",
                responsive=True,
                config={
                    "displaylogo": False,
                    "displayModeBar": "hover",
                    "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
                    "showTips": False,
                },
            ),
        ],
        className="panel chart-panel",
    )


def _tables() -> html.Div:
    switch = dcc.RadioItems(
        id="day",
        options=[{"value": "today", "label": "Today so far"}, {"value": "yesterday", "label": "Yesterday"}],
        value="today",
        inline=True,
        className="switch",
    )
    return html.Div(
        [
            html.Section(
                [html.Div([html.H2("Unusual topics"), switch], className="panel-head"), html.Div(id="topics")],
                className="panel",
            ),
            html.Section(
                [
                    html.Div(
                        [html.H2("Unusual companies"), html.Span(id="companies-note", className="note")],
                        className="panel-head",
                    ),
                    html.Div(id="companies"),
                ],
                className="panel",
            ),
        ],
        className="pair",
    )


def _panel(name: str, title: str, note: str) -> html.Section:
    return html.Section(
        [
            html.Div([html.H2(title), html.Span(id=note, className="note")], className="panel-head"),
            html.Div(html.P("Loading …", className="quiet"), id=name),
        ],
        className="panel",
    )
