"""An incident and all it rests on, as the message had it: in the list of the morning, and on its own page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.address import href
from dashboards.data import Evidence, View, evidence_of, incidents_of
from dashboards.pieces import Children, moment, quiet, records, tag, title_link

__all__ = ["evidence_blocks", "incident_list", "incident_rows", "state_of"]

# In a list, folded: what it is about; the rest is on its own page, and every line costs each page that has the list.
_SHOWN, _NEGATIVE, _COUNTER = 12, 3, 1


def incident_list(view: View, now: datetime) -> tuple[Children, str]:
    """The newest incidents, open ones first, each with its evidence folded; and a note on how many there are."""
    rows = incidents_of(view)
    if rows.empty:
        return [quiet("None so far. Rules fire once a series has a past, events and silent feeds at once.")], ""
    live = int(rows["open"].sum())
    return incident_rows(view, rows, now), f"{live} open, {len(rows) - live} resolved"


def incident_rows(view: View, rows: pd.DataFrame, now: datetime) -> Children:
    """Some incidents (`incidents_of`), each with its evidence folded; the first ones, where there are many."""
    shown = records(rows.head(_SHOWN))
    kept = evidence_of(view, [row["incident_id"] for row in shown])
    return [_incident(row, evidence, now) for row, evidence in zip(shown, kept, strict=True)]


def _incident(row: Mapping[str, Any], evidence: Evidence, now: datetime) -> html.Details:
    severity = str(row["severity"])
    state = state_of(row)
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
            html.Div(
                [
                    *evidence_blocks(evidence, now),
                    dcc.Link("its own page", href=href(f"/incidents/{row['incident_id']}"), className="more"),
                ],
                className="evidence",
            ),
        ],
        className=f"incident {state}",
        id=f"incident-{row['incident_id']}",
    )


def state_of(row: Mapping[str, Any]) -> str:
    """The state a person is told."""
    return "resolved" if not row["open"] else str(row["state"])


def evidence_blocks(
    found: Evidence,
    now: datetime,
    negative_shown: int = _NEGATIVE,
    counter_shown: int = _COUNTER,
) -> Children:
    """Decision, feeds and articles of an incident (`evidence_of`), the most negative first, counter-evidence last."""
    blocks: Children = [html.P(words.decision_words(decision)) for decision in found["decision"][:1]]
    blocks += [html.P(str(feed.get("sentence", ""))) for feed in found["feed"][:3]]
    # The same article may have been kept again at a later step of the incident's life.
    articles = list({(a.get("article_id"), a.get("revision")): a for a in found["article"]}.values())
    against = [a for a in articles if a.get("role") == "counter"]
    negative = sorted((a for a in articles if a.get("role") != "counter"), key=lambda a: -(a.get("p_negative") or 0))
    blocks += _articles("Negative", negative, negative_shown, now)
    blocks += _articles("Counter-evidence", against, counter_shown, now)
    kept = sum(len(rows) for rows in found.values())
    if not kept:
        return [quiet("No evidence row is in this snapshot.")]
    version = next((d.get("model_version") for d in found["decision"]), None)
    blocks.append(html.P(f"{kept} rows of evidence" + (f" · scored by {version}" if version else ""), className="more"))
    return blocks


def _articles(name: str, articles: list[dict[str, Any]], limit: int, now: datetime) -> Children:
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
