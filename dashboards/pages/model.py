"""Model: which version scores and since when, what was measured of it, and what it was not sure of."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards.address import Asked, href
from dashboards.data import View
from dashboards.pieces import Children, aria, labelled, moment, panel, quiet, tag, text_of

__all__ = ["show"]

_UNSURE = """
SELECT story_id, title, publisher, counted_at, status, p_negative, p_neutral, p_positive FROM articles
WHERE status = 'abstained' ORDER BY counted_at DESC LIMIT 50"""
_STATUSES = """
SELECT status, count(*) AS articles FROM articles GROUP BY ALL ORDER BY articles DESC, status"""


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """The versions, the active one's card and figures, and the queue of uncertain items."""
    cards = view.table("model_cards")
    card = cards[cards["model_version"] == view.model_version]
    wide: Children = []
    if len(card):
        measured = json.loads(card["metrics"].iloc[0])
        wide.append(panel("measured", "Measured once, on rows nobody trained on", _measured(measured)))
        wide.append(panel("reliability", "When it says 80%, is it right in 80%?", _reliability(view)))
        wide.append(_challenge(card["challenge"].iloc[0]))
        wide.append(
            panel("card", "Model card", dcc.Markdown(card["card"].iloc[0], className="card", link_target="_blank"))
        )
    else:
        wide.append(
            panel(
                "card",
                "Model card",
                quiet("The artifact of the active version was not at hand when this was published."),
            )
        )
    unsure = view.query(_UNSURE)
    side = [
        panel("versions", "Versions", _versions(view, now)),
        panel("statuses", "What became of the articles", _statuses(view), "last 90 days"),
        panel(
            "unsure",
            "To be labelled: it was not sure",
            _queue(unsure, now),
            f"{len(unsure)} newest" if len(unsure) else "",
        ),
    ]
    return "Model", [
        html.H1(view.model_version or "No model is active", className="hidden"),
        html.Div([html.Div(wide, className="wide"), html.Div(side, className="side")], className="grid even"),
    ]


def _versions(view: View, now: datetime) -> html.Table | html.P:
    models = view.table("models")
    if models.empty:
        return quiet("No version has been promoted. Try `barograph models list`.")
    newest = models.sort_values("recorded_at", ascending=False)
    body = [
        html.Tr(
            [
                html.Td([html.B(row["model_version"]), html.Div(text_of(row["reason"]), className="more")]),
                html.Td(tag(row["status"], "on" if row["status"] == "active" else "")),
                html.Td(
                    [moment(row["recorded_at"], now), html.Div(text_of(row["actor"]), className="more")],
                    className="time",
                ),
            ]
        )
        for _, row in newest.iterrows()
    ]
    return html.Table(html.Tbody(body), className="list")


def _measured(metrics: dict[str, Any]) -> html.Table | html.P:
    """Accuracy, macro F1, recall of negative and calibration error of each final set."""
    names = ("Set", "Rows", "Accuracy", "Macro F1", "Recall of negative", "Calibration error")
    body = []
    for name, parts in metrics.get("final", {}).items():
        for part, found in parts.items():
            for head in ("sentiment", "topic"):
                row = found.get(head)
                if row:
                    body.append(_figures(f"{name}, {part.replace('_', ' ')}" if part != "all" else name, row))
    if not body:
        return quiet("Its metrics name no final set.")
    head_row = html.Tr([html.Th(text, scope="col", className="num" if n else "") for n, text in enumerate(names)])
    return html.Table(
        [html.Thead(head_row), html.Tbody([labelled(row, ("", *names[1:])) for row in body])], className="list cards"
    )


def _figures(name: str, row: dict[str, Any]) -> html.Tr:
    recall = row.get("recall", {}).get("negative")
    cells = [
        f"{row['n']:,}",
        *(f"{row[key]:.3f}" for key in ("accuracy", "macro_f1")),
        f"{recall:.3f}" if recall else "–",
        f"{row['ece']:.3f}",
    ]
    return html.Tr([html.Th(name, scope="row"), *(html.Td(cell, className="num") for cell in cells)])


def _reliability(view: View) -> html.Div | html.P:
    """The reliability diagrams that were drawn when it was measured."""
    pictures = view.table("model_pictures")
    pictures = pictures[pictures["model_version"] == view.model_version]
    if pictures.empty:
        return quiet("Its artifact holds no reliability diagram. `barograph evaluate` draws them.")
    return html.Div(
        [
            html.Figure(
                [
                    html.Img(src=f"data:image/png;base64,{row['png']}", alt=f"Reliability diagram of {row['name']}"),
                    html.Figcaption(str(row["name"]), className="more"),
                ]
            )
            for _, row in pictures.iterrows()
        ],
        className="pictures",
    )


def _challenge(text: object) -> html.Section:
    """How many hand-written cases of each kind it got right, the worst kinds first."""
    if not isinstance(text, str):
        return panel("challenge", "Challenge suite", quiet("Not run for this artifact: `python -m models.challenge`."))
    kinds = sorted(json.loads(text).items(), key=lambda kind: (kind[1]["passed"] / kind[1]["n"], kind[0]))
    body = [_passed(kind.replace("_", " "), row["passed"], row["n"]) for kind, row in kinds]
    right, asked = (sum(row[name] for _, row in kinds) for name in ("passed", "n"))
    table = html.Table(html.Tbody(body), className="list challenge")
    return panel("challenge", "Challenge suite, the hardest first", table, f"{right} of {asked} right")


def _passed(kind: str, passed: int, of: int) -> html.Tr:
    meter = html.Meter(value=str(passed), min="0", max=str(of), **aria(label=kind))
    return html.Tr([html.Th(kind, scope="row"), html.Td(f"{passed} of {of}", className="num"), html.Td(meter)])


def _statuses(view: View) -> html.Table | html.P:
    rows = view.query(_STATUSES)
    if rows.empty:
        return quiet("No article yet.")
    total = rows["articles"].sum()
    body = [
        html.Tr(
            [
                html.Th(str(row["status"]).replace("_", " "), scope="row"),
                html.Td(f"{row['articles']:,}", className="num"),
                html.Td(f"{row['articles'] / total:.1%}", className="num"),
            ]
        )
        for _, row in rows.iterrows()
    ]
    return html.Table(html.Tbody(body), className="list")


def _queue(rows: pd.DataFrame, now: datetime) -> html.Ul | html.P:
    if rows.empty:
        return quiet("Nothing: it abstained from no article in view.")
    items = [
        html.Li(
            [
                dcc.Link(
                    text_of(row["title"]) or "(no title)", href=href(f"/story/{row['story_id']}"), className="headline"
                ),
                html.Div([text_of(row["publisher"]), " · ", moment(row["counted_at"], now)], className="more"),
            ]
        )
        for _, row in rows.iterrows()
    ]
    return html.Ul(items, className="queue")
