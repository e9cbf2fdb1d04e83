"""The command `evaluate`: measure a model on labelled files, ours or another's, alone or against others."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, bars, out
from cli.labelled import DataOption, DeviceOption, LabelsOption, MapOption, RecipeOption, RootOption, pairs, recipe_of
from models import DEFAULT

if TYPE_CHECKING:
    from models.data import Example
    from models.evaluate import Answered
    from models.external import Opened
    from models.recipe import Recipe

__all__ = ["register"]

_MODELS = (
    "Name of a shipped model, folder of an artifact, folder or hub name (owner/model) of a Hugging Face classifier, "
    "or a word list: vader, lm."
)

_FEW = 5


def register(app: typer.Typer) -> None:
    """Add `evaluate` to the application."""
    app.command("evaluate")(_evaluate)


def _evaluate(
    data: DataOption = None,
    recipe: RecipeOption = None,
    root: RootOption = Path("../shared/data"),
    columns: MapOption = "",
    labels: LabelsOption = "",
    model: Annotated[str, typer.Option("--model", envvar="BAROGRAPH_MODEL__NAME", help=_MODELS)] = DEFAULT,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="Another model to compare with on the same rows; may be given several times."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for pictures: confusion, reliability, coverage.")
    ] = None,
    intervals: Annotated[bool, typer.Option(help="Bootstrap 95% intervals of every measure.")] = True,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled texts: accuracy, F1, recall and calibration, with intervals, and texts per second.

    Example: barograph evaluate --data labels.csv --map text=headline,sentiment=label --against vader
    """
    from models.external import open_model

    if recipe is not None and (against or report):
        raise typer.BadParameter("--against and --report need --data: a recipe has several sets")
    chosen = recipe_of(recipe, root, data, columns, labels, "evaluation")
    # Their words may be those of the file or those of the model.
    words = {word: meaning.lower() for word, meaning in pairs(labels, "--labels").items()}
    opened = [open_model(name, device, words) for name in (model, *(against or []))]
    if recipe is not None:
        _recipe(opened[0], chosen, as_json)
        return
    from models.data import read

    rows = [row for source in chosen.data for row in read(source)]
    found = _answers(opened, rows)
    if report is not None:
        _pictures(opened, found, report)
    parts = [_part(one, answers, intervals) for one, answers in zip(opened, found, strict=True)]
    _compare(parts, found)
    if as_json:
        first, *others = parts
        sys.stdout.write(json.dumps({**first, "against": others} if others else first, indent=2) + "\n")
        return
    for part in parts:
        _show(part["model"], part)
    if report is not None:
        out.print(f"pictures in {report}")


def _recipe(opened: Opened, recipe: Recipe, as_json: bool) -> None:
    from models.evaluate import final_figures

    figures = final_figures(opened.answers, recipe, certain=opened.certain)
    if as_json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
        return
    for name, views in figures.items():
        for view, part in views.items():
            _show(f"{name}, {view.replace('_', ' ')}", part)


def _answers(opened: Sequence[Opened], rows: Sequence[Example]) -> list[Answered]:
    from models.evaluate import answered

    found: list[Answered] = []
    with bars() as progress:
        for one in opened:

            def tell(done: int, name: str = one.name) -> None:
                progress(name, done, len(rows))

            found.append(answered(one.answers, rows, tell, one.certain))
    return found


def _part(opened: Opened, found: Answered, intervals: bool) -> dict[str, Any]:
    part: dict[str, Any] = {**found.evaluation().to_json(), "model": opened.name}
    if opened.labels:
        part["labels"] = dict(opened.labels)
    if intervals:
        part["intervals"] = found.intervals()
    return part


def _compare(parts: Sequence[dict[str, Any]], found: Sequence[Answered]) -> None:
    from models.evaluate import compared

    for part, answers in zip(parts[1:], found[1:], strict=True):
        part["paired"] = compared(found[0], answers)


def _pictures(opened: Sequence[Opened], found: Sequence[Answered], folder: Path) -> None:
    from models.evaluate import pictures

    for at, (one, answers) in enumerate(zip(opened, found, strict=True)):
        # Further models beside the first, each in a folder of its own.
        place = folder if at == 0 else folder / f"against-{at}"
        pictures(answers, place, getattr(one.answers, "abstain_below", None))


def _show(title: str, part: Mapping[str, Any]) -> None:
    out.print(f"{title}: {part['n']} texts, {part['texts_per_s']:.0f} per second")
    if labels := part.get("labels"):
        out.print("  its labels: " + ", ".join(f"{theirs} is {ours}" for theirs, ours in labels.items()))
    for head in ("sentiment", "topic"):
        if found := part[head]:
            _show_head(head, found, part.get("intervals", {}).get(head, {}))
        if paired := part.get("paired", {}).get(head):
            _show_paired(head, paired)


def _show_head(head: str, found: Mapping[str, Any], intervals: Mapping[str, Any]) -> None:
    names = {"accuracy": "accuracy", "macro_f1": "macro F1", "weighted_f1": "weighted F1", "ece": "calibration error"}
    figures = [
        f"{said} {_figure(found[name], intervals.get(name))}" for name, said in names.items() if found[name] is not None
    ]
    # Twenty topics with an interval each cannot be read; --json has them.
    within = intervals.get("recall", {}) if len(found["recall"]) <= _FEW else {}
    recall = ", ".join(f"{label} {_figure(value, within.get(label), 2)}" for label, value in found["recall"].items())
    out.print(f"  {head}: {', '.join(figures)}")
    out.print(f"    recall: {recall}")


def _figure(value: float, interval: Sequence[float] | None, digits: int = 3) -> str:
    within = f" [{interval[0]:.{digits}f}–{interval[1]:.{digits}f}]" if interval else ""
    return f"{value:.{digits}f}{within}"


def _show_paired(head: str, paired: Mapping[str, Any]) -> None:
    said = {
        "better": "the first model is better",
        "worse": "the first model is worse",
        "no_difference": "no difference shown",
    }
    low, high = paired["accuracy_interval"]
    out.print(
        f"  {head}, against the first: {said[paired['verdict']]}; first minus this, accuracy "
        f"{paired['accuracy_difference']:+.3f} [{low:+.3f} to {high:+.3f}], "
        f"only the first right {paired['only_first']}, only this right {paired['only_second']}, "
        f"McNemar p = {paired['p_value']:.2g}"
    )
