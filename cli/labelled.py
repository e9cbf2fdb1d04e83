"""What the commands of the model share: their options, and labelled files and recipes named on the command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import RecipeInvalid

if TYPE_CHECKING:
    from models.data import Source
    from models.recipe import Recipe

__all__ = [
    "DataOption",
    "DeviceOption",
    "LabelsOption",
    "MapOption",
    "ModelOption",
    "RecipeOption",
    "RootOption",
    "command_line",
    "pairs",
    "recipe_of",
    "sources",
]

ModelOption = Annotated[
    str,
    typer.Option(
        "--model", envvar="BAROGRAPH_MODEL__NAME", help="Name of a shipped model, or the folder of an artifact."
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", envvar="BAROGRAPH_MODEL__DEVICE", help="auto, cpu or cuda.")]
DataOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--data",
        help="CSV, JSONL or Parquet with text, sentiment, and optional topic, entity. May be given several times.",
    ),
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


def pairs(given: str, option: str) -> dict[str, str]:
    """Read a=b,c=d."""
    found: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in given.split(","))):
        key, equals, value = part.partition("=")
        if not (equals and key and value):
            raise typer.BadParameter(f"{part!r} is not of the form a=b", param_hint=option)
        found[key.strip()] = value.strip()
    return found


def command_line(*options: tuple[str, object]) -> str:
    """The command as a card shows it: what was given, without folders, which are nobody else's business."""
    parts = ["barograph", "train"]
    for option, given in options:
        for value in given if isinstance(given, list) else [given]:
            if value is None or value == "":
                continue
            local = isinstance(value, Path) or (isinstance(value, str) and option in ("--from", "--encoder"))
            shown = Path(str(value)).name if local and Path(str(value)).exists() else str(value)
            parts += [option, shown]
    return shlex.join(parts)


def sources(data: list[Path], columns: str, labels: str) -> tuple[Source, ...]:
    from models.data import Source

    mapping = pairs(columns, "--map")
    words = {key: value.lower() for key, value in pairs(labels, "--labels").items()}
    for name in sorted(set(mapping) - {"text", "sentiment", "topic", "entity"}):
        raise typer.BadParameter(f"{name!r} is none of text, sentiment, topic, entity", param_hint="--map")
    return tuple(Source(path, columns=mapping, labels=words) for path in data)


def recipe_of(recipe: str | None, root: Path, data: list[Path] | None, columns: str, labels: str, name: str) -> Recipe:
    from models import recipe as recipes

    if (recipe is None) == (not data):
        raise typer.BadParameter("give either --data FILE or --recipe NAME")
    if recipe is not None:
        if not root.is_dir():
            raise RecipeInvalid(f"the recipe's data folder {root} is not there; name it with --root")
        return recipes.load(recipe, root)
    return recipes.Recipe(name, recipes.Settings(), sources(data or [], columns, labels))
