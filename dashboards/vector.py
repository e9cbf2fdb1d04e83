"""Charts as SVG for the daily report: no script, black-and-white safe, small. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
import pandas as pd

from dashboards.data import Series
from dashboards.figures import runs
from dashboards.words import span_words

__all__ = ["index_chart"]

_WIDTH, _HEIGHT, _LEFT, _FOOT = 720, 230, 34, 18
_SPLIT = 130  # the index above, the stories below


def index_chart(series: Series, days: int = 90) -> str:
    """Index with its band over the bars of stories, negative ones hatched; a gap where nothing was published.

    `series` is daily; the newest `days` of it are drawn. Empty where it has no row.
    """
    rows = series.rows.tail(days)
    if rows.empty:
        return ""
    first, last = rows["bucket_start"].iloc[0], rows["bucket_start"].iloc[-1]
    span = max((last - first).days, 1)
    wide = (_WIDTH - _LEFT - 6) / (span + 1)
    place = [_LEFT + ((at - first).days + 0.5) * wide for at in rows["bucket_start"]]
    low, high = rows["band_low"].min(), rows["band_high"].max()
    bottom, top = (min(low, -1.0), max(high, 1.0)) if np.isfinite([low, high]).all() else (-1.0, 1.0)
    y = _scale(bottom, top, _SPLIT - 8, 8)
    most = max(int(rows["story_count"].max()), 1)
    count = _scale(0, most, _HEIGHT - _FOOT, _SPLIT + 10)
    parts = [_PATTERN, _line(_LEFT, y(0), _WIDTH - 6, y(0), "#999", 0.7)]
    parts += [
        _text(_LEFT - 5, y(v) + 3, f"{v:+d}", "end") for v in range(int(np.ceil(bottom)), int(top) + 1) if v % 2 == 0
    ]
    parts += [_text(_LEFT - 5, count(v) + 3, str(v), "end") for v in (0, most)]
    parts += _bars(rows, place, wide, count)
    parts += _index(rows, place, y)
    parts += [
        _text(x, _HEIGHT - 4, f"{at:%-d %b}", "middle")
        for n, (x, at) in enumerate(zip(place, rows["bucket_start"], strict=True))
        if n % max(1, len(place) // 6) == 0
    ]
    told = escape(f"{series.label}: sentiment index and stories a day, {span_words(first, last)}")
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{told}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{"".join(parts)}</svg>'


_PATTERN = (
    '<defs><pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="4" height="4" fill="#dd7a26"/><line x1="0" y1="0" x2="0" y2="4" stroke="#fff" stroke-width="1.4"/>'
    "</pattern></defs>"
)


def _scale(low: float, high: float, at_low: float, at_high: float) -> Callable[[float], float]:
    return lambda value: at_low + (value - low) / (high - low) * (at_high - at_low)


def _bars(rows: pd.DataFrame, place: Sequence[float], wide: float, count: Callable[[float], float]) -> list[str]:
    parts = []
    for x, stories, negative in zip(place, rows["story_count"], rows["negative_stories"], strict=True):
        left, width = x - wide * 0.42, wide * 0.84
        for low, high, fill in ((0, negative, "url(#hatch)"), (negative, stories, "#b9c2cb")):
            if high > low:
                box = (
                    f'x="{left:.1f}" y="{count(high):.1f}" width="{width:.1f}" height="{count(low) - count(high):.1f}"'
                )
                parts.append(f'<rect {box} fill="{fill}"/>')
    return parts


def _index(rows: pd.DataFrame, place: Sequence[float], y: Callable[[float], float]) -> list[str]:
    parts = []
    for run in runs(rows["sentiment_index"].notna()):
        xs = place[run]
        part = rows.iloc[run]
        there = [f"{x:.1f},{y(v):.1f}" for x, v in zip(xs, part["band_high"], strict=True)]
        back = [f"{x:.1f},{y(v):.1f}" for x, v in zip(xs, part["band_low"], strict=True)]
        line = [f"{x:.1f},{y(v):.1f}" for x, v in zip(xs, part["sentiment_index"], strict=True)]
        parts.append(f'<polygon points="{" ".join([*there, *reversed(back)])}" fill="#6e829b" fill-opacity=".22"/>')
        parts.append(f'<polyline points="{" ".join(line)}" fill="none" stroke="#33414f" stroke-width="1.6"/>')
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="10" fill="#55616f">{escape(words)}</text>'
