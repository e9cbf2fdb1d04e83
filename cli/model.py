"""Commands of the model: classify texts, train on one's own labels, evaluate against labelled files."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, bars, out
from models import DEFAULT, SENTIMENTS, Item, Prediction
from models.errors import DataInvalid, RecipeInvalid

if TYPE_CHECKING:
    import pandas as pd

    from models.data import Source
    from models.recipe import Recipe
    from models.scorer import Scorer

__all__ = ["register"]

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", envvar="BAROGRAPH_MODEL__NAME", help="Name of a shipped model, or the folder of an artifact."
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", envvar="BAROGRAPH_MODEL__DEVICE", help="auto, cpu or cuda.")]
DataOption = Annotated[
    list[Path] | None,
    typer.Option("--data", help="CSV with text, sentiment, and optional topic, entity. May be given several times."),
]
MapOption = Annotated[
    str, typer.Option("--map", help="Your columns, as text=headline,sentiment=label.", show_default=False)
]
LabelsOption = Annotated[
    str, typer.Option("--labels", help="Your sentiment words, as 0=negative,1=positive,2=neutral.", show_default=False)
]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help="A recipe instead of --data: a TOML file or the name of a shipped one.")
]
RootOption = Annotated[
    Path,
    typer.Option("--root", envvar="BAROGRAPH_SHARED_DATA", help="The folder the recipe's files are in."),
]


def register(app: typer.Typer) -> None:
    """Add `classify`, `train` and `evaluate` to the application."""
    app.command("classify")(_classify)
    app.command("train")(_train)
    app.command("evaluate")(_evaluate)


def _pairs(given: str, option: str) -> dict[str, str]:
    """Read a=b,c=d."""
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in given.split(","))):
        key, equals, value = part.partition("=")
        if not (equals and key and value):
            raise typer.BadParameter(f"{part!r} is not of the form a=b", param_hint=option)
        found[key.strip()] = value.strip()
    return found


def _sources(data: list[Path], columns: str, labels: str) -> tuple[Source, ...]:
    from models.data import Source

    mapping = _pairs(columns, "--map")
    words = {key: value.lower() for key, value in _pairs(labels, "--labels").items()}
    for name in sorted(set(mapping) - {"text", "sentiment", "topic", "entity"}):
        raise typer.BadParameter(f"{name!r} is none of text, sentiment, topic, entity", param_hint="--map")
    return tuple(Source(path, columns=mapping, labels=words) for path in data)


def _classify(
    text: Annotated[str | None, typer.Argument(help="The text; or use --file.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="CSV with a column text, and optionally entity.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="Where to write the answers, as CSV.")] = None,
    entity: Annotated[
        str | None, typer.Option(help="The name in the text towards which the sentiment is asked.")
    ] = None,
    columns: MapOption = "",
    model: ModelOption = DEFAULT,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Topic and sentiment of a text, or of every row of a file.

    Example: barograph classify "Barclays plunges after a profit warning" --entity Barclays
    """
    if (text is None) == (file is None) or (file is None) != (out_file is None):
        raise typer.BadParameter("give either a TEXT, or --file IN and --out OUT")
    from models.text import clean

    if text is not None and not clean(text):
        raise typer.BadParameter("the text is empty", param_hint="TEXT")
    if file is not None and out_file is not None:
        _classify_file(file, out_file, columns, entity, model, device)
        return
    from models.scorer import load

    scorer = load(model, device)
    answer = _answers(scorer, scorer.score([Item(text or "", entity)]))[0]
    if as_json:
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        return
    chances = ", ".join(f"{word} {answer[f'p_{word}']:.2f}" for word in SENTIMENTS)
    out.print(f"{answer['sentiment']} ({chances}) · {answer['topic']} ({answer['p_topic']:.2f})", markup=False)
    if answer["truncated"]:
        out.print("The text is too long: its end was not read.")


def _classify_file(file: Path, out_file: Path, columns: str, entity: str | None, model: str, device: str) -> None:
    import pandas as pd

    from models.data import read_table
    from models.scorer import load
    from models.text import clean

    source = _sources([file], columns, "")[0]
    table, names = read_table(source)
    texts = table[names["text"]].tolist()
    entities = table[names["entity"]].tolist() if "entity" in names else [entity] * len(table)
    if not out_file.parent.is_dir():
        raise DataInvalid(f"the folder {out_file.parent} is not there; make it, or choose another --out")
    scorer = load(model, device)
    items = [Item(text, towards or entity) for text, towards in zip(texts, entities, strict=True)]
    with bars() as progress:
        prediction = scorer.score(items, lambda done: progress("classify", done, len(items)))
    rows = _answers(scorer, prediction)
    for row, text in zip(rows, texts, strict=True):
        if not clean(text):
            # The network answers anything; of nothing there is nothing to say.
            row.update(dict.fromkeys(row, None), sentiment="empty", model_version=scorer.model_version)
    answers: pd.DataFrame = pd.DataFrame(rows, index=table.index)
    kept = table.drop(columns=[name for name in answers.columns if name in table.columns])
    pd.concat([kept, answers], axis=1).to_csv(out_file, index=False)
    out.print(f"{len(items)} texts classified with {scorer.model_version}: {out_file}", markup=False)


def _answers(scorer: Scorer, prediction: Prediction) -> list[dict[str, Any]]:
    """One plain row per item; a sentiment below the model's confidence limit is called "abstained"."""
    from models.taxonomy import taxonomy

    rows: list[dict[str, Any]] = []
    for sentiment, topic, cut in zip(prediction.sentiment, prediction.topic, prediction.truncated, strict=True):
        best = int(topic.argmax())
        sure = float(sentiment.max()) >= scorer.abstain_below
        rows.append(
            {
                "sentiment": SENTIMENTS[int(sentiment.argmax())] if sure else "abstained",
                **{f"p_{word}": round(float(p), 6) for word, p in zip(SENTIMENTS, sentiment, strict=True)},
                "topic": scorer.topics[best],
                "topic_key": taxonomy().key_of(scorer.topics[best]),
                "p_topic": round(float(topic[best]), 6),
                "truncated": bool(cut),
                "model_version": scorer.model_version,
            }
        )
    return rows


def _recipe(recipe: str | None, root: Path, data: list[Path] | None, columns: str, labels: str, name: str) -> Recipe:
    from models import recipe as recipes

    if (recipe is None) == (not data):
        raise typer.BadParameter("give either --data FILE or --recipe NAME")
    if recipe is not None:
        if not root.is_dir():
            raise RecipeInvalid(f"the recipe's data folder {root} is not there; name it with --root")
        return recipes.load(recipe, root)
    return recipes.Recipe(name, recipes.Settings(), _sources(data or [], columns, labels))


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
    chosen = _recipe(recipe, root, data, columns, labels, name)
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

    chosen = _recipe(recipe, root, data, columns, labels, "evaluation")
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
