"""The chart of a series on a page: the graph, its legend, and its newest bucket in words."""

from __future__ import annotations

from typing import Any

from dash import dcc, html

from dashboards import words
from dashboards.data import Series
from dashboards.figures import Figure

__all__ = ["chart", "coverage_now", "drawing", "said"]

_LEGEND = (
    ("k-neg", "negative"),
    ("k-neu", "neutral"),
    ("k-pos", "positive"),
    ("k-range", "expected range, band"),
    ("k-in", "within"),
    ("k-above", "above its range"),
    ("k-incident", "incident"),
    ("k-model", "model switch"),
    ("k-thin", "thin coverage"),
)


def chart(figure: Figure, told: str, name: str = "chart", kind: str = "chart") -> html.Figure:
    """A figure; `told` is what a screen reader says of it. PNG and SVG are in its tool bar."""
    graph = dcc.Graph(
        id=name,
        figure=figure,
        className=kind,
        # Drawn once, at the width it finds; `assets/barograph.js` draws it again when the window changes. Dash's own
        # way measures each chart again when a page opens.
        responsive="auto",
        config={
            "displaylogo": False,
            "displayModeBar": "hover",
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "toImageButtonOptions": {"format": "svg", "filename": "barograph"},
            "showTips": False,
        },
    )
    return html.Figure([graph, html.Figcaption(told, className="hidden")])


def drawing(series: Series, figure: Figure, name: str = "chart") -> list[Any]:
    """The figure of a series under what its colours and shapes mean; a low one where it only says why it is empty."""
    told = f"{series.label}: {said(series)}"
    if series.rows.empty:
        return [chart(figure, told, name, "chart none")]
    keys = [html.Li([html.Span(className=f"key {kind}"), text]) for kind, text in _LEGEND]
    return [html.Ul(keys, className="legend"), chart(figure, told, name)]


def coverage_now(series: Series) -> float | None:
    """Coverage of the newest closed hour for which it is known."""
    rows = series.rows
    if rows.empty or "coverage" not in rows:
        return None
    known = rows[rows["bucket_start"] < series.until.replace(minute=0, second=0, microsecond=0)]["coverage"].dropna()
    return float(known.iloc[-1]) if len(known) else None


def said(series: Series) -> str:
    """The newest bucket in words, counts first."""
    if series.rows.empty:
        return "no stories in this time"
    row: Any = series.rows.iloc[-1]
    when = row["bucket_start"]
    span = f"{when:%-d %b}" if series.grain == "day" else f"{when:%-d %b %H:%M}–{when.hour + 1:02d}:00 UTC"
    counted = words.counts_words(int(row["negative_stories"]), int(row["story_count"]))
    status = row["status"] if isinstance(row["status"], str) else "warming_up"
    usual = words.range_words(row["expected"], row["low"], row["high"], status)
    index = row.get("sentiment_index")
    tail = "" if index is None or index != index else f"; index {index:+.1f}"
    return f"{span}: {counted}; {usual}{tail}"
