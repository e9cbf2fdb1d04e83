"""The list of stories, the same on every page: what was said, by how many owners, when; each leads to its own page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.address import href
from dashboards.data import View, stories_of
from dashboards.pieces import aria, coded, listed, moment, quiet, records, tag, text_of

__all__ = ["newest_stories", "story_table"]

_MOST = 14


def newest_stories(view: View) -> tuple[html.Table | html.P, str]:
    """The most corroborated stories of the newest 24 hours, and a note on how many there are."""
    newest = view.last_story()
    if pd.isna(newest):
        return html.P(coded("No stories yet. They appear after `barograph fold`."), className="quiet"), ""
    end: datetime = newest + pd.Timedelta(microseconds=1)
    rows = stories_of(view, "market", "all", end - timedelta(days=1), end, _MOST)
    if rows.empty:
        return quiet("No stories to list."), ""
    until = words.clock_words(newest, view.snapshot.manifest.published_at)
    return story_table(rows, newest), f"{len(rows)} of {int(rows['found'].iloc[0])} in the 24 hours to {until} UTC"


def story_table(rows: pd.DataFrame, now: datetime, empty: str = "No stories in this time.") -> html.Table | html.P:
    """Rows of the published table `stories` as a table, in the order given."""
    if rows.empty:
        return quiet(empty)
    head = html.Tr([html.Th(text, scope="col") for text in ("", "Story", "Told by", "Time")])
    return html.Table([html.Thead(head), html.Tbody([_story(row, now) for row in records(rows)])], className="stories")


def _story(row: Mapping[str, Any], now: datetime) -> html.Tr:
    mark, kind = words.polarity_mark(row["polarity"])
    score = row["p_negative"]
    said = f"p(negative) {score:.2f}" if score == score else f"not scored: {row['status']}"
    about = ", ".join(str(name) for name in listed(row["entities"])[:3])
    topic = text_of(row["topic"]).replace(" | ", " & ")
    line = " · ".join(part for part in (text_of(row["publisher"]), topic, about) if part)
    source = words.safe_url(row["url"])
    there = (
        html.A("source", href=source, target="_blank", rel="noopener noreferrer nofollow", className="source")
        if source
        else ""
    )
    return html.Tr(
        [
            html.Td(
                html.Span(mark, className=kind, title=said, role="img", **aria(label=f"{kind}, {said}")),
                className="mark",
            ),
            html.Td(
                [
                    html.Div(
                        [
                            dcc.Link(
                                text_of(row["title"]) or "(no title)",
                                href=href(f"/story/{row['story_id']}"),
                                className="headline",
                            ),
                            there,
                        ]
                    ),
                    html.Div(
                        [line, *(tag(str(theme).replace("_", " ")) for theme in listed(row["themes"]))],
                        className="more",
                    ),
                ]
            ),
            html.Td(words.corroboration_words(row["owners"], row["articles"]), className="told"),
            html.Td(moment(row["first_at"], now), className="time"),
        ]
    )
