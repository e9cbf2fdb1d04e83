"""Feeds: whether the news arrives, feed by feed, and how much of what was to be expected was covered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from dash import html

from dashboards import words
from dashboards.address import Asked
from dashboards.charts import chart
from dashboards.data import View
from dashboards.download import downloads
from dashboards.figures import coverage_figure
from dashboards.pieces import labelled, moment, panel, quiet, records, switch, tag, text_of, when_of

__all__ = ["show"]

_WHICH = {"trouble": "Late or failing", "all": "All", "archive": "Archives"}
_MOST = 500


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """Every feed with its state; asked for: `which`."""
    feeds = view.table("feeds")
    archives = feeds["kind"] == "archive"
    trouble = ~archives & (
        feeds["late"].fillna(False).astype(bool) | (feeds["failures"].fillna(0) > 0) | (feeds["status"] == "gone")
    )
    which = asked.one_of("which", tuple(_WHICH), "trouble" if trouble.any() else "all")
    chosen = feeds[{"trouble": trouble, "all": ~archives, "archive": archives}[which]]
    chosen = chosen.sort_values(["last_new_at", "feed_id"], na_position="first")
    note = f"{int(trouble.sum())} late or failing of {int((~archives).sum())}"
    table: Any = _table(view, chosen.head(_MOST), now) if len(chosen) else quiet(_nothing(which))
    table = [table, downloads("feeds")]
    market = view.series("market", "all", "hour")
    drawn = coverage_figure(market)
    covered: Any = (
        chart(drawn, "Share of the expected articles whose feed was polled and not late, by hour")
        if drawn is not None
        else quiet("Coverage is unknown: no feed has been polled long enough to have a cadence of its own.")
    )
    return "Feeds", [
        html.H1("Feeds", className="hidden"),
        panel("coverage", "Coverage by hour, the last seven days", covered, kind="chart-panel"),
        panel("feed-list", "Feeds", table, note, switch(asked, "which", _WHICH, which, "Which feeds")),
    ]


def _nothing(which: str) -> str:
    told = {
        "trouble": "Every feed arrives as usual.",
        "all": "No feed is polled. Add one: `barograph feeds add URL`.",
        "archive": "No archive was imported. Try `barograph import FILE --publisher NAME`.",
    }
    return told[which]


def _table(view: View, feeds: pd.DataFrame, now: datetime) -> html.Table:
    tries = view.table("fetch_summary")
    polls = tries.groupby("feed_id")["attempts"].sum()
    news = tries.groupby("feed_id")["new_articles"].sum()
    names = ("Feed", "State", "Last new", "Polls, 24 h", "New, 24 h", "In words")
    labels = ("", "", *names[2:5], "")
    head = html.Tr([html.Th(text, scope="col", className="num" if "24" in text else "") for text in names])
    body = [
        labelled(_row(feed, polls.get(feed["feed_id"], 0), news.get(feed["feed_id"], 0), now), labels)
        for feed in records(feeds)
    ]
    return html.Table([html.Thead(head), html.Tbody(body)], className="list cards")


def _row(feed: Mapping[str, Any], polls: int, news: int, now: datetime) -> html.Tr:
    late, failing = bool(feed["late"]), (feed["failures"] or 0) > 0
    state = "late" if late else "failing" if failing else text_of(feed["status"]) or "new"
    said = feed["late_sentence"] if late else feed["last_error"] if failing else ""
    last = when_of(feed["last_new_at"])
    age = words.age_words(last, now)
    return html.Tr(
        [
            html.Td(
                [
                    html.Div(
                        text_of(feed["title"]) or text_of(feed["publisher"]) or feed["feed_id"], className="headline"
                    ),
                    html.Div(text_of(feed["url"]), className="more"),
                ]
            ),
            html.Td(tag(state, "alarm" if late or failing or state == "gone" else "")),
            html.Td(
                [
                    moment(last, now),
                    html.Div(
                        "" if age == "never" else f"{age} ago".replace("just now ago", "just now"), className="more"
                    ),
                ],
                className="time left",
            ),
            html.Td(f"{int(polls):,}", className="num"),
            html.Td(f"{int(news):,}", className="num"),
            html.Td(text_of(said), className="more words"),
        ]
    )
