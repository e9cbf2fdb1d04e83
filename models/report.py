"""The report of a finished training: every class's figures, and pictures of confusion and calibration."""

import importlib.util
import re
from pathlib import Path
from typing import Any

from models.errors import PackageMissing
from models.evaluate import HEADS, Answered, pictures

FOLDER = "report"


def needs() -> None:
    """Raise PackageMissing where a package that a report needs is not installed: said before a training, not after."""
    for module, package in (("sklearn", "scikit-learn"), ("matplotlib", "matplotlib")):
        if importlib.util.find_spec(module) is None:
            raise PackageMissing(f"the report of a training needs {package}; run: pip install 'barograph[train]'")


def classes(found: Answered) -> dict[str, dict[str, dict[str, float]]]:
    """Return precision, recall, F1 and rows of each class that occurs, by head."""
    from sklearn.metrics import precision_recall_fscore_support

    report: dict[str, dict[str, dict[str, float]]] = {}
    for head in HEADS:
        part = found.sample(head)
        if part is None:
            continue
        columns = precision_recall_fscore_support(
            part.truth, part.probabilities.argmax(1), labels=range(len(part.labels)), zero_division=0.0
        )
        report[head] = {
            label: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
            for label, p, r, f, n in zip(part.labels, *columns, strict=True)
            if n
        }
    return report


def draw(found: Answered, folder: Path, name: str, abstain_below: float | None = None) -> list[Path]:
    """Draw one set's pictures into `folder`/report/`name`; return them relative to `folder`."""
    place = folder / FOLDER / re.sub(r"[^\w.-]+", "-", name)
    return [path.relative_to(folder) for path in pictures(found, place, abstain_below)]


def table(report: dict[str, dict[str, Any]]) -> str:
    """Return the report of `classes` as a Markdown table."""
    lines = ["| head | class | rows | precision | recall | F1 |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {head} | {label.replace('|', '/')} | {row['rows']} | {row['precision']:.3f} | {row['recall']:.3f} "
        f"| {row['f1']:.3f} |"
        for head, rows in report.items()
        for label, row in rows.items()
    ]
    return "\n".join(lines) if len(lines) > 2 else "None were held out."
