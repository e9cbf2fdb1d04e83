"""Pictures of a measured model as PNG: confusion matrix, reliability diagram, coverage against accuracy.

Used by `evaluate --report` and by the report of a training. Probabilities are (n, labels), truths indices (n,).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.calibrate import coverage_curve
from models.errors import PackageMissing
from models.measure import calibration_error, confusion_counts, reliability_bins

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion", "coverage_accuracy", "reliability"]

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
_INK, _BLUE, _GREY = "#24292f", "#2f6f9f", "#9aa4ad"
_DPI = 150


def confusion(path: Path, truth: Ints, answer: Ints, labels: Sequence[str], title: str = "") -> Path:
    """Draw how often each true label (row) was answered as each label (column): counts, shaded by the row's share."""
    counts = confusion_counts(truth, answer, len(labels))
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = max(3.6, 0.42 * len(labels) + 2.4)
    figure, axes = _axes((side, side), title)
    axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if share[row, column] > 0.5 else _INK
            axes.text(column, row, f"{count}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(labels)), list(labels), rotation=45 if len(labels) <= 5 else 90, ha="right")
    axes.set_yticks(range(len(labels)), list(labels))
    axes.tick_params(labelsize=7)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return _save(figure, path)


def reliability(path: Path, truth: Ints, probabilities: Floats, bins: int = 15, title: str = "") -> Path:
    """Draw accuracy over confidence in equal bins, each bar as wide as its bin, with the share of rows in it below."""
    found = reliability_bins(truth, probabilities, bins)
    error = calibration_error(truth, probabilities, bins)
    figure, axes = _axes((4.2, 4.2), title or f"calibration error {error:.3f}, {len(truth)} rows")
    lower = figure.add_axes((0.16, 0.12, 0.8, 0.14))
    axes.set_position((0.16, 0.32, 0.8, 0.58))
    at, width = (np.arange(bins) + 0.5) / bins, 0.92 / bins
    axes.bar(at, np.nan_to_num(found.accuracy), width, color=_BLUE)
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
    seen = found.share > 0
    axes.plot(found.confidence[seen], found.accuracy[seen], "o", color=_INK, markersize=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.tick_params(labelsize=7, labelbottom=False)
    lower.bar(at, found.share, width, color=_GREY)
    lower.set(xlim=(0, 1), xlabel="confidence", ylabel="share")
    lower.tick_params(labelsize=7)
    return _save(figure, path)


def coverage_accuracy(
    path: Path, truth: Ints, probabilities: Floats, threshold: float | None = None, title: str = ""
) -> Path:
    """Draw the accuracy of the answers kept over the share kept, as unsure ones abstain; mark one threshold."""
    curve = coverage_curve(probabilities, truth)
    figure, axes = _axes((4.2, 3.4), title)
    axes.plot(curve.coverage, curve.accuracy, color=_BLUE)
    if threshold is not None and len(truth):
        kept, accuracy = curve.at(threshold)
        axes.plot([kept], [accuracy], "o", color=_INK, markersize=5)
        axes.annotate(
            f"abstain under {threshold:.2f}:\n{kept:.0%} answered, {accuracy:.1%} right",
            (kept, accuracy), xytext=(-8, -8), textcoords="offset points", ha="right", va="top", fontsize=7,
        )  # fmt: skip
    axes.set(xlim=(0, 1.02), xlabel="share of texts answered", ylabel="accuracy of the answers")
    axes.tick_params(labelsize=7)
    return _save(figure, path)


def _axes(inches: tuple[float, float], title: str) -> tuple[Figure, Axes]:
    # Without pyplot: it keeps every figure in a global and picks a window system.
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise PackageMissing("pictures need matplotlib; run `pip install matplotlib`") from problem
    figure = Figure(figsize=inches, dpi=_DPI, layout=None)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9, color=_INK)
    return figure, axes


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No date and no library version in the file: equal measures give equal bytes.
    figure.savefig(path, format="png", bbox_inches="tight", metadata={"Software": None})
    return path
