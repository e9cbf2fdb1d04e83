"""Story: who told it, in order of arrival, with scores, the words behind them, and what it says of each company."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.act import missed_form
from dashboards.address import Asked
from dashboards.data import View, incidents_of
from dashboards.evidence import incident_rows
from dashboards.pieces import (
    Children,
    aria,
    labelled,
    listed,
    moment,
    panel,
    quiet,
    series_link,
    tag,
    text_of,
    title_link,
)

__all__ = ["marked", "show"]

_ARTICLES = """
SELECT * FROM articles WHERE story_id = $id AND counted_at >= $since ORDER BY counted_at, article_id LIMIT 500"""
_CITING = """
SELECT DISTINCT incident_id FROM evidence
WHERE kind = 'article' AND recorded_at >= $since AND contains(payload, $needle)"""
# What is this strong a share of the strongest word is shown as strong.
_STRONG = 0.5


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """`/story/ID`."""
    story_id = asked.path.strip("/").partition("/")[2]
    found = view.query("SELECT * FROM stories WHERE story_id = $id", id=story_id)
    if found.empty:
        gone = "No story of that name is in this snapshot: it is older than 90 days, or was merged into another."
        return "Story", [panel("story", "Story", [quiet(gone), dcc.Link("Search for it", href="/search")])]
    story = found.iloc[0]
    articles = view.query(_ARTICLES, id=story_id, since=story["first_at"])
    title = text_of(story["title"]) or "(no title)"
    citing = view.query(_CITING, needle=f'"story_id": "{story_id}"', since=story["first_at"])["incident_id"]
    incidents = incidents_of(view)
    incidents = incidents[incidents["incident_id"].isin(citing)]
    cited: Any = incident_rows(view, incidents, now) if len(incidents) else quiet("No incident rests on this story.")
    told = words.corroboration_words(story["owners"], story["articles"])
    note = told if len(articles) == story["articles"] else f"{len(articles)} shown of {told}"
    wide = [panel("articles", "Articles, in order of arrival", _table(articles, now), note)]
    forms = [missed_form(title, story["first_at"], asked)]
    side = [
        panel("towards", "Towards each company", _towards(articles)),
        panel("cited", "Incidents", [*forms, cited] if incidents.empty else cited),
    ]
    return title, [
        _head(story, now),
        html.Div([html.Div(wide, className="wide"), html.Div(side, className="side")], className="grid"),
    ]


def _head(story: pd.Series[Any], now: datetime) -> html.Section:
    mark, kind = words.polarity_mark(story["polarity"])
    topic, key = text_of(story["topic"]).replace(" | ", " & "), text_of(story["topic_key"])
    facts: Children = ["first told by ", html.B(text_of(story["publisher"])), " ", moment(story["first_at"], now)]
    if topic:
        facts += [" · ", series_link("topic", key, topic) if key else topic]
    for entity, name in zip(listed(story["entity_ids"]), listed(story["entities"]), strict=False):
        facts += [" · ", series_link("entity", str(entity), str(name))]
    score = story["p_negative"]
    told = f"p(negative) {score:.2f}" if score == score else f"not scored: {story['status']}"
    return html.Section(
        [
            html.H1(
                [html.Span(mark, className=kind, title=told), " ", title_link(story["title"], story["url"])],
                id="story-title",
            ),
            html.P(facts, className="lead"),
            html.Div(
                [
                    tag(told, "first"),
                    *(tag(str(theme).replace("_", " ")) for theme in listed(story["themes"])),
                    *([tag("imported")] if story["imported"] else []),
                ],
                className="tags",
            ),
        ],
        className="panel head-panel",
    )


def _table(articles: pd.DataFrame, now: datetime) -> html.Table | html.P:
    if articles.empty:
        return quiet("Its articles are not in this snapshot; publish again.")
    names = ("Time", "Article", "Novelty", "Negative · neutral · positive")
    head = html.Tr([html.Th(name, scope="col", className="num" if name == "Novelty" else "") for name in names])
    body = [labelled(_row(row, now), ("", "", "Novelty", "")) for _, row in articles.iterrows()]
    return html.Table([html.Thead(head), html.Tbody(body)], className="list cards told-by")


def _row(row: pd.Series[Any], now: datetime) -> html.Tr:
    publisher, owner = text_of(row["publisher"]), text_of(row["owner"])
    house = publisher if owner in ("", publisher) else f"{publisher} ({owner})"
    behind = listed(row["words"])
    title = marked(text_of(row["title"]), behind) if behind else []
    said: Children = [html.Div(title_link(row["title"], row["url"]))]
    if title:
        said.append(html.Div(["made negative by: ", *title], className="more why"))
    said.append(html.Div([house, *(tag(str(t).replace("_", " ")) for t in listed(row["themes"]))], className="more"))
    return html.Tr(
        [
            html.Td(moment(row["counted_at"], now), className="time left"),
            html.Td(said),
            html.Td(f"{row['novelty']:.0f}", className="num", title="100: nothing like it in the 24 hours before"),
            html.Td(_bar(row)),
        ]
    )


def _bar(row: Mapping[str, Any] | pd.Series[Any]) -> Any:
    """Three calibrated probabilities as one bar and in figures; what has no score says why."""
    chances = [row[name] for name in ("p_negative", "p_neutral", "p_positive")]
    if str(row["status"]) != "scored" or any(pd.isna(chance) for chance in chances):
        return html.Span(str(row["status"]).replace("_", " "), className="more")
    figures = " · ".join(f"{chance:.2f}" for chance in chances)
    parts = [
        html.Span(className=f"part {name}", style={"width": f"{100 * chance:.1f}%"})
        for name, chance in zip(("neg", "neu", "pos"), chances, strict=True)
    ]
    return html.Div(
        [html.Div(parts, className="chances"), html.Span(figures, className="figures")],
        className="score-bar",
        role="img",
        **aria(label=f"negative, neutral, positive: {figures}"),
    )


def marked(title: str, behind: Sequence[Mapping[str, Any]]) -> Children:
    """A title in which the words that made its score stand out; `behind`: start, end (in characters), weight."""
    strongest = max((abs(word["weight"]) for word in behind), default=0.0)
    parts: Children = []
    at = 0
    for word in sorted(behind, key=lambda w: w["start"]):
        start, end = max(int(word["start"]), at), min(int(word["end"]), len(title))
        if word["weight"] <= 0 or end <= start:
            continue
        parts.append(title[at:start])
        strong = word["weight"] >= _STRONG * strongest
        parts.append(
            html.Mark(title[start:end], className="strong" if strong else "", title=f"weight {word['weight']:.2f}")
        )
        at = end
    return [*parts, title[at:]] if parts else []


def _towards(articles: pd.DataFrame) -> html.Table | html.P:
    """The mean score towards each entity over the articles that name it."""
    rows = [dict(one) for found in articles["entities"] for one in listed(found)] if len(articles) else []
    if not rows:
        return quiet("It names no company that we know.")
    frame = pd.DataFrame(rows)
    body = []
    for (entity, name), part in frame.groupby(["entity_id", "name"], sort=False):
        scored = part[part["status"] == "scored"]
        mean = scored[["p_negative", "p_neutral", "p_positive"]].mean() if len(scored) else None
        bar = (
            _bar({**mean, "status": "scored"})
            if mean is not None
            else _bar({**part.iloc[0], "status": part["status"].iloc[0]})
        )
        body.append(html.Tr([html.Th(series_link("entity", str(entity), str(name)), scope="row"), html.Td(bar)]))
    return html.Table(html.Tbody(body), className="list towards")
