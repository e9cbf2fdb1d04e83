"""The charts: pure functions from a series to a figure of plotly tested without a browser.

A figure is a plain dictionary of numbers, lists and texts: `plotly.graph_objects` would check and copy it at every
page, and times or arrays would be walked one by one on their way to JSON (docs/decisions.md).
Text, grid and background colours are left to the style sheet, so that one figure serves light and dark.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from dashboards.data import SHOWN, Series
from dashboards.words import SEVERITY_MARK, plain

__all__ = [
    "INDEX", "NEGATIVE", "NEUTRAL", "POSITIVE", "Figure", "compare_figure", "coverage_figure", "marked", "runs",
    "series_figure", "zoomed",
]  # fmt: skip

# What `dcc.Graph` draws: `data`, a list of traces, and `layout`.
Figure = dict[str, Any]
_Part = dict[str, Any]  # a trace, a shape, an annotation or a layout

# Blue and orange stay apart for every common colour blindness; the shapes say it again.
NEGATIVE, NEUTRAL, POSITIVE, INDEX = "#dd7a26", "#a3adb8", "#3f86c4", "#6b7a8c"
_BAND = "rgba(110,130,155,.22)"
ALARM = "#c23a54"
_FLOOR = 0.5  # below this coverage the index is withheld
_LEAST_FOR_SHARE = 8
_TOLD = 5  # incidents in words at one mark
_FULL_HEIGHT: _Part = {"yref": "paper", "y0": 0, "y1": 1}
# Okabe and Ito's palette, which stays apart for every common colour blindness.
_COMPARED = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_STEP = {"hour": pd.Timedelta(hours=1), "day": pd.Timedelta(days=1)}
# What is left of plotly's own template, which `graph_objects` would add, in a figure that has only such parts.
_AXIS: _Part = {"automargin": True, "gridcolor": "white", "zerolinecolor": "white", "ticks": ""}
_TEMPLATE: _Part = {
    "layout": {
        "autotypenumbers": "strict",
        "font": {"color": "#2a3f5f"},
        "hoverlabel": {"align": "left"},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    },
    "data": {"bar": [{"type": "bar", "marker": {"pattern": {"fillmode": "overlay"}}}]},
}


class _Times(NamedTuple):
    """The buckets of a chart as plotly reads times: where each stands, and half a step to either side of it."""

    before: list[str]
    at: list[str]
    after: list[str]
    width: float  # of a bar, in milliseconds


class _Fired(NamedTuple):
    """An incident of a chart."""

    bucket: pd.Timestamp
    started_at: pd.Timestamp
    severity: str
    label: str
    summary: str


def series_figure(series: Series) -> Figure:
    """Index with its band, volume by polarity, negative stories beside their expected range; incidents marked.

    A bucket without a row is a gap in every trace, never a zero. All panels hang on one time axis, so that a hover
    reads all of them. The legend is the page's own (`dashboards.charts`).
    """
    rows = _on_grid(series)
    if rows.empty:
        return _silent(series)
    times, index, share = _times(rows, series.grain), _shown_index(rows), _as_share(rows)
    data = [
        *_index(index, times),
        *_volume(rows, times),
        *_negative(rows, times, share=share),
        *_incidents(series),
    ]
    layout = _frame(series, "% negative" if share else "negative")
    layout["shapes"] = [*_thin_coverage(rows, times), *_models(series), *_own_incidents(series)]
    if index["sentiment_index"].isna().all():
        why = "No index yet: its past is too short, or too little of the news arrived."
        layout["annotations"] = [_note(why, "domain")]
    return {"data": data, "layout": layout}


def compare_figure(compared: Sequence[Series]) -> Figure:
    """The indices of up to five series on one axis, each named at its end; colours and dashes both tell them apart."""
    data: list[_Part] = []
    names: list[_Part] = []
    for n, series in enumerate(compared):
        rows = _on_grid(series)
        if rows.empty:
            continue
        index, at = rows["sentiment_index"].ffill(limit=3), _written(rows["bucket_start"])
        name, colour = plain(series.label), _COMPARED[n % len(_COMPARED)]
        line = {"color": colour, "width": 1.8, "dash": _DASHES[n % len(_DASHES)]}
        data.append(_scatter("lines", at, index, name=name, line=line, hovertemplate="%{y:+.1f}"))
        known = np.flatnonzero(index.notna())
        if known.size:
            last = int(known[-1])
            names.append(_end(at[last], float(index.iloc[last]), name, colour))
    layout = _one_panel(compared[0], "index", {"zeroline": True, "zerolinewidth": 1})
    layout["margin"] = {"l": 46, "r": 130, "t": 8, "b": 22}
    layout["uirevision"] = f"compare:{compared[0].grain}"
    return {"data": data, "layout": {**layout, **({"annotations": names} if names else {})}}


def coverage_figure(series: Series) -> Figure | None:
    """Coverage by bucket, in percent, what is under the floor marked; None where it is unknown throughout."""
    rows = _on_grid(series)
    if rows.empty or "coverage" not in rows or rows["coverage"].isna().all():
        return None
    times = _times(rows, series.grain)
    share = (rows["coverage"] * 100).round(1)
    words = [
        f"{value:.0f}% of {expected:.0f} expected; {arrived:.0f} arrived" if value == value else "unknown"
        for value, expected, arrived in zip(share, rows["arrivals_expected"], rows["arrived"], strict=True)
    ]
    colours = np.where(rows["coverage"] < _FLOOR, NEGATIVE, NEUTRAL).tolist()
    marker = {"color": colours, "line": {"width": 0}}
    told = {"text": words, "textposition": "none", "hovertemplate": "%{text}<extra></extra>"}
    bars = _bar(times, share, marker=marker, **told)
    return {"data": [bars], "layout": _one_panel(series, "% covered", {"range": [0, 104]})}


def zoomed(figure: Figure, start: datetime, end: datetime) -> Figure:
    """The figure with this part of its time in view."""
    layout = figure["layout"]
    axis = {**layout["xaxis"], "range": [start.isoformat(), end.isoformat()]}
    return {**figure, "layout": {**layout, "xaxis": axis}}


def marked(figure: Figure, at: datetime) -> Figure:
    """The figure with an upright line through its first panel at this moment."""
    layout = figure["layout"]
    where = {"xref": "x", "x0": at.isoformat(), "x1": at.isoformat(), "yref": "y domain", "y0": 0, "y1": 1}
    line = {"type": "line", **where, "line": {"color": INDEX, "width": 1}}
    return {**figure, "layout": {**layout, "shapes": [*layout.get("shapes", []), line]}}


def _silent(series: Series) -> Figure:
    """Of a series without a row: only why there is nothing."""
    layout = _frame(series, "")
    axes = {name: {**layout[name], "visible": False} for name in ("xaxis", "yaxis", "yaxis2", "yaxis3", "yaxis4")}
    why = f"No stories in this series in the last {SHOWN[series.grain].days} days: nothing to draw."
    return {"data": [], "layout": {**layout, **axes, "hovermode": False, "annotations": [_note(why, "paper")]}}


def _one_panel(series: Series, title: str, axis: _Part) -> _Part:
    """The layout of a chart of a single panel, whose vertical axis is `axis`."""
    layout = _frame(series, "")
    first, time = layout["yaxis"], layout["xaxis"]
    layout = {name: part for name, part in layout.items() if name not in ("yaxis2", "yaxis3", "yaxis4")}
    named = {**first["title"], "text": title}
    return {
        **layout,
        "xaxis": {**time, "anchor": "y"},
        "yaxis": {**first, "domain": [0, 1], "title": named, **axis},
    }


def _on_grid(series: Series) -> pd.DataFrame:
    """Every bucket of the shown time, empty where the series has no row; none at all where it has none."""
    if series.rows.empty:
        return series.rows
    step = _STEP[series.grain]
    grid = pd.date_range(series.rows["bucket_start"].min(), series.rows["bucket_start"].max(), freq=step)
    if len(grid) == len(series.rows):
        return series.rows
    return series.rows.set_index("bucket_start").reindex(grid).rename_axis("bucket_start").reset_index()


def _times(rows: pd.DataFrame, grain: str) -> _Times:
    starts, step = rows["bucket_start"], _STEP[grain]
    before, at, after = (_written(starts + shift) for shift in (-step / 2, 0 * step, step / 2))
    return _Times(before, at, after, step.total_seconds() * 1000 * 0.84)


def _written(times: pd.Series[pd.Timestamp]) -> list[str]:
    """Whole minutes in UTC as texts that plotly reads; all at once, which is much faster than one by one."""
    texts: list[str] = np.datetime_as_string(times.to_numpy("datetime64[us]"), unit="m").tolist()
    return texts


def _numbers(values: pd.Series[Any]) -> list[float | None]:
    """The values as JSON has them: None for NaN, which plotly leaves out."""
    return [value if value == value else None for value in values.tolist()]


def _scatter(mode: str, x: list[str], y: pd.Series[Any], **look: Any) -> _Part:
    return {"type": "scatter", "mode": mode, "x": x, "y": _numbers(y), **look}


def _bar(times: _Times, y: pd.Series[Any], **look: Any) -> _Part:
    return {"type": "bar", "x": times.at, "y": _numbers(y), "width": times.width, **look}


def _shown_index(rows: pd.DataFrame) -> pd.DataFrame:
    """Index and band. The index is a decaying mean, so it stands between two buckets; a longer silence is a gap."""
    shown = rows[["sentiment_index", "band_low", "band_high"]].ffill(limit=3)
    if "coverage" in rows:
        shown.loc[rows["coverage"] < _FLOOR] = np.nan
    return shown


def _index(shown: pd.DataFrame, times: _Times) -> list[_Part]:
    line = _scatter(
        "lines",
        times.at,
        shown["sentiment_index"],
        name="sentiment index",
        line={"color": INDEX, "width": 1.8},
        connectgaps=False,
        hovertemplate="index %{y:+.1f}<extra></extra>",
    )
    return [*_area(times, shown["band_low"], shown["band_high"], "y"), line]


def _volume(rows: pd.DataFrame, times: _Times) -> list[_Part]:
    neutral = rows["story_count"] - rows["negative_stories"] - rows["positive_stories"]
    parts = (
        ("negative", rows["negative_stories"], NEGATIVE, "/"),
        ("neutral", neutral.clip(lower=0), NEUTRAL, ""),
        ("positive", rows["positive_stories"], POSITIVE, ""),
    )
    look = {"size": 4, "solidity": 0.25, "fgcolor": "rgba(255,255,255,.65)"}
    return [
        _bar(
            times,
            count,
            yaxis="y2",
            name=name,
            marker={"color": colour, "line": {"width": 0}, "pattern": {"shape": pattern, **look}},
            hovertemplate="%{y:.0f} " + name + "<extra></extra>",
        )
        for name, count, colour, pattern in parts
    ]


def _as_share(rows: pd.DataFrame) -> bool:
    """Whether a share says anything: of two stories an hour it only jumps, and counts are the better picture."""
    return bool(rows["story_count"].median() >= _LEAST_FOR_SHARE)


def _negative(rows: pd.DataFrame, times: _Times, *, share: bool) -> list[_Part]:
    stories = rows["story_count"].where(rows["story_count"] > 0)
    scale = 100 / stories if share else stories / stories
    value, low, high = (rows[name] * scale for name in ("negative_stories", "low", "high"))
    words = [
        _told(*row)
        for row in zip(rows["negative_stories"], stories, rows["expected"], rows["low"], rows["high"], strict=True)
    ]
    above = value > high
    dots = [
        _scatter(
            "markers",
            times.at,
            value.where(inside),
            yaxis="y3",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"width": 0}},
            cliponaxis=False,  # a count of nought is a whole dot on the axis, not half of one
            text=words,
            hovertemplate="%{text}<extra></extra>",
        )
        for name, inside, colour, symbol, size in (
            ("within its range", ~above, INDEX, "circle", 4.5),
            ("above its range", above, NEGATIVE, "triangle-up", 9),
        )
    ]
    return [*_area(times, low, high.clip(upper=100) if share else high, "y3"), *dots]


def _told(negative: float, stories: float, usual: float, low: float, high: float) -> str:
    if math.isnan(stories):
        return ""
    counted = f"{negative:.0f} of {stories:.0f} negative"
    return counted if math.isnan(usual) else f"{counted}; usual {usual:.0f}, range {low:.0f}–{high:.0f}"


def _area(times: _Times, low: pd.Series[float], high: pd.Series[float], axis: str) -> list[_Part]:
    """A filled range, closed at each gap, reaching to the edges of the first and last bucket of every stretch.

    One trace for all stretches: a gap in it ends a shape.
    """
    when: list[str | None] = []
    values: list[float | None] = []
    lows, highs = low.tolist(), high.tolist()
    for run in runs(low.notna() & high.notna()):
        last = run.stop - 1
        there = [times.before[run.start], *times.at[run], times.after[last]]
        if when:
            when.append(None)
            values.append(None)
        when += [*there, *reversed(there)]
        values += [highs[run.start], *highs[run], highs[last], lows[last], *reversed(lows[run]), lows[run.start]]
    look = {"mode": "lines", "fill": "toself", "fillcolor": _BAND, "line": {"width": 0}, "hoverinfo": "skip"}
    return [{"type": "scatter", "x": when, "y": values, "yaxis": axis, "name": "range", **look}] if when else []


def _thin_coverage(rows: pd.DataFrame, times: _Times) -> list[_Part]:
    if "coverage" not in rows:
        return []
    look = {"type": "rect", "fillcolor": "rgba(200,160,60,.18)", "line": {"width": 0}, "layer": "below"}
    return [
        {"x0": times.before[run.start], "x1": times.after[run.stop - 1], **_FULL_HEIGHT, **look}
        for run in runs(rows["coverage"] < _FLOOR)
    ]


def _incidents(series: Series) -> list[_Part]:
    """One mark for each bucket in which any fired: what is nearer than that could not be pointed at, nor be read."""
    rows = series.incidents
    if rows.empty:
        return []
    parts = (rows["started_at"].dt.floor(_STEP[series.grain]), *(rows[name] for name in _Fired._fields[1:]))
    fired = sorted(itertools.starmap(_Fired, zip(*parts, strict=True)), key=lambda one: one.started_at)
    buckets = [list(part) for _, part in itertools.groupby(fired, key=lambda one: one.bucket)]
    look = {"symbol": "diamond", "size": 9, "color": ALARM, "line": {"width": 1, "color": "rgba(255,255,255,.8)"}}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [part[0].started_at.isoformat() for part in buckets],
            "y": [1.0] * len(buckets),
            "yaxis": "y4",
            "name": "incident",
            "marker": look,
            "text": [_fired(part) for part in buckets],
            "hovertemplate": "%{text}<extra></extra>",
        }
    ]


def _own_incidents(series: Series) -> list[_Part]:
    rows = series.incidents
    own = rows.loc[(rows["scope"] == series.scope) & (rows["key"] == series.key), "started_at"].sort_values()
    first = own[~own.dt.floor(_STEP[series.grain]).duplicated()]
    return [_upright(at, ALARM, "dot") for at in first]


def _fired(incidents: list[_Fired]) -> str:
    """The worst incidents of a bucket, a line each, and how many more there are."""
    ranks = {severity: rank for rank, severity in enumerate(SEVERITY_MARK)}
    worst = sorted(incidents, key=lambda one: ranks.get(one.severity, len(ranks)))[:_TOLD]
    lines = [f"{SEVERITY_MARK.get(one.severity, '○')} {plain(one.label)}: {plain(one.summary)}" for one in worst]
    more = len(incidents) - len(worst)
    return "<br>".join([*lines, *([f"and {more} more"] if more else [])])


def _models(series: Series) -> list[_Part]:
    return [_upright(at, "#8a6fc0", "dash") for at in series.models["recorded_at"]]


def _upright(at: pd.Timestamp, colour: str, dash: str) -> _Part:
    line = {"color": colour, "width": 1, "dash": dash}
    return {"type": "line", "x0": at.isoformat(), "x1": at.isoformat(), **_FULL_HEIGHT, "line": line}


def _note(text: str, where: Literal["paper", "domain"]) -> _Part:
    x, y = ("paper", "paper") if where == "paper" else ("x domain", "y domain")
    return {"text": text, "showarrow": False, "xref": x, "yref": y, "x": 0.5, "y": 0.5, "font": {"size": 13}}


def _end(x: str, y: float, text: str, colour: str) -> _Part:
    """The name of a line at its end."""
    where = {"x": x, "y": y, "xanchor": "left", "xshift": 5}
    return {"text": text, "showarrow": False, **where, "font": {"color": colour, "size": 11}}


def _since(series: Series, until: pd.Timestamp) -> pd.Timestamp:
    """Where the time axis begins: with the series if that is young, but never closer than a third of what is shown."""
    shown = SHOWN[series.grain]
    if series.rows.empty:
        return until - shown
    first: pd.Timestamp = series.rows["bucket_start"].min() - _STEP[series.grain]
    return max(until - shown, min(first, until - shown / 3))


def _frame(series: Series, third: str) -> _Part:
    """The layout: three panels over one time axis, and the strip of incidents over the first; `third`: its title."""
    axis = {"showgrid": True, "zeroline": False, "nticks": 4}
    most = series.rows["story_count"].max() if len(series.rows) else 0
    counts = {**axis, "rangemode": "tozero", **({"dtick": 1} if most <= 4 else {})}
    shares = {**axis, "rangemode": "tozero"}
    return {
        "template": _TEMPLATE,
        "barmode": "stack",
        "bargap": 0,
        "margin": {"l": 46, "r": 12, "t": 8, "b": 22},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "hoverdistance": 40,
        "dragmode": "zoom",
        "showlegend": False,
        "font": {"family": "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", "size": 11},
        "uirevision": f"{series.scope}:{series.key}:{series.grain}",
        "xaxis": _time_axis(series),
        "yaxis": {**axis, "domain": [0.63, 0.98], "title": _title("index"), "zeroline": True, "zerolinewidth": 1},
        "yaxis2": {**counts, "domain": [0.34, 0.59], "title": _title("stories")},
        "yaxis3": {**(counts if third == "negative" else shares), "domain": [0.0, 0.30], "title": _title(third)},
        "yaxis4": {"domain": [0.63, 1.0], "overlaying": "y", "range": [0, 1.04], "visible": False, "fixedrange": True},
    }


def _time_axis(series: Series) -> _Part:
    step, until = _STEP[series.grain], pd.Timestamp(series.until)
    return {
        "anchor": "y3",
        "range": [_since(series, until).isoformat(), (until.ceil(step) + step / 2).isoformat()],
        "showgrid": False,
        "zeroline": False,
        "spikethickness": 1,
        "spikedash": "dot",
        "spikecolor": INDEX,
        "hoverformat": "%a %-d %b %Y" if series.grain == "day" else "%a %-d %b, %H:%M UTC",
        "tickformatstops": [
            {"dtickrange": [None, 43_200_000], "value": "%H:%M\n%-d %b"},
            {"dtickrange": [43_200_000, "M1"], "value": "%-d %b"},
            {"dtickrange": ["M1", None], "value": "%b %Y"},
        ],
    }


def _title(text: str) -> _Part:
    return {"text": text, "font": {"size": 11}, "standoff": 4}


def runs(flags: pd.Series[bool]) -> list[slice]:
    """The stretches where `flags` is true, as slices."""
    values = np.concatenate([[False], flags.to_numpy(bool), [False]]).astype(int)
    edges = np.diff(values)
    return [slice(int(a), int(b)) for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)]
