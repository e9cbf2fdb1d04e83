"""Series: one trend with its range, its incidents and the stories in view; up to five compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards.address import Asked
from dashboards.charts import chart, drawing, said
from dashboards.data import MARKET, SHOWN, Series, View, incidents_of, parse_series, stories_of
from dashboards.download import downloads
from dashboards.evidence import incident_rows
from dashboards.figures import compare_figure, marked, series_figure, zoomed
from dashboards.moves import why_panel
from dashboards.pieces import panel, quiet, switch
from dashboards.stories import story_table
from pipeline.publish.labels import label_of

__all__ = ["COMPARED", "in_view", "show"]

COMPARED = 5
_GRAINS = {"hour": "Hours", "day": "Days"}
_STORIES = 40
_OFFERED = 60


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """Asked for: `series` and `with` (`scope:key`), `grain`, the zoom (`from`, `to`), two clicks (`a`, `b`)."""
    scope, key = parse_series(asked.text("series", MARKET))
    grain = asked.one_of("grain", tuple(_GRAINS), "day")
    series = view.series(scope, key, grain)
    others = [view.series(*parse_series(name), grain) for name in _names(asked.text("with"))]
    figure = series_figure(series)
    start, end = asked.moment("from"), asked.moment("to")
    if start and end and start < end:
        figure = zoomed(figure, start, end)
    for chosen in (asked.moment("a"), asked.moment("b")):
        if chosen:
            figure = marked(figure, chosen)
    controls = html.Div(
        [
            dcc.Dropdown(
                id="series",
                value=f"{scope}:{key}",
                options=_chosen(view, [f"{scope}:{key}"]),
                clearable=False,
                searchable=True,
                className="pick",
                placeholder="Find a series",
                labels={"search": "company, topic, theme, publisher …"},
            ),
            switch(asked, "grain", _GRAINS, grain, "Hours or days"),
        ],
        className="controls",
    )
    stories, note = in_view(view, asked, series, now)
    side = [
        panel("series-stories", "Stories in view", stories, note),
        panel("series-incidents", "Incidents of this series", _incidents(view, series, now)),
    ]
    wide = [
        html.Section(
            [
                html.Div(
                    [
                        html.H1(series.label, id="chart-title"),
                        html.P(said(series), id="chart-words", className="note"),
                        controls,
                    ],
                    className="panel-head",
                ),
                *drawing(series, figure, "series-chart"),
                downloads("trends", asked),
            ],
            className="panel chart-panel",
        ),
        panel("why", "Why did it move?", why_panel(view, (scope, key), grain, asked.moment("a"), asked.moment("b"))),
        panel("compared", "Compared", _comparison(series, others), controls=_compare(view, asked)),
    ]
    title = series.label
    return title, [
        html.Div([html.Div(wide, className="wide"), html.Div(side, className="side")], className="grid even")
    ]


def in_view(view: View, asked: Asked, series: Series, now: datetime) -> tuple[Any, str]:
    """The stories of the series in the part of the chart that is in view, and a note on how many there are."""
    start = asked.moment("from") or series.until - SHOWN[series.grain]
    end = asked.moment("to") or series.until + timedelta(days=1)
    rows = stories_of(view, series.scope, series.key, start, end, _STORIES)
    kept = view.first_story()
    empty = "No story of this series began in the time in view."
    if pd.notna(kept) and start < kept:
        empty += f" Stories are published from {kept:%-d %b %Y} on; the chart reaches further back."
    note = f"{len(rows)} of {int(rows['found'].iloc[0]):,}, the most told first" if len(rows) else ""
    table = story_table(rows, now, empty)
    return [table, downloads("stories", asked)] if len(rows) else table, note


def _names(text: str) -> list[str]:
    return [name for name in dict.fromkeys(text.split(",")) if name][: COMPARED - 1]


def _chosen(view: View, values: list[str]) -> list[dict[str, str]]:
    """The chosen series, and the first ones of the list: typing brings the others (`dashboards.controls`)."""
    options = view.options()
    known = {option["value"]: option for option in options}
    chosen = [known.get(value, {"value": value, "label": label_of(*parse_series(value), {})}) for value in values]
    return [*chosen, *[option for option in options if option["value"] not in values][:_OFFERED]]


def _compare(view: View, asked: Asked) -> html.Div:
    names = _names(asked.text("with"))
    return html.Div(
        dcc.Dropdown(
            id="with",
            value=names,
            options=_chosen(view, names),
            multi=True,
            searchable=True,
            className="pick many",
            placeholder="Add up to four series",
        ),
        className="controls",
    )


def _comparison(series: Series, others: list[Series]) -> Any:
    if not others:
        return quiet("Choose other series to see their indices beside this one.")
    names = ", ".join(one.label for one in [series, *others])
    return chart(compare_figure([series, *others]), f"Sentiment indices of {names}", "compare", "chart low")


def _incidents(view: View, series: Series, now: datetime) -> Any:
    rows = incidents_of(view)
    rows = rows[(rows["scope"] == series.scope) & (rows["key"] == series.key)]
    return incident_rows(view, rows, now) if len(rows) else quiet("None so far.")
