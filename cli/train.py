"""The command `train`: check one's own labels, fine-tune the model on them, or repeat the training of a recipe."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.checked import check_files, show, stop_at
from cli.common import JsonOption, bars, err, out
from cli.labelled import (
    DataOption,
    DeviceOption,
    LabelsOption,
    MapOption,
    RecipeOption,
    RootOption,
    command_line,
    pairs,
    recipe_of,
    sources,
)  # fmt: skip
from models import DEFAULT
from models.errors import DataInvalid, RecipeInvalid, ResumeImpossible

if TYPE_CHECKING:
    from collections.abc import Callable

    from models.finish import Trained
    from models.recipe import Recipe
    from models.train import Watch

__all__ = ["register"]

_TRAINING, _START, _COURSE = "Training", "What it starts from", "Checks and course"
_RUNS, _NAME = "runs", "my-model"


def register(app: typer.Typer) -> None:
    """Add `train` to the application."""
    app.command("train")(_train)


def _files(option: str, what: str) -> Any:
    return typer.Option(option, help=what + " May be given several times.", rich_help_panel=_START)


def _train(
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder for the new artifact.")] = None,
    data: DataOption = None,
    recipe: RecipeOption = None,
    root: RootOption = Path("../shared/data"),
    columns: MapOption = "",
    labels: LabelsOption = "",
    name: Annotated[str, typer.Option(help="Name of the new model (with --data).")] = _NAME,
    dev: Annotated[list[Path] | None, _files("--dev", "Rows to hold out, instead of a share of --data.")] = None,
    test: Annotated[list[Path] | None, _files("--test", "Rows for the final figures, read once.")] = None,
    replay: Annotated[
        list[Path] | None,
        _files("--replay", "Rows on which old skill is measured before and after; else the open challenge cases."),
    ] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="A model to go on from (name or folder), a folder of --checkpoints, or none: the encoder alone.",
            show_default=f"{DEFAULT} with --data, where method and encoder are its own",
            rich_help_panel=_START,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(help="Any Hugging Face encoder: hub name or local folder, safetensors.", rich_help_panel=_START),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Revision of --encoder on the hub.", rich_help_panel=_START)
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a larger model whose answers are learned beside the labels.", rich_help_panel=_START
        ),
    ] = None,
    teacher_weight: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The teacher's share of the say on labelled rows.", rich_help_panel=_TRAINING),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="lora, dora, adalora, vera, ia3, loha, lokr, head or full.", rich_help_panel=_TRAINING),
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Rank of the adapter.", rich_help_panel=_TRAINING)] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the data.", rich_help_panel=_TRAINING)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts at once.", rich_help_panel=_TRAINING)] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Batches per step of the optimiser.", rich_help_panel=_TRAINING)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=1e-7, help="Highest learning rate.", rich_help_panel=_TRAINING)
    ] = None,
    max_steps: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many steps.", rich_help_panel=_TRAINING)
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=8, help="Longest text, in tokens.", rich_help_panel=_TRAINING)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(min=0, help="Passes without gain before it stops; 0: never.", rich_help_panel=_TRAINING),
    ] = None,
    dev_share: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Share of the texts held out.", rich_help_panel=_TRAINING)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="auto (bf16 on a GPU), fp32 or bf16.", rich_help_panel=_TRAINING)
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Share of doubt in every label.", rich_help_panel=_TRAINING)
    ] = None,
    balance: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="How far rare classes weigh more: 0 no, 1 fully.", rich_help_panel=_TRAINING),
    ] = None,
    class_weights: Annotated[
        str, typer.Option(help="Weights of classes, as negative=1.5.", show_default=False, rich_help_panel=_TRAINING)
    ] = "",
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.", rich_help_panel=_TRAINING)] = None,
    device: DeviceOption = "auto",
    check: Annotated[
        bool, typer.Option("--check", help="Only check the files; train nothing.", rich_help_panel=_COURSE)
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at warnings too.", rich_help_panel=_COURSE)] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training interrupted in --out.", rich_help_panel=_COURSE)
    ] = False,
    save_every: Annotated[
        float, typer.Option(min=0, help="Seconds between saved states; 0: every step.", rich_help_panel=_COURSE)
    ] = 60.0,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder to keep the weights of each pass in.", rich_help_panel=_COURSE)
    ] = None,
    wandb: Annotated[
        bool, typer.Option("--wandb", help="Record in Weights & Biases too.", rich_help_panel=_COURSE)
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune the model on labelled texts and write an artifact: weights, calibration, measures, report and card.

    The files are checked first. TensorBoard reads OUT/runs. Example: barograph train --data labels.csv --out my-model
    """
    given = {
        "method": method,
        "epochs": epochs,
        "batch_size": batch_size,
        "accumulate": accumulate,
        "learning_rate": learning_rate,
        "max_steps": max_steps,
        "max_length": max_length,
        "patience": patience,
        "dev_share": dev_share,
        "precision": precision,
        "label_smoothing": label_smoothing,
        "balance": balance,
        "teacher_weight": teacher_weight,
        "seed": seed,
    }
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    chosen = recipe_of(recipe, root, data, columns, labels, name)
    files = {"dev": dev, "final": test, "replay": replay}
    more: dict[str, Any] = {key: sources(paths, columns, labels) for key, paths in files.items() if paths}
    chosen = _with_settings(replace(chosen, **more), wanted, rank, class_weights)
    chosen = _with_teacher(chosen, teacher)
    chosen = _with_start(chosen, start_from, encoder, revision, own=recipe is None, length=max_length)
    found = check_files(chosen)
    if check or not as_json:
        show(found, as_json=as_json)
    stop_at(found, chosen, strict=strict)
    if check:
        return
    if out_dir is None:
        raise typer.BadParameter("name the folder for the new model", param_hint="--out")
    _must_be_free(out_dir, resume=resume)
    command = command_line(
        ("--recipe", chosen.name if recipe else None), ("--root", "DATA" if recipe else None),
        ("--data", data), ("--map", columns), ("--labels", labels),
        ("--name", name if not recipe and name != _NAME else None),
        ("--dev", dev), ("--test", test), ("--replay", replay), ("--from", start_from), ("--encoder", encoder),
        ("--revision", revision), ("--teacher", teacher and "TEACHER"), ("--rank", rank),
        ("--class-weights", class_weights),
        *((f"--{key.replace('_', '-')}", value) for key, value in wanted.items()), ("--out", "DIR"),
    )  # fmt: skip
    with bars() as progress:
        watch = _watch(chosen, out_dir, progress, checkpoints=checkpoints, resume=resume, every=save_every, wandb=wandb)
        trained = _run(chosen, out_dir, command, device, watch, lambda done, rows: progress("teacher", done, rows))
    if as_json:
        answer = {"model_version": trained.model_version, "checks": found.to_json(), **trained.metrics}
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    _say(trained)


