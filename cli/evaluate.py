"""The command `evaluate`: measure a model on labelled files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

from cli.common import JsonOption, bars, out
from cli.labelled import (
    DataOption,
    DeviceOption,
    LabelsOption,
    MapOption,
    ModelOption,
    RecipeOption,
    RootOption,
    recipe_of,
)
from models import DEFAULT

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `evaluate` to the application."""
    app.command("evaluate")(_evaluate)


def _evaluate(
    data: DataOption = None,
    recipe: RecipeOption = None,
    root: RootOption = Path("../shared/data"),
    columns: MapOption = "",
    labels: LabelsOption = "",
    model: ModelOption = DEFAULT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled texts: accuracy, F1, recall and calibration, and texts per second.

    Example: barograph evaluate --data labels.csv --map text=headline,sentiment=label
    """
    from models.data import read
    from models.evaluate import evaluate, final_figures
    from models.scorer import load

    chosen = recipe_of(recipe, root, data, columns, labels, "evaluation")
    if recipe is not None:
        figures = final_figures(load(model, device), chosen)
        if as_json:
            sys.stdout.write(json.dumps(figures, indent=2) + "\n")
            return
        for name, views in figures.items():
            for view, part in views.items():
                _show(f"{name}, {view.replace('_', ' ')}", part)
        return
    rows = [row for source in chosen.data for row in read(source)]
    with bars() as progress:
        found = evaluate(load(model, device), rows, lambda done: progress("evaluate", done, len(rows))).to_json()
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _show("all rows", found)


def _show(title: str, part: dict[str, Any]) -> None:
    out.print(f"{title}: {part['n']} texts, {part['texts_per_s']:.0f} per second", markup=False)
    for head in ("sentiment", "topic"):
        if found := part[head]:
            recall = ", ".join(f"{label} {value:.2f}" for label, value in found["recall"].items())
            out.print(
                f"  {head}: accuracy {found['accuracy']:.3f}, macro F1 {found['macro_f1']:.3f}, weighted F1 "
                f"{found['weighted_f1']:.3f}, calibration error {found['ece']:.3f}; recall: {recall}",
                markup=False,
            )
