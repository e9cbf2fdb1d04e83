"""The charts: pure functions from a series to a plotly figure (or a small SVG), tested without a browser.

Text, grid and background colours are left to the style sheet, so that one figure serves light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboards.data import SHOWN, Series
from dashboards.words import SEVERITY_MARK, plain

__all__ = [
    "INDEX", "NEGATIVE", "NEUTRAL", "POSITIVE", "compare_figure", "coverage_figure", "no_figure", "runs",
    "series_figure", "sparkline",
]  # fmt: skip

# Blue and orange stay apart for every common colour blindness; the shapes say it again.
NEGATIVE, NEUTRAL, POSITIVE, INDEX = "#dd7a26", "#a3adb8", "#3f86c4", "#6b7a8c"
_BAND = "rgba(110,130,155,.22)"
ALARM = "#c23a54"
_FLOOR = 0.5  # below this coverage the index is withheld
_LEAST_FOR_SHARE = 8
_TOLD = 5  # incidents in words at one mark
_FULL_HEIGHT: dict[str, Any] = {"yref": "paper", "y0": 0, "y1": 1}
# Okabe and Ito's palette, which stays apart for every common colour blindness.
_COMPARED = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_STEP = {"hour": pd.Timedelta(hours=1), "day": pd.Timedelta(days=1)}


def series_figure(series: Series) -> go.Figure:
    """Index with its band, volume by polarity, negative stories beside their expected range; incidents marked.

    A bucket without a row is a gap in every trace, never a zero. All panels hang on one time axis, so that a hover
    reads all of them. The legend is the page's own (`dashboards.layout`).
    """
    figure = go.Figure()
    rows = _on_grid(series)
    if len(rows):
        step, share = _STEP[series.grain], _as_share(rows)
        _index(figure, rows, step)
        _volume(figure, rows, step)
        _negative(figure, rows, step, share=share)
        _incidents(figure, series)
        _frame(figure, series, "% negative" if share else "negative")
        # All at once: plotly copies those that are there for each that is added.
        figure.update_layout(shapes=[*_thin_coverage(rows, step), *_models(series), *_own_incidents(series)])
    else:
        _frame(figure, series, "")
        _say(
            figure, f"No stories in this series in the last {SHOWN[series.grain].days} days: nothing to draw.", "paper"
        )
        figure.update_layout(hovermode=False)
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
    return figure


def compare_figure(compared: Sequence[Series]) -> go.Figure:
    """The indices of up to five series on one axis, each named at its end; colours and dashes both tell them apart."""
    figure = go.Figure()
    for n, series in enumerate(compared):
        rows = _on_grid(series)
        if rows.empty:
            continue
        line = {"color": _COMPARED[n % len(_COMPARED)], "width": 1.8, "dash": _DASHES[n % len(_DASHES)]}
        index = rows["sentiment_index"].ffill(limit=3)
        figure.add_scatter(
            x=rows["bucket_start"],
            y=index,
            mode="lines",
            name=plain(series.label),
            line=line,
            hovertemplate="%{y:+.1f}",
        )
        known = np.flatnonzero(index.notna())
        if known.size:
            last = int(known[-1])
            figure.add_annotation(
                x=rows["bucket_start"].iloc[last],
                y=index.iloc[last],
                text=plain(series.label),
                showarrow=False,
                xanchor="left",
                xshift=5,
                font={"color": line["color"], "size": 11},
            )
    first = compared[0]
    _one_panel(figure, first, "index")
    figure.update_layout(margin={"l": 46, "r": 130, "t": 8, "b": 22}, uirevision=f"compare:{first.grain}")
    figure.update_yaxes(zeroline=True, zerolinewidth=1)
    return figure


def coverage_figure(series: Series) -> go.Figure | None:
    """Coverage by bucket, in percent, what is under the floor marked; None where it is unknown throughout."""
    rows = _on_grid(series)
    if rows.empty or "coverage" not in rows or rows["coverage"].isna().all():
        return None
    share = (rows["coverage"] * 100).round(1)
    thin = rows["coverage"] < _FLOOR
    words = [
        f"{value:.0f}% of {expected:.0f} expected; {arrived:.0f} arrived" if value == value else "unknown"
        for value, expected, arrived in zip(share, rows["arrivals_expected"], rows["arrived"], strict=True)
    ]
    figure = go.Figure()
    figure.add_bar(
        x=rows["bucket_start"],
        y=share,
        marker={"color": np.where(thin, NEGATIVE, NEUTRAL), "line": {"width": 0}},
        width=_STEP[series.grain].total_seconds() * 1000 * 0.84,
        text=words,
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    _one_panel(figure, series, "% covered")
    figure.update_yaxes(range=[0, 104])
    return figure


def _one_panel(figure: go.Figure, series: Series, title: str) -> None:
    _frame(figure, series, "")
    figure.update_layout(
        yaxis={"domain": [0, 1], "title_text": title}, yaxis2=None, yaxis3=None, yaxis4=None, xaxis={"anchor": "y"}
    )


def no_figure() -> go.Figure:
    """Nothing: what stands in the page before the first figure."""
    figure = go.Figure()
    figure.update_layout(paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", hovermode=False)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _on_grid(series: Series) -> pd.DataFrame:
    """Every bucket of the shown time, empty where the series has no row; none at all where it has none."""
    if series.rows.empty:
        return series.rows
    step = _STEP[series.grain]
    grid = pd.date_range(series.rows["bucket_start"].min(), series.rows["bucket_start"].max(), freq=step)
    return series.rows.set_index("bucket_start").reindex(grid).rename_axis("bucket_start").reset_index()


def _index(figure: go.Figure, rows: pd.DataFrame, step: pd.Timedelta) -> None:
    # The index is a decaying mean, so it stands between two buckets; a longer silence is a gap.
    shown = rows[["sentiment_index", "band_low", "band_high"]].ffill(limit=3)
    if "coverage" in rows:
        shown = shown.mask(rows["coverage"] < _FLOOR)
    _area(figure, rows["bucket_start"], step, shown["band_low"], shown["band_high"], "y")
    figure.add_scatter(
        x=rows["bucket_start"],
        y=shown["sentiment_index"],
        name="sentiment index",
        mode="lines",
        line={"color": INDEX, "width": 1.8},
        connectgaps=False,
        hovertemplate="index %{y:+.1f}<extra></extra>",
    )
    if shown["sentiment_index"].isna().all():
        _say(figure, "No index yet: its past is too short, or too little of the news arrived.", "domain")


def _volume(figure: go.Figure, rows: pd.DataFrame, step: pd.Timedelta) -> None:
    neutral = rows["story_count"] - rows["negative_stories"] - rows["positive_stories"]
    parts = (
        ("negative", rows["negative_stories"], NEGATIVE, "/"),
        ("neutral", neutral.clip(lower=0), NEUTRAL, ""),
        ("positive", rows["positive_stories"], POSITIVE, ""),
    )
    for name, count, colour, pattern in parts:
        figure.add_bar(
            x=rows["bucket_start"],
            y=count,
            yaxis="y2",
            name=name,
            width=step.total_seconds() * 1000 * 0.84,
            marker={
                "color": colour,
                "line": {"width": 0},
                "pattern": {"shape": pattern, "size": 4, "solidity": 0.25, "fgcolor": "rgba(255,255,255,.65)"},
            },
            hovertemplate="%{y:.0f} " + name + "<extra></extra>",
        )


def _as_share(rows: pd.DataFrame) -> bool:
    """Whether a share says anything: of two stories an hour it only jumps, and counts are the better picture."""
    return bool(rows["story_count"].median() >= _LEAST_FOR_SHARE)


def _negative(figure: go.Figure, rows: pd.DataFrame, step: pd.Timedelta, *, share: bool) -> None:
    stories = rows["story_count"].where(rows["story_count"] > 0)
    scale = 100 / stories if share else stories / stories
    value, low, high = (rows[name] * scale for name in ("negative_stories", "low", "high"))
    _area(figure, rows["bucket_start"], step, low, high.clip(upper=100) if share else high, "y3")
    words = [
        _told(*row)
        for row in zip(rows["negative_stories"], stories, rows["expected"], rows["low"], rows["high"], strict=True)
    ]
    above = value > high
    for name, inside, colour, symbol, size in (
        ("within its range", ~above, INDEX, "circle", 4.5),
        ("above its range", above, NEGATIVE, "triangle-up", 9),
    ):
        figure.add_scatter(
            x=rows["bucket_start"],
            y=value.where(inside),
            yaxis="y3",
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"width": 0}},
            cliponaxis=False,  # a count of nought is a whole dot on the axis, not half of one
            text=words,
            hovertemplate="%{text}<extra></extra>",
        )


def _told(negative: float, stories: float, usual: float, low: float, high: float) -> str:
    if math.isnan(stories):
        return ""
    counted = f"{negative:.0f} of {stories:.0f} negative"
    return counted if math.isnan(usual) else f"{counted}; usual {usual:.0f}, range {low:.0f}–{high:.0f}"


def _area(
    figure: go.Figure, x: pd.Series[Any], step: pd.Timedelta, low: pd.Series[float], high: pd.Series[float], axis: str
) -> None:
    """A filled range, closed at each gap, reaching to the edges of the first and last bucket of every stretch.

    One trace for all stretches: a gap in it ends a shape, and plotly copies and checks each trace that is added.
    """
    when: list[Any] = []
    values: list[float | None] = []
    for run in runs(low.notna() & high.notna()):
        last = run.stop - 1
        where = [run.start, *range(run.start, run.stop), last]
        there = [x.iloc[run.start] - step / 2, *x.iloc[run], x.iloc[last] + step / 2]
        if when:
            when.append(None)
            values.append(None)
        when += [*there, *reversed(there)]
        values += [*high.iloc[where], *low.iloc[where[::-1]]]
    if when:
        figure.add_scatter(
            x=when,
            y=values,
            yaxis=axis,
            mode="lines",
            fill="toself",
            fillcolor=_BAND,
            line={"width": 0},
            hoverinfo="skip",
            name="range",
        )


def _thin_coverage(rows: pd.DataFrame, step: pd.Timedelta) -> list[dict[str, Any]]:
    if "coverage" not in rows:
        return []
    look = {"type": "rect", "fillcolor": "rgba(200,160,60,.18)", "line": {"width": 0}, "layer": "below"}
    starts = rows["bucket_start"]
    return [
        {"x0": starts.iloc[run.start] - step / 2, "x1": starts.iloc[run.stop - 1] + step / 2, **_FULL_HEIGHT, **look}
        for run in runs(rows["coverage"] < _FLOOR)
    ]


def _incidents(figure: go.Figure, series: Series) -> None:
    """One mark for each bucket in which any fired: what is nearer than that could not be pointed at, nor be read."""
    rows = series.incidents
    if rows.empty:
        return
    rows = rows.sort_values("started_at")
    buckets = rows.groupby(rows["started_at"].dt.floor(_STEP[series.grain]))
    figure.add_scatter(
        x=buckets["started_at"].first(),
        y=[1.0] * len(buckets),
        yaxis="y4",
        name="incident",
        mode="markers",
        marker={"symbol": "diamond", "size": 9, "color": ALARM, "line": {"width": 1, "color": "rgba(255,255,255,.8)"}},
        text=[_fired(part) for _, part in buckets],
        hovertemplate="%{text}<extra></extra>",
    )


def _own_incidents(series: Series) -> list[dict[str, Any]]:
    rows = series.incidents
    own = rows.loc[(rows["scope"] == series.scope) & (rows["key"] == series.key), "started_at"]
    return [_upright(at, ALARM, "dot") for at in own.groupby(own.dt.floor(_STEP[series.grain])).min()]


def _fired(rows: pd.DataFrame) -> str:
    """The worst incidents of a bucket, a line each, and how many more there are."""
    ranks = rows["severity"].map({severity: rank for rank, severity in enumerate(SEVERITY_MARK)})
    worst = rows.assign(rank=ranks).sort_values("rank", kind="stable").head(_TOLD)
    lines = [
        f"{SEVERITY_MARK.get(str(severity), '○')} {plain(label)}: {plain(summary)}"
        for severity, label, summary in zip(worst["severity"], worst["label"], worst["summary"], strict=True)
    ]
    more = len(rows) - len(worst)
    return "<br>".join([*lines, *([f"and {more} more"] if more else [])])


def _models(series: Series) -> list[dict[str, Any]]:
    return [_upright(at, "#8a6fc0", "dash") for at in series.models["recorded_at"]]


def _upright(at: pd.Timestamp, colour: str, dash: str) -> dict[str, Any]:
    line = {"color": colour, "width": 1, "dash": dash}
    return {"type": "line", "x0": at, "x1": at, **_FULL_HEIGHT, "line": line}


def _say(figure: go.Figure, text: str, where: str) -> None:
    x, y = ("paper", "paper") if where == "paper" else ("x domain", "y domain")
    figure.add_annotation(text=text, showarrow=False, xref=x, yref=y, x=0.5, y=0.5, font={"size": 13})


def _since(series: Series, until: pd.Timestamp) -> pd.Timestamp:
    """Where the time axis begins: with the series if that is young, but never closer than a third of what is shown."""
    shown = SHOWN[series.grain]
    if series.rows.empty:
        return until - shown
    first: pd.Timestamp = series.rows["bucket_start"].min() - _STEP[series.grain]
    return max(until - shown, min(first, until - shown / 3))


def _frame(figure: go.Figure, series: Series, third: str) -> None:
    step, until = _STEP[series.grain], pd.Timestamp(series.until)
    axis = {"showgrid": True, "zeroline": False, "nticks": 4, "title": {"font": {"size": 11}, "standoff": 4}}
    most = series.rows["story_count"].max() if len(series.rows) else 0
    counts = {**axis, "rangemode": "tozero", **({"dtick": 1} if most <= 4 else {})}
    figure.update_layout(
        barmode="stack",
        bargap=0,
        margin={"l": 46, "r": 12, "t": 8, "b": 22},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hovermode="x unified",
        hoversubplots="axis",
        hoverdistance=40,
        dragmode="zoom",
        showlegend=False,
        font={"family": "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif", "size": 11},
        uirevision=f"{series.scope}:{series.key}:{series.grain}",
        xaxis={
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
        },
        yaxis={**axis, "domain": [0.63, 0.98], "title_text": "index", "zeroline": True, "zerolinewidth": 1},
        yaxis2={**counts, "domain": [0.34, 0.59], "title_text": "stories"},
        yaxis3={
            **axis,
            **(counts if third == "negative" else {"rangemode": "tozero"}),
            "domain": [0.0, 0.30],
            "title_text": third,
        },
        yaxis4={"domain": [0.63, 1.0], "overlaying": "y", "range": [0, 1.04], "visible": False, "fixedrange": True},
    )


def sparkline(days: pd.DataFrame, width: int = 112, height: int = 24) -> str:
    """The last days of a series as an SVG address (`data:`): negative counts before their expected range.

    Args:
        days: columns `negative_stories`, `low`, `high` in order of time; a NaN count is a gap, never a zero.
        width: in pixels.
        height: in pixels.
    """
    counts = days["negative_stories"].to_numpy(float)
    low, high = days["low"].to_numpy(float), days["high"].to_numpy(float)
    top = max([1.0, *(float(np.nanmax(v)) for v in (counts, high) if np.isfinite(v).any())])
    pad = 3.0
    step = (width - 2 * pad) / max(len(counts) - 1, 1)

    def point(i: float, value: float) -> str:
        return f"{pad + i * step:.1f},{height - pad - (height - 2 * pad) * value / top:.1f}"

    shapes = []
    for run in runs(pd.Series(np.isfinite(low) & np.isfinite(high))):
        # Half a day to each side, so that a day between two silent ones is seen too.
        ends = [run.start - 0.4, *range(run.start + 1, run.stop - 1), run.stop - 0.6]
        there = [point(i, high[round(i)]) for i in ends]
        back = [point(i, low[round(i)]) for i in reversed(ends)]
        shapes.append(f"<polygon points='{' '.join(there + back)}' fill='#6e829b' fill-opacity='.25'/>")
    for run in runs(pd.Series(np.isfinite(counts))):
        if run.stop - run.start == 1:
            x, y = point(run.start, counts[run.start]).split(",")
            shapes.append(f"<circle cx='{x}' cy='{y}' r='1.2' fill='{INDEX}'/>")
            continue
        line = " ".join(point(i, counts[i]) for i in range(run.start, run.stop))
        shapes.append(f"<polyline points='{line}' fill='none' stroke='{INDEX}' stroke-width='1.3'/>")
    if len(counts) and np.isfinite(counts[-1]):
        x, y = point(len(counts) - 1, counts[-1]).split(",")
        above = np.isfinite(high[-1]) and counts[-1] > high[-1]
        shapes.append(f"<circle cx='{x}' cy='{y}' r='2.6' fill='{NEGATIVE if above else INDEX}'/>")
    svg = f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}'>{''.join(shapes)}</svg>"
    return "data:image/svg+xml," + quote(svg, safe="~()*!.'=/: ,")


def runs(flags: pd.Series[bool]) -> list[slice]:
    """The stretches where `flags` is true, as slices."""
    values = np.concatenate([[False], flags.to_numpy(bool), [False]]).astype(int)
    edges = np.diff(values)
    return [slice(int(a), int(b)) for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)]
