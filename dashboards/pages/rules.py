"""Rules: what each one has sent of late, beside its alert budget and the limit that this budget sets."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards.address import Asked, href
from dashboards.data import View, incidents_of
from dashboards.download import downloads
from dashboards.pieces import Children, labelled, moment, panel, quiet, text_of
from dashboards.words import chance_words, span_words

__all__ = ["show"]

_SPAN = timedelta(weeks=4)
_HEADS = ("Rule", "Budget", "Fires under", "Its past", "Sent, 4 weeks", "Last", "Its last backtest")
_RIGHT = ("Sent, 4 weeks", "Last")


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """Every rule that has a limit, has ever fired, or was played over the past."""
    limits, incidents, played = view.table("limits"), incidents_of(view), _played(view)
    names = sorted({*limits["rule"], *incidents["rule"], *played})
    recent = incidents[incidents["fired_at"] >= pd.Timestamp(now - _SPAN)]
    sent, last = recent.groupby("rule").size(), incidents.groupby("rule")["fired_at"].max()
    rows = [
        _row(name, limits[limits["rule"] == name], int(sent.get(name, 0)), last.get(name), played.get(name), now)
        for name in names
    ]
    head = html.Tr([html.Th(text, scope="col", className="num" if text in _RIGHT else "") for text in _HEADS])
    content: Children = (
        [
            html.Table(
                [html.Thead(head), html.Tbody([labelled(row, ("", *_HEADS[1:])) for row in rows])],
                className="list cards",
            ),
            downloads("limits"),
        ]
        if rows
        else [quiet("No rule has fired or been given a limit yet. Try `barograph rules check`, then `barograph run`.")]
    )
    hint = "a budget sets the limit from the past; `barograph backtest` tells what other rules would have sent"
    return "Rules", [
        html.H1("Rules", className="hidden"),
        panel("rules", "Rules", content, f"{len(names)} rules" if names else ""),
        quiet(hint[0].upper() + hint[1:] + "."),
    ]


def _played(view: View) -> dict[str, str]:
    """Of each rule the newest backtest in words; newer ones of the same rule replace older ones."""
    told = {}
    for _, row in view.table("backtests").sort_values("recorded_at").iterrows():
        span = span_words(row["from_at"], row["to_at"])
        for of in json.loads(row["result"]).get("of_rules", []):
            delay = of.get("median_delay_hours")
            late = "" if delay is None else f", median delay {delay:.0f} h"
            told[str(of["rule"])] = (
                f"SIMULATED {span}: {of['alerts']} alerts, {of['per_week']:.1f} a week,"
                f" {of['busiest']} in the busiest{late}; {row['model_version']}"
            )
    return told


def _row(name: str, limit: pd.DataFrame, sent: int, last: Any, played: str | None, now: datetime) -> html.Tr:
    found: Any = limit.iloc[-1] if len(limit) else None
    budget, fires, past = "–", "–", "–"
    if found is not None:
        budget = text_of(found["budget"]) or "–"
        fires = chance_words(found["p_limit"]) or f"p {found['p_limit']:.2g}"
        pooled = ", with all series of its scope" if found["pooled"] else ""
        past = f"{found['per_week']:.1f} a week over {found['weeks']:.0f} weeks ({found['basis']}{pooled})"
    return html.Tr(
        [
            html.Th(dcc.Link(name, href=href("/incidents", q=name, state="all")), scope="row"),
            html.Td(budget),
            html.Td(fires),
            html.Td(past, className="more"),
            html.Td(f"{sent} ({sent / 4:.1f} a week)" if sent else "none", className="num"),
            html.Td(moment(last, now), className="time"),
            html.Td(played or "–", className="more words"),
        ]
    )
