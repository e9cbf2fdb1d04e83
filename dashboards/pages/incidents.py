"""Incidents: what is firing and what was, found by state and word; and one incident with its evidence and its life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from dash import dcc, html

from dashboards import words
from dashboards.act import act_panel
from dashboards.address import Asked, href
from dashboards.charts import drawing, said
from dashboards.data import SCOPES, SHOWN, View, evidence_of, incidents_of
from dashboards.download import downloads
from dashboards.evidence import evidence_blocks, state_of
from dashboards.figures import series_figure
from dashboards.pieces import (
    Children,
    aria,
    coded,
    copy_link,
    labelled,
    moment,
    panel,
    quiet,
    records,
    series_link,
    switch,
    tag,
    text_of,
    when_of,
)

__all__ = ["grain_of", "show", "show_one"]

_STATES = {"open": "Open", "past": "Past", "all": "All"}
_MOST = 200
_SEARCHED = ("label", "summary", "rule", "severity", "key")
_EVENTS = "SELECT * FROM incident_events WHERE incident_id = $incident_id ORDER BY seq, event_id"
# So many letters of an id name it; all 32 would break the line.
_LETTERS = 12
# Articles of either kind: more would make a page of many megabytes; `barograph audit` writes all of them.
_ARTICLES = 1_000


def show(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """All of them. Asked for: `state` and `q`, words that each has."""
    rows = incidents_of(view)
    live = int(rows["open"].sum())
    state = asked.one_of("state", tuple(_STATES), "open" if live else "all")
    wanted = asked.text("q").casefold().split()
    if state != "all":
        rows = rows[rows["open"] == (state == "open")]
    if wanted:
        texts = zip(*(rows[name].fillna("").astype(str) for name in _SEARCHED), strict=True)
        rows = rows[[all(word in text for word in wanted) for text in (" ".join(one).casefold() for one in texts)]]
    box = html.Div(
        [
            dcc.Input(
                id="incident-words",
                value=asked.text("q"),
                placeholder="company, rule, severity …",
                debounce=True,
                type="search",
                className="find",
            ),
            switch(asked, "state", _STATES, state, "Which incidents"),
        ],
        className="controls",
    )
    note = f"{min(len(rows), _MOST)} of {len(rows)} shown; {live} open in all"
    content: Any = _table(rows.head(_MOST), now) if len(rows) else quiet(_nothing(state, bool(wanted)))
    content = [content, downloads("incidents")]
    return "Incidents", [
        html.H1("Incidents", className="hidden"),
        panel("incident-list", "Incidents", content, note, box),
    ]


def _nothing(state: str, searched: bool) -> str:
    if searched:
        return "No incident has all these words. Take one away, or look among all."
    return (
        "Nothing is open."
        if state == "open"
        else "None so far. Try a rule on the past: `barograph backtest rules.toml`."
    )


def _table(rows: pd.DataFrame, now: datetime) -> html.Table:
    names, times = ("", "What", "State", "Rule", "Fired", "Resolved"), ("Fired", "Resolved")
    head = html.Tr([html.Th(text, scope="col", className="num" if text in times else "") for text in names])
    labels = ("", "", "", *names[3:])
    body = [labelled(_row(row, now), labels) for row in records(rows)]
    return html.Table([html.Thead(head), html.Tbody(body)], className="list cards")


def _row(row: Mapping[str, Any], now: datetime) -> html.Tr:
    severity, state = str(row["severity"]), state_of(row)
    mark = html.Span(
        words.SEVERITY_MARK.get(severity, "○"), className=f"sev {severity}", role="img", **aria(label=severity)
    )
    return html.Tr(
        [
            html.Td(mark, className="mark"),
            html.Td(
                [
                    dcc.Link(
                        text_of(row["label"]) or row["key"],
                        href=href(f"/incidents/{row['incident_id']}"),
                        className="headline",
                    ),
                    html.Div(text_of(row["summary"]), className="more"),
                ]
            ),
            html.Td([tag(severity, severity), tag(state, state), *_extra(row)]),
            html.Td(row["rule"], className="told"),
            html.Td(moment(row["fired_at"], now), className="time"),
            html.Td(moment(row["resolved_at"], now), className="time"),
        ]
    )


def _extra(row: Mapping[str, Any]) -> Children:
    extra = [tag("single source", "single")] if row["single_source"] is True else []
    if text_of(row["suppressed_by"]):
        extra.append(tag("suppressed", "single"))
    if text_of(row["acknowledged_by"]):
        extra.append(tag(f"acknowledged by {row['acknowledged_by']}"))
    return extra


def show_one(view: View, asked: Asked, now: datetime) -> tuple[str, list[Any]]:
    """`/incidents/ID`: what it rests on, its life, and what can be done about it."""
    incident_id = asked.path.strip("/").partition("/")[2]
    rows = incidents_of(view)
    rows = rows[rows["incident_id"] == incident_id]
    if rows.empty:
        gone = quiet("No incident of that name is in this snapshot. It may be newer than the last `barograph publish`.")
        return "Incident", [panel("incident", "Incident", [gone, dcc.Link("All incidents", href="/incidents")])]
    row = records(rows)[0]
    label, severity = text_of(row["label"]) or str(row["key"]), str(row["severity"])
    head = html.Section(
        [
            html.H1(
                [html.Span(words.SEVERITY_MARK.get(severity, "○"), className=f"sev {severity}"), " ", label],
                id="incident-title",
            ),
            html.P(text_of(row["summary"]), className="lead"),
            html.Div([tag(severity, severity), tag(state_of(row), state_of(row)), *_extra(row)], className="tags"),
            html.P([*_facts(row, now), " · ", *copy_link()], className="more"),
        ],
        className="panel head-panel",
    )
    (kept,) = evidence_of(view, [incident_id])
    evidence = evidence_blocks(kept, now, negative_shown=_ARTICLES, counter_shown=_ARTICLES)
    forms = act_panel(
        view.snapshot.root, incident_id, asked,
        is_open=bool(row["open"]), acknowledged=bool(text_of(row["acknowledged_by"])),
    )  # fmt: skip
    side = [
        panel("act", "Act", forms),
        panel("life", "Its life", _life(view, incident_id, now)),
        panel("replay", "Replay", _replay(view, row, asked)),
        panel("commands", "From the command line", _commands(row)),
    ]
    wide = [panel("evidence", "Evidence, as the message had it", html.Div(evidence, className="evidence"))]
    if row["scope"] in SCOPES:
        series = view.series(row["scope"], row["key"], grain_of(kept["decision"], now - row["fired_at"]))
        drawn = drawing(series, series_figure(series))
        where = series_link(row["scope"], row["key"], "the whole series", series.grain)
        wide.insert(
            0, panel("around", series.label, drawn, said(series), html.Span(where, className="all"), "chart-panel")
        )
    return label, [
        head,
        html.Div([html.Div(wide, className="wide"), html.Div(side, className="side")], className="grid"),
    ]


def grain_of(decisions: Sequence[Mapping[str, Any]], age: timedelta) -> str:
    """The grain to draw: days where days were judged, as the message tells them; else hours, while those are shown."""
    judged = {decision.get("grain") for decision in decisions}
    return "day" if "day" in judged or age >= SHOWN["hour"] else "hour"


def _facts(row: Mapping[str, Any], now: datetime) -> Children:
    told: Children = ["Rule ", html.B(row["rule"]), " · fired ", moment(row["fired_at"], now)]
    if when_of(row["resolved_at"]):
        told += [" · resolved ", moment(row["resolved_at"], now)]
    else:
        # Counted to the end of its newest bucket, which may not have come yet.
        seen = when_of(row["last_seen_at"])
        told += [" · last seen ", moment(seen and min(seen, now), now)]
    return [*told, " · scored by ", html.B(text_of(row["model_version"]) or "no model")]


def _life(view: View, incident_id: str, now: datetime) -> html.Ol | html.P:
    """The steps of its life, oldest first, each with its reason and who took it."""
    events = view.query(_EVENTS, incident_id=incident_id)
    if events.empty:
        return quiet("No step is in this snapshot.")
    items = []
    for _, event in events.iterrows():
        who = f" by {event['actor']}" if text_of(event["actor"]) else ""
        reason = text_of(event["reason"]).replace("_", " ").lower()
        items.append(
            html.Li(
                [
                    moment(event["happened_at"], now),
                    html.B(f" {event['action']}{who}"),
                    html.Div(f"{reason} · {event['severity']}", className="more"),
                ],
                className=str(event["action"]),
            )
        )
    return html.Ol(items, className="life")


def _replay(view: View, row: Mapping[str, Any], asked: Asked) -> Children:
    """A link to the same view made again, or what came of it: that costs computing, so only who asks pays for it."""
    name = str(row["incident_id"])[:_LETTERS]
    also = f"`barograph replay {name}` compares its messages too, which no snapshot holds; `--refit` recounts."
    if asked.text("replay") != "1":
        ask = "Make each decision again from the evidence in this snapshot, and compare it to the byte."
        return [html.P(ask, className="more"), dcc.Link("Replay", href=asked.href(replay="1"), className="button")]
    from dashboards.replayed import shown

    back = dcc.Link("put it away", href=asked.href(replay=None), className="plain")
    return [*shown(view, row), html.P(coded(also), className="more"), back]


def _commands(row: Mapping[str, Any]) -> html.Ul:
    name = str(row["incident_id"])[:_LETTERS]
    lines = (f"barograph incidents show {name}", f"barograph incidents ack {name}", f"barograph replay {name}")
    return html.Ul([html.Li(html.Code(line)) for line in lines], className="commands")
