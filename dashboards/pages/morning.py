"""Morning: what changed since yesterday, is it real, what is behind it; in one minute, before coffee."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards import panels, words
from dashboards.address import Asked
from dashboards.charts import coverage_now, drawing, said
from dashboards.data import View
from dashboards.evidence import incident_list
from dashboards.figures import series_figure
from dashboards.pieces import aria, panel, series_link, switch
from dashboards.stories import newest_stories

__all__ = ["FIRST_LOOK", "show", "since"]

FIRST_LOOK = "You have not looked here before in this browser; from now on this line says what came since."

_ROWS = 12
_DAYS = {"today": "Today so far", "yesterday": "Yesterday"}
_GRAINS = {"hour": "Hours", "day": "Days"}


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """The home page. Asked for: `grain` of the chart, `day` of the ranked tables."""
    grain = asked.one_of("grain", tuple(_GRAINS), "day")
    day = asked.one_of("day", tuple(_DAYS), "today")
    market = view.series("market", "all", grain)
    hours = market if grain == "hour" else view.series("market", "all", "hour")
    when = "today so far" if day == "today" else "yesterday"
    stories, stories_note = newest_stories(view)
    incidents, incidents_note = incident_list(view, now)
    feeds, feeds_note = panels.feeds(view, now)
    topics = panel(
        "topics",
        "Unusual topics",
        panels.unusual(view, "topic", day, _ROWS),
        controls=switch(asked, "day", _DAYS, day, "Which day"),
    )
    return "Morning", [
        html.H1("Morning", className="hidden"),
        html.P(id="since"),
        dcc.Store(id="seen", storage_type="local"),
        dcc.Store(id="visit", storage_type="session"),
        html.Section(
            panels.tiles(view, coverage_now(hours)), id="tiles", className="tiles", **aria(label="At a glance")
        ),
        html.Div(
            [
                html.Div(
                    [
                        html.Section(
                            [
                                html.Div(
                                    [
                                        html.H2(series_link("market", "all", "Market", grain), id="chart-title"),
                                        html.P(said(market), id="chart-words", className="note"),
                                        html.Div(
                                            switch(asked, "grain", _GRAINS, grain, "Hours or days"),
                                            className="controls",
                                        ),
                                    ],
                                    className="panel-head",
                                ),
                                *drawing(market, series_figure(market)),
                            ],
                            className="panel chart-panel",
                        ),
                        html.Div(
                            [
                                topics,
                                panel(
                                    "companies", "Unusual companies", panels.unusual(view, "entity", day, _ROWS), when
                                ),
                            ],
                            className="pair",
                        ),
                        html.Div(
                            [
                                panel("themes", "Unusual themes", panels.unusual(view, "theme", day, _ROWS), when),
                                panel("sectors", "Unusual sectors", panels.unusual(view, "sector", day, _ROWS), when),
                            ],
                            className="pair",
                        ),
                        panel("stories", "Top stories", stories, stories_note),
                    ],
                    className="wide",
                ),
                html.Div(
                    [
                        panel(
                            "incidents",
                            "Incidents",
                            incidents,
                            incidents_note,
                            dcc.Link("all", href="/incidents", className="all"),
                        ),
                        panel("feeds", "Feeds", feeds, feeds_note, dcc.Link("all", href="/feeds", className="all")),
                    ],
                    className="side",
                ),
            ],
            className="grid",
        ),
    ]


def since(view: View, then: datetime, now: datetime) -> str:
    """What has come since the reader looked last, in one sentence."""
    stories = view.query(
        "SELECT count(*) AS n, count(*) FILTER (negative) AS negative FROM stories WHERE first_at > $then", then=then
    ).iloc[0]
    incidents = view.table("incidents")
    opened = int((incidents["fired_at"] > pd.Timestamp(then)).sum())
    resolved = int(((incidents["resolved_at"] > pd.Timestamp(then)) & incidents["fired_at"].notna()).sum())
    parts = [f"{int(stories['n']):,} new stories, {int(stories['negative']):,} of them negative"]
    if opened or resolved:
        parts.append(f"{opened} incidents opened, {resolved} resolved")
    else:
        parts.append("no incident opened or resolved")
    age = words.age_words(then, now)
    return f"Since you last looked ({'just now' if age == 'just now' else age + ' ago'}): {'; '.join(parts)}."
