"""The incident panel: what fired, and, unfolded, all it rests on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
from dash import html

from dashboards import words
from dashboards.data import View, evidence_of, incidents_of
from dashboards.panels import moment, tag, title_link

__all__ = ["incidents"]

_SHOWN, _NEGATIVE, _COUNTER = 12, 6, 2


def incidents(view: View, now: datetime) -> tuple[list[Any], str]:
    """The newest incidents, open ones first, each with its evidence folded; and a note on how many there are."""
    rows = incidents_of(view)
    if rows.empty:
        return [
            html.P(
                "None so far. Rules fire once a series has a past, events and silent feeds at once.", className="quiet"
            )
        ], ""
    live = int(rows["open"].sum())
    return [
        _incident(view, row, now) for _, row in rows.head(_SHOWN).iterrows()
    ], f"{live} open, {len(rows) - live} resolved"


def _incident(view: View, row: pd.Series[Any], now: datetime) -> html.Details:
    severity = str(row["severity"])
    state = "resolved" if not row["open"] else str(row["state"])
    return html.Details(
        [
            html.Summary(
                [
                    html.Span(words.SEVERITY_MARK.get(severity, "○"), className=f"sev {severity}", title=severity),
                    html.Div(
                        [
                            html.Div(
                                [
                                    html.B(row["label"] or row["key"]),
                                    html.Span(moment(row["started_at"], now), className="when"),
                                ],
                                className="line",
                            ),
                            html.Div(row["summary"] or "", className="more"),
                            html.Div(
                                [
                                    tag(severity, severity),
                                    tag(state, state),
                                    *([tag("single source", "single")] if row["single_source"] is True else []),
                                ],
                                className="tags",
                            ),
                        ],
                        className="said",
                    ),
                ]
            ),
            html.Div(_evidence(evidence_of(view, row["incident_id"]), now), className="evidence"),
        ],
        className=f"incident {state}",
        id=f"incident-{row['incident_id']}",
    )


def _evidence(found: dict[str, list[dict[str, Any]]], now: datetime) -> list[Any]:
    blocks: list[Any] = [html.P(words.decision_words(decision)) for decision in found["decision"][:1]]
    blocks += [html.P(str(feed.get("sentence", ""))) for feed in found["feed"][:3]]
    # The same article may have been kept again at a later step of the incident's life.
    articles = list({(a.get("article_id"), a.get("revision")): a for a in found["article"]}.values())
    against = [a for a in articles if a.get("role") == "counter"]
    negative = sorted((a for a in articles if a.get("role") != "counter"), key=lambda a: -(a.get("p_negative") or 0))
    blocks += _articles("Negative", negative, _NEGATIVE, now)
    blocks += _articles("Counter-evidence", against, _COUNTER, now)
    kept = sum(len(rows) for rows in found.values())
    if not kept:
        return [html.P("No evidence row is in this snapshot.", className="quiet")]
    version = next((d.get("model_version") for d in found["decision"]), None)
    blocks.append(html.P(f"{kept} rows of evidence" + (f" · scored by {version}" if version else ""), className="more"))
    return blocks


def _articles(name: str, articles: list[dict[str, Any]], limit: int, now: datetime) -> list[Any]:
    if not articles:
        return []
    more = len(articles) - limit
    items = [_article(article, now) for article in articles[:limit]]
    if more > 0:
        items.append(html.Li(f"and {more} more", className="more"))
    return [html.H3(f"{name} ({len(articles)})"), html.Ul(items, className="articles")]


def _article(article: dict[str, Any], now: datetime) -> html.Li:
    score = article.get("p_negative")
    mark, kind = ("▼", "negative") if article.get("negative") else words.polarity_mark(_polarity(article))
    when = article.get("published_at") or article.get("first_seen_at")
    about = [str(article.get("publisher") or "?"), *(str(t).replace("_", " ") for t in article.get("themes") or ())]
    return html.Li(
        [
            html.Span(
                f"{mark} {score:.2f}" if isinstance(score, float) else f"{mark} –",
                className=f"score {kind}",
                title="probability of negative",
            ),
            html.Div(
                [
                    title_link(article.get("title"), article.get("url")),
                    html.Div([" · ".join(about), " · ", moment(when, now)], className="more"),
                ]
            ),
        ]
    )


def _polarity(article: dict[str, Any]) -> float | None:
    positive, negative = article.get("p_positive"), article.get("p_negative")
    return positive - negative if isinstance(positive, float) and isinstance(negative, float) else None