def _with_settings(recipe: Recipe, wanted: dict[str, Any], rank: int | None, weights: str) -> Recipe:
    from models.methods import of_rank
    from models.recipe import changed

    settings = changed(recipe.settings, **wanted)
    if settings.method != recipe.settings.method:
        # A recipe's adapter is that of its own method.
        settings = replace(settings, lora={})
    if weights:
        settings = changed(settings, class_weights=pairs(weights, "--class-weights"))
    if rank is not None:
        settings = changed(settings, lora={**settings.lora, **of_rank(settings.method, rank)})
    return replace(recipe, settings=settings)


def _with_teacher(recipe: Recipe, folder: Path | None) -> Recipe:
    """The folder given, else the recipe's own word for it; raise before the hours of training where it is another."""
    from models.artifacts import open_artifact

    if recipe.teacher is None and folder is None:
        return recipe
    found = open_artifact(str(folder or recipe.teacher))
    if recipe.teacher not in (None, found.config["name"]):
        raise RecipeInvalid(f"the recipe learns from {recipe.teacher}, and {folder} is {found.config['name']}")
    return replace(recipe, teacher=str(found.folder))


def _with_start(
    recipe: Recipe, start: str | None, encoder: str | None, revision: str | None, *, own: bool, length: int | None
) -> Recipe:
    """With one's own files a training goes on from the shipped model where it can, and says so where it cannot."""
    from models.artifacts import CONFIG, open_artifact
    from models.start import NONE, can_go_on

    if encoder is not None:
        recipe = replace(recipe, encoder=encoder, revision=revision, start=NONE)
    elif start is None and own:
        if why := can_go_on(open_artifact(DEFAULT), recipe.settings):
            err.print(f"starts from the encoder: {why}")
        start = NONE if why else DEFAULT
    recipe = replace(recipe, start=start or recipe.start)
    is_artifact = recipe.start != NONE and not (
        Path(recipe.start).is_dir() and not Path(recipe.start, CONFIG).is_file()
    )
    if is_artifact and length is None:
        # A model reads what it was made to read.
        kept = open_artifact(recipe.start).max_length
        recipe = replace(recipe, settings=replace(recipe.settings, max_length=kept))
    return recipe


