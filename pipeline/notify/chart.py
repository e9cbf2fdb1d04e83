"""The small picture of a mail: when the counted articles came, negative and not, and what is usual. PNG by matplotlib.

No browser and no pyplot: one canvas that draws itself in some 140 ms. The same document gives the same picture.
"""

from __future__ import annotations

import io
import threading

from pipeline.notify.document import Incident

__all__ = ["drawn", "spoken"]

_NEGATIVE, _OTHER, _INK = "#b3261e", "#b8c4ce", "#333333"
# matplotlib's font cache is not made for threads, and receivers are served side by side.
_ONE_AT_A_TIME = threading.Lock()


def spoken(incident: Incident) -> str:
    """The picture in words, for those who do not see it; empty where there is none."""
    chart = incident.chart
    if chart is None:
        return ""
    span = f"{chart.start:%Y-%m-%d %H:%M} to {chart.end:%Y-%m-%d %H:%M} UTC"
    return f"{sum(chart.negative)} negative and {sum(chart.other)} other articles, {span}"


def drawn(incident: Incident) -> bytes | None:
    """The picture, 600 × 180 pixels; None where the incident has no articles."""
    chart = incident.chart
    if chart is None:
        return None
    # Loaded here: half a second that a run without mail need not pay.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with _ONE_AT_A_TIME:
        figure = Figure(figsize=(6, 1.8), dpi=100)
        FigureCanvasAgg(figure)
        # Fixed margins: working them out takes a quarter of the time.
        axes = figure.add_axes((0.06, 0.13, 0.88, 0.73))
        places = range(len(chart.negative))
        axes.bar(places, chart.negative, color=_NEGATIVE, width=0.9, label="negative")
        axes.bar(places, chart.other, bottom=chart.negative, color=_OTHER, width=0.9, label="other")
        axes.set_xlim(-0.6, len(chart.negative) - 0.4)
        # Room above the bars for the legend.
        axes.set_ylim(0, max(a + b for a, b in zip(chart.negative, chart.other, strict=True)) * 1.35)
        ends = -0.5, len(chart.negative) - 0.5
        axes.set_xticks([ends[0], sum(ends) / 2, ends[1]], [f"{at:%d %b %H:%M}" for at in _thirds(incident)])
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.tick_params(labelsize=7, colors=_INK, length=2)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        axes.legend(fontsize=7, frameon=False, loc="upper left", ncols=2)
        axes.set_title(_heading(incident), fontsize=8, color=_INK, loc="left")
        file = io.BytesIO()
        figure.savefig(file, format="png", metadata={"Software": None})
        return file.getvalue()


def _thirds(incident: Incident) -> tuple[object, object, object]:
    chart = incident.chart
    if chart is None:
        raise ValueError("the incident has no chart")
    return chart.start, chart.start + (chart.end - chart.start) / 2, chart.end


def _heading(incident: Incident) -> str:
    """Ours only: a title of strangers could hold letters that no font here has."""
    numbers = incident.numbers
    if numbers.negative_stories is None or numbers.story_count is None:
        return "Counted articles, UTC"
    usual = "" if numbers.usual is None else f"; usual {numbers.usual:.0f}"
    spread = "" if numbers.low is None or numbers.high is None else f", range {numbers.low:.0f}–{numbers.high:.0f}"
    return f"{numbers.negative_stories} of {numbers.story_count} stories negative{usual}{spread} · articles, UTC"
