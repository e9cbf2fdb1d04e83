"""The command `train`: fine-tune the model on one's own labels, or repeat the training of a recipe."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, bars, out
from cli.labelled import DataOption, LabelsOption, MapOption, RecipeOption, RootOption, recipe_of
from models.errors import DataInvalid

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `train` to the application."""
    app.command("train")(_train)


def _train(
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the new artifact.")],
    data: DataOption = None,
    recipe: RecipeOption = None,
    root: RootOption = Path("../shared/data"),
    columns: MapOption = "",
    labels: LabelsOption = "",
    name: Annotated[str, typer.Option(help="Name of the new model (with --data).")] = "my-model",
    start_from: Annotated[
        Path | None,
        typer.Option("--from", help="An artifact or checkpoint to go on from.", exists=True, file_okay=False),
    ] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder to keep the weights of each pass in.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-7, help="Highest learning rate.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="Stop after so many steps.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the model on labelled texts and write an artifact: weights, calibration, measures and card.

    Example: barograph train --data labels.csv --out my-model
    """
    chosen = recipe_of(recipe, root, data, columns, labels, name)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_steps": max_steps,
        "seed": seed,
    }
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    chosen = replace(chosen, settings=replace(chosen.settings, **wanted))
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise DataInvalid(f"{out_dir} is there already and not empty; choose another --out")
    from models.finish import train_and_write

    with bars() as progress:
        trained = train_and_write(
            chosen,
            out_dir,
            _command(chosen.name if recipe else None, data or [], columns, labels, wanted),
            checkpoints,
            lambda done, steps, loss: progress("train", done, steps),
            start_from,
        )
    if as_json:
        sys.stdout.write(json.dumps({"model_version": trained.model_version, **trained.metrics}) + "\n")
        return
    out.print(
        f"{trained.model_version} written to {out_dir}; its figures are in {out_dir / 'MODEL_CARD.md'}", markup=False
    )


def _command(recipe: str | None, data: list[Path], columns: str, labels: str, wanted: dict[str, Any]) -> str:
    """The command as the card shows it: without folders, which are nobody else's business."""
    parts = ["barograph", "train"]
    parts += ["--recipe", recipe, "--root", "DATA"] if recipe else [p for path in data for p in ("--data", path.name)]
    parts += [p for option, value in (("--map", columns), ("--labels", labels)) if value for p in (option, value)]
    parts += [p for key, value in wanted.items() for p in (f"--{key.replace('_', '-')}", str(value))]
    return shlex.join([*parts, "--out", "DIR"])