def _must_be_free(folder: Path, *, resume: bool) -> None:
    from models.artifacts import CONFIG
    from models.resume import FILE

    interrupted = (folder / _RUNS / FILE).is_file() and not (folder / CONFIG).is_file()
    if resume:
        if not interrupted:
            raise ResumeImpossible(f"no interrupted training is in {folder}; leave --resume out")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "holds an interrupted training: add --resume" if interrupted else "is there already and not empty:"
        raise DataInvalid(f"{folder} {what}{', or' if interrupted else ''} choose another --out")


def _watch(
    recipe: Recipe,
    folder: Path,
    progress: Any,
    *,
    checkpoints: Path | None,
    resume: bool,
    every: float,
    wandb: bool,
) -> Watch:
    from models.report import needs
    from models.resume import FILE, steps_done
    from models.runs import Recorder, Several, TensorBoard, WandB
    from models.train import Watch

    needs()
    runs = folder / _RUNS
    recorders: list[Recorder] = [WandB(runs, recipe.name, asdict(recipe.settings))] if wandb else []
    recorders.append(TensorBoard(runs, steps_done(runs / FILE) if resume else None))
    return Watch(
        lambda done, steps, loss: progress("train", done, steps),
        Several(*recorders),
        checkpoints,
        runs,
        resume,
        every,
    )


def _run(
    recipe: Recipe, folder: Path, command: str, device: str, watch: Watch, asked: Callable[[int, int], None]
) -> Trained:
    from models.finish import train_and_write

    try:
        return train_and_write(recipe, folder, command, device=device, watch=watch, asked=asked)
    except KeyboardInterrupt:
        err.print("stopped; the same command with --resume goes on")
        raise typer.Exit(130) from None


def _say(trained: Trained) -> None:
    out.print(f"{trained.model_version} written to {trained.folder}; figures and pictures: MODEL_CARD.md in it")
    for name, part in trained.metrics["dev"].items():
        for head in ("sentiment", "topic"):
            if found := part[head]:
                figures = f"accuracy {found['accuracy']:.3f}, macro F1 {found['macro_f1']:.3f}"
                out.print(f"  held out, {name}: {head} {figures}, {found['n']} rows")
    lost = trained.metrics["forgetting"] or {}
    for head in ("sentiment", "topic"):
        if found := lost.get(head):
            before, after = found["before"]["accuracy"], found["after"]["accuracy"]
            figures = f"accuracy {before:.3f} before, {after:.3f} after"
            out.print(f"  old skill, {lost['set']}: {head} {figures}, {found['n']} rows")
