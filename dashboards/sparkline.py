"""The small line in a table: the last days of a series as an SVG address, a pure function."""

from __future__ import annotations

from urllib.parse import quote

import numpy as np
import pandas as pd

from dashboards.figures import INDEX, NEGATIVE, runs

__all__ = ["sparkline"]


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
