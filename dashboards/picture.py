"""The chart of the daily report as PNG, for mail: most mail programs show no SVG, and drop what stands in the page."""

from __future__ import annotations

import io
import threading

import numpy as np
import pandas as pd

from dashboards.data import Series
from dashboards.figures import INDEX, NEGATIVE

__all__ = ["index_picture"]

_OTHER, _INK, _BAND = "#b9c2cb", "#55616f", "#6e829b"
# matplotlib's font cache is not made for threads, and receivers are served side by side.
_ONE_AT_A_TIME = threading.Lock()


def index_picture(series: Series) -> bytes | None:
    """The same as `dashboards.vector.index_chart`: index with its band over stories, negative ones hatched.

    1440 × 460 pixels, sharp at half that size; None where the series has no row.
    """
    rows = series.rows
    if rows.empty:
        return None
    # Loaded here: half a second that nobody else need pay.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with _ONE_AT_A_TIME:
        figure = Figure(figsize=(7.2, 2.3), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": (6, 5), "hspace": 0.12})
        figure.subplots_adjust(left=0.05, right=0.995, top=0.97, bottom=0.1)
        # Every day of the span, so that a day without an index is a gap, and none is joined over it.
        days = rows.set_index("bucket_start").asfreq("D")
        when = pd.DatetimeIndex(days.index).tz_localize(None).to_numpy()
        above.fill_between(when, days["band_low"], days["band_high"], color=_BAND, alpha=0.22, linewidth=0)
        above.plot(when, days["sentiment_index"], color=INDEX, linewidth=1.2, marker=".", markersize=1.5)
        above.axhline(0, color="#999999", linewidth=0.5)
        negative = days["negative_stories"].fillna(0)
        other = days["story_count"].fillna(0) - negative
        below.bar(when, negative, width=0.84, color=NEGATIVE, hatch="//////", edgecolor="white", linewidth=0)
        below.bar(when, other, width=0.84, bottom=negative, color=_OTHER)
        below.set_xlim(when[0] - np.timedelta64(12, "h"), when[-1] + np.timedelta64(12, "h"))
        every = slice(None, None, max(1, len(days) // 6))
        below.set_xticks(when[every], [f"{at:%-d %b}" for at in days.index[every]])
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        above.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        for axes in (above, below):
            axes.tick_params(labelsize=7, colors=_INK, length=2)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()
