"""Why an index moved, read from the published snapshot: the same split as `barograph why`, of the newest 90 days."""

from __future__ import annotations

from datetime import datetime

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.address import href
from dashboards.data import TRENDS, View
from dashboards.pieces import Children, quiet, text_of
from pipeline.series.index import with_index
from pipeline.series.why import PARTS, Standing, Why, explain, standing_of

__all__ = ["moved", "why_panel"]

_WHOLE = """
SELECT s.story_id, s.first_at, s.polarity, s.negative, a.owner, a.article_id, s.title
FROM stories AS s JOIN (SELECT story_id, arg_min(owner, (counted_at, article_id)) AS owner,
    arg_min(article_id, (counted_at, article_id)) AS article_id FROM articles GROUP BY ALL) AS a USING (story_id)
WHERE s.status = 'scored' AND s.polarity IS NOT NULL AND {which}"""
# Towards an entity a story is the mean of each owner's first article that names it, by relevance.
_TOWARDS = """
WITH told AS (
    SELECT a.story_id, a.article_id, a.owner, a.counted_at, a.title, unnest(a.entities) AS e FROM articles AS a
    WHERE list_contains(list_transform(a.entities, one -> one.entity_id), $key)),
heads AS (
    SELECT * FROM told WHERE e.entity_id = $key AND e.status = 'scored'
    QUALIFY row_number() OVER (PARTITION BY story_id, owner ORDER BY counted_at, article_id) = 1),
moods AS (
    SELECT story_id, min(counted_at) AS first_at, arg_min(owner, (counted_at, article_id)) AS owner,
        arg_min(article_id, (counted_at, article_id)) AS article_id, arg_min(title, (counted_at, article_id)) AS title,
        sum(e.relevance * (e.p_positive - e.p_negative)) / sum(e.relevance) AS polarity,
        sum(e.relevance * e.p_negative) / sum(e.relevance) AS p_negative
    FROM heads GROUP BY story_id)
SELECT story_id, first_at, polarity, p_negative > $limit AS negative, owner, article_id, title FROM moods"""
_WHICH = {
    "market": "true",
    "topic": "s.topic_key = $key",
    "theme": "list_contains(s.themes, $key)",
    "sector": "list_has_any(s.entity_ids, (SELECT list(entity_id) FROM entities WHERE sector = $key))",
    "publisher": "story_id IN (SELECT story_id FROM articles WHERE publisher = $key)",
}
_STEP = {"hour": "h", "day": "D"}


def moved(
    view: View, scope: str, key: str, grain: str, start: datetime, end: datetime
) -> tuple[Why, pd.DataFrame] | None:
    """The split of the move from the bucket of `start` to that of `end`, and the stories (titles by story_id).

    None where the series had nothing at one of the times. Both times are read with what the snapshot knows, by the
    model that is active in it.
    """
    read = view.query(TRENDS, scope=scope, key=key, grain=grain, model=view.model_version)
    if read.empty:
        return None
    read = with_index(read, grain)
    if scope == "entity":
        limit = view.snapshot.manifest.negative_limit or 1.0
        stories = view.query(_TOWARDS, key=key, limit=limit)
    else:
        stories = view.query(_WHOLE.format(which=_WHICH[scope]), **({} if scope == "market" else {"key": key}))
    stories["bucket_start"] = stories["first_at"].dt.floor(_STEP[grain])
    before, after = (_standing(view, stories, read, at, grain) for at in (start, end))
    if before is None or after is None or before.bucket_start >= after.bucket_start:
        return None
    return explain(before, after, most=8), stories.set_index("story_id")


def _standing(view: View, stories: pd.DataFrame, read: pd.DataFrame, at: datetime, grain: str) -> Standing | None:
    told = read[read["bucket_start"] <= pd.Timestamp(at)]
    if told.empty:
        return None
    last: datetime = told["bucket_start"].iloc[-1].to_pydatetime()
    return standing_of(stories, read, last, grain, view.model_version)


def why_panel(view: View, series: tuple[str, str], grain: str, a: datetime | None, b: datetime | None) -> Children:
    """What two clicks on the chart ask for."""
    if a is None:
        return [quiet("Click two points of the chart to see what moved the index between them.")]
    if b is None:
        return [quiet(f"From {a:%-d %b %Y %H:%M}. Now click the other point.")]
    found = moved(view, *series, grain, min(a, b), max(a, b))
    if found is None:
        return [quiet("The series has no scored story at one of the two times. Choose others.")]
    why, stories = found
    return [html.P(_told(why, grain)), _parts(why), *_stories(why, stories)]


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


def _stories(why: Why, stories: pd.DataFrame) -> Children:
    items = []
    for one in why.stories:
        title = text_of(stories["title"].get(one.story_id)) or "(no title)"
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
