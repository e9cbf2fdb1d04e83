"""The panels: from a view of the snapshot to Dash components. Feed text goes in as text, never as markup."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from dash import html

from dashboards import words
from dashboards.data import View, ranked
from dashboards.pieces import Children, coded, records, series_link, tag, when_of
from dashboards.query import parts_of
from dashboards.sparkline import sparkline

__all__ = [
    "STALE_AFTER",
    "as_of",
    "banners",
    "feeds",
    "foot",
    "tiles",
    "unusual",
]

STALE_AFTER = timedelta(minutes=30)
_SPARK_DAYS = 28
_SPARK = ["negative_stories", "low", "high"]
_DAYS = """
SELECT key, bucket_start, negative_stories, low, high FROM {expected}
WHERE grain = 'day' AND scope = $scope AND bucket_start >= $since AND list_contains($keys::VARCHAR[], key)"""


def banners(view: View | None, now: datetime, missing: str = "") -> Children:
    """The bars that cannot be missed: demo, stale, nothing published."""
    if view is None:
        return [html.Div([html.B("Nothing to show yet. "), *coded(missing)], className="bar stale")]
    bars: Children = []
    if view.snapshot.demo:
        bars.append(
            html.Div(
                [html.B("DEMO"), " Made-up companies, made-up news. Nothing on this page is real."],
                className="bar demo",
            )
        )
    if view.lacks:
        text = f" Published by an earlier version, without {', '.join(view.lacks)}. Run `barograph publish` once more."
        bars.append(html.Div([html.B("INCOMPLETE"), *coded(text)], className="bar stale"))
    as_of_ = view.snapshot.data_as_of
    if as_of_ is None:
        bars.append(
            html.Div(
                coded("No news has come in yet. Run `barograph run`, or import an archive."), className="bar stale"
            )
        )
    elif now - as_of_ > STALE_AFTER:
        age = words.age_words(as_of_, now)
        text = f" Nothing has come in for {age}. Run `barograph run`, or look at the scheduler."
        bars.append(html.Div([html.B("STALE"), *coded(text)], className="bar stale"))
    return bars


def as_of(view: View, now: datetime) -> Children:
    """`data as of …` and the model, for the head of the page."""
    when = view.snapshot.data_as_of
    model = view.snapshot.manifest.model_version or "no model is active"
    if when is None:
        return [html.Span("no data yet"), html.Span(model, className="model")]
    age = words.age_words(when, now)
    return [
        html.Span(
            [
                "data as of ",
                html.Time(f"{when:%-d %b %Y %H:%M} UTC", dateTime=when.isoformat(), title=when.isoformat()),
                " (just now)" if age == "just now" else f" ({age} ago)",
            ]
        ),
        html.Span(["model ", html.B(model)], className="model"),
    ]


def tiles(view: View, coverage: float | None) -> Children:
    """Four facts at a glance: the market, what is unusual, what is firing, whether the news arrives."""
    market = ranked(view, "market", "today", 1)
    when = "today"
    if market.empty:
        market, when = ranked(view, "market", "yesterday", 1), "yesterday"
    if market.empty:
        first = _tile("Market", "no stories", "neither today nor yesterday", "none")
    else:
        (row,) = records(market)
        above = _above(row)
        chance = words.chance_words(row["p_value"])
        usual = words.range_words(row["expected"], row["low"], row["high"], row["status"])
        first = _tile(
            f"Market {when}",
            words.counts_words(row["negative_stories"], row["story_count"]),
            usual + (f" · {chance}" if chance else ""),
            "alarm" if above else "",
        )
    incidents = view.table("incidents")
    live = incidents[incidents["resolved_at"].isna() & (incidents["state"] != "pending")]
    critical = int(live["severity"].isin(["critical", "error"]).sum())
    second = _tile(
        "Incidents",
        f"{len(live)} open" if len(live) else "none open",
        f"{critical} severe"
        if critical
        else "none of them severe"
        if len(live)
        else "all quiet, as far as news arrives",
        "alarm" if critical else "",
    )
    days = view.table("unusual")
    today = days[days["open"] & (days["status"] == "ok") & (days["scope"] != "market")]
    out = int((today["negative_stories"] > today["high"]).sum())
    third = _tile(
        "Above their range today",
        f"{out} of {len(today)} series" if len(today) else "not judged yet",
        f"not judged: {int((days['open'] & (days['status'] != 'ok')).sum())} (warming up or too sparse)"
        if days["open"].any()
        else "no series has stories today",
        "",
    )
    late, polled = _late(view), view.table("feeds")
    polled = polled[polled["kind"] != "archive"]
    arriving = (
        f"{len(polled) - len(late)} of {len(polled)} feeds arriving" if len(polled) else "no feeds, archives only"
    )
    share = "coverage unknown" if coverage is None or np.isnan(coverage) else f"coverage {coverage:.0%}"
    names = ", ".join(str(title) for title in late["title"].head(2)) + (" …" if len(late) > 2 else "")
    fourth = _tile(
        "Arrivals", arriving, f"{share} · late: {names}" if len(late) else share, "alarm" if len(late) else ""
    )
    return [first, second, third, fourth]


def _tile(name: str, fact: str, more: str, kind: str) -> html.Div:
    return html.Div(
        [
            html.Div(name, className="name"),
            html.Div(fact, className="fact"),
            html.Div(more, className="more", title=more),
        ],
        className=f"tile {kind}".strip(),
    )


def unusual(view: View, scope: str, day: str, limit: int) -> html.Table | html.P:
    """The ranked table of one scope: counts in words, the last weeks, and how rare it is."""
    found: html.Table | html.P = view.once(("unusual", scope, day, limit), lambda: _unusual(view, scope, day, limit))
    return found


def _unusual(view: View, scope: str, day: str, limit: int) -> html.Table | html.P:
    rows = ranked(view, scope, day, limit)
    if rows.empty:
        what = {"topic": "topic", "entity": "company"}.get(scope, scope)
        when = "today" if day == "today" else "yesterday"
        return html.P(f"No stories about any {what} {when}. This is no data, not calm.", className="quiet")
    sparks = _sparks(view, scope, rows)
    body = []
    for row in records(rows):
        above = _above(row)
        # Short, so that it stands in one line.
        chance = words.chance_words(row["p_value"]).replace("under ", "< ")
        usual = words.range_words(row["expected"], row["low"], row["high"], row["status"])
        mark = html.Span("▲ ", className="negative", title="above its range") if above else ""
        body.append(
            html.Tr(
                [
                    html.Th(series_link(scope, row["key"], row["label"]), scope="row"),
                    html.Td(
                        [
                            html.Div(
                                words.counts_words(row["negative_stories"], row["story_count"]), className="counts"
                            ),
                            html.Div(usual, className="usual"),
                        ]
                    ),
                    html.Td(
                        html.Img(src=sparks[row["key"]], alt="negative stories a day, last four weeks"),
                        className="spark",
                    ),
                    html.Td([mark, chance or "–"], className="chance"),
                ],
                className="above" if above else "young" if row["status"] != "ok" else "",
            )
        )
    head = html.Tr([html.Th(text, scope="col") for text in ("", "Stories", "Four weeks", "Chance")])
    return html.Table([html.Thead(head), html.Tbody(body)], className="ranked")


def _sparks(view: View, scope: str, rows: pd.DataFrame) -> dict[str, str]:
    since = (rows["bucket_start"].iloc[0] - pd.Timedelta(days=_SPARK_DAYS - 1)).to_pydatetime()
    sql = _DAYS.format(expected=parts_of(view.snapshot, "expected", since))
    days = view.query(sql, scope=scope, keys=rows["key"].tolist(), since=since)
    days = days.assign(day=(days["bucket_start"] - since).dt.days)
    found = {}
    for key, part in days[days["day"] < _SPARK_DAYS].groupby("key"):
        drawn = np.full((_SPARK_DAYS, len(_SPARK)), np.nan)
        drawn[part["day"]] = part[_SPARK]
        found[str(key)] = sparkline(pd.DataFrame(drawn, columns=_SPARK))
    return found


def _above(row: Mapping[str, Any]) -> bool:
    return bool(row["status"] == "ok" and row["negative_stories"] > row["high"])


def _late(view: View) -> pd.DataFrame:
    feeds_ = view.table("feeds")
    return feeds_[(feeds_["kind"] != "archive") & (feeds_["late"] | (feeds_["failures"].fillna(0) > 0))]


def feeds(view: View, now: datetime) -> tuple[Children, str]:
    """The feeds that are late or fail, with the last error in words; and one line on the last day's fetching."""
    polled = view.table("feeds")
    polled = polled[polled["kind"] != "archive"]
    late = _late(view).sort_values("last_new_at")
    if polled.empty:
        return [html.P("No feed is polled: what is shown came from archives.", className="quiet")], ""
    items = []
    for feed in records(late):
        silent = words.age_words(when_of(feed["last_new_at"]), now)
        said = feed["late_sentence"] if feed["late"] else None
        error = feed["last_error"] if (feed["failures"] or 0) > 0 else None
        items.append(
            html.Li(
                [
                    html.B(feed["title"] or feed["publisher"] or feed["feed_id"]),
                    tag("late" if feed["late"] else "failing"),
                    html.Span(f"silent for {silent}" if silent != "never" else "nothing yet", className="since"),
                    *(
                        html.Div(str(text), className="more")
                        for text in (said, error)
                        if isinstance(text, str) and text
                    ),
                ]
            )
        )
    tries = view.table("fetch_summary")
    fetched = int(tries["attempts"].sum())
    new = int(tries["new_articles"].sum())
    line = f"Last 24 hours: {fetched:,} polls, {new:,} new articles." if fetched else "No polls in the last 24 hours."
    note = f"{len(late)} late" if len(late) else f"all {len(polled)} arrive"
    listing = html.Ul(items, className="feeds") if items else html.P("Every feed arrives as usual.", className="quiet")
    return [listing, html.P(line, className="more")], note


def foot(view: View) -> Children:
    """Where the page comes from."""
    manifest = view.snapshot.manifest
    return [
        html.Span(f"snapshot {manifest.snapshot_id}"),
        html.Span(f"published {manifest.published_at:%-d %b %Y %H:%M:%S} UTC"),
        html.Span("▼ negative  ● neutral  ▲ positive"),
    ]
