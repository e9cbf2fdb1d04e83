"""Why an index moved between two clicks: the parts of the change, and the stories that weigh most."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.address import href
from dashboards.data import View
from dashboards.pieces import Children, quiet, text_of
from pipeline.publish.moves import move
from pipeline.series.why import PARTS, Why

__all__ = ["why_panel"]

_TITLES = """
SELECT article_id, story_id, title FROM articles WHERE list_contains($ids::VARCHAR[], article_id)"""


def why_panel(view: View, series: tuple[str, str], grain: str, a: datetime | None, b: datetime | None) -> Children:
    """What two clicks on the chart ask for."""
    if a is None:
        return [quiet("Click two points of the chart to see what moved the index between them.")]
    if b is None:
        return [quiet(f"From {a:%-d %b %Y %H:%M}. Now click the other point.")]
    why = move(view.snapshot, series, grain, min(a, b), max(a, b), most=8)
    if why is None:
        gone = "The series has no scored story at one of the two times, or they lie before the weeks that are published"
        return [quiet(f"{gone} story by story. Choose others, or ask `barograph why`.")]
    titles = view.query(_TITLES, ids=[one.article_id for one in why.stories]).set_index("article_id")
    return [html.P(_told(why, grain)), _parts(why), *_stories(why, titles)]


def _told(why: Why, grain: str) -> str:
    form = "%-d %b" if grain == "day" else "%-d %b %H:%M"
    what = "index" if why.unit == "index" else "mean polarity (too little past for an index)"
    span = f"{why.before.bucket_start.strftime(form)} → {why.after.bucket_start.strftime(form)} UTC"
    return (
        f"{span}: {what} {why.value_before:+.2f} → {why.value_after:+.2f} ({why.change:+.2f});"
        f" {why.new} new stories, {why.new_negative} of them negative."
    )


def _parts(why: Why) -> html.Table:
    largest = max((abs(part.value) for part in why.parts), default=0.0) or 1.0
    body = [_row(part.name, part.value, largest) for part in why.parts if abs(part.value) >= 0.0005]
    total = html.Tr([html.Th("together", scope="row"), html.Td(f"{why.change:+.3f}", className="num"), html.Td()])
    return html.Table(html.Tbody([*body, total]), className="list why-parts")


def _row(name: str, value: float, largest: float) -> html.Tr:
    width = f"{100 * abs(value) / largest:.0f}%"
    bar = html.Div(
        html.Span(className=f"part {'neg' if value < 0 else 'pos'}", style={"width": width}), className="chances"
    )
    return html.Tr(
        [
            html.Th([name.replace("_", " "), html.Div(PARTS[name], className="more")], scope="row"),
            html.Td(f"{value:+.3f}", className="num"),
            html.Td(bar),
        ]
    )


def _stories(why: Why, titles: pd.DataFrame) -> Children:
    items = []
    for one in why.stories:
        title = text_of(titles["title"].get(one.article_id)) or "(no title)"
        mark, kind = words.polarity_mark(one.polarity)
        items.append(
            html.Li(
                [
                    html.Span(f"{one.value:+.3f}", className="score"),
                    html.Div(
                        [
                            html.Span(f"{mark} ", className=kind, title=kind),
                            dcc.Link(title, href=href(f"/story/{one.story_id}"), className="headline"),
                            html.Div(f"{one.kind} · {one.owner}", className="more"),
                        ]
                    ),
                ]
            )
        )
    return [html.H3("The stories that weigh most"), html.Ul(items, className="articles")] if items else []
