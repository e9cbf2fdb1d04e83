"""A training recipe: the settings and the data files of one training, read from TOML and checked first."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from models.data import Source
from models.errors import RecipeInvalid
from models.reading import Reading

_SHIPPED = Path(__file__).with_name("recipes")
MethodName = Literal["lora", "dora", "adalora", "vera", "ia3", "loha", "lokr", "head", "full"]
Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class Settings:
    """Settings of one training, the keys of `[training]` in a recipe and the options of `barograph train`.

    `method`: models.methods; `reading`: models.reading; `accumulate`: batches of `batch_size` texts per step;
    `learning_rate`: the highest one, 0 the method's usual; `teacher_weight`: models.distil; `warmup`: share of steps;
    `max_steps`: stop after so many, 0 no limit; `patience`: passes without gain on the held-out rows before it stops,
    and then the best pass is kept (0: all passes, the last is kept); `stop_after`: end after so many passes of a
    schedule made for all (0: go through all);
    `start_share`: share that the weights gone on from have in those kept, the trained ones having the rest (Wortsman et
    al., Robust fine-tuning of zero-shot models, 2022: the average keeps old skill, and errs where neither does; of an
    adapter its factors are averaged, not their product, and the best pass is chosen before);
    `dev_share`: share of the twin keys held out; `frozen_layers`: how many of the lowest layers, and the embeddings,
    full fine-tuning leaves as they are; `swap_names`, `generated`, `written`, `written_lines` (0: all of the file):
    models.mixture; `balance`, `class_weights`, `label_smoothing`: models.losses; `lora`: settings of the adapter, as
    peft names them, over our own for the method.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    seed: int = 20261123
    method: MethodName = "lora"
    epochs: Annotated[int, Field(ge=1)] = 3
    batch_size: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] = 1
    learning_rate: Annotated[float, Field(ge=0, lt=10)] = 0.0
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.06
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    max_length: Annotated[int, Field(ge=8)] = 128
    reading: Reading = Reading.PLAIN
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    dev_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    max_steps: Annotated[int, Field(ge=0)] = 0
    patience: Annotated[int, Field(ge=0)] = 2
    stop_after: Annotated[int, Field(ge=0)] = 0
    start_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    swap_names: Annotated[float, Field(ge=0, le=1)] = 0.0
    generated: Annotated[int, Field(ge=0)] = 0
    written: Annotated[float, Field(ge=0)] = 0.0
    written_lines: Annotated[int, Field(ge=0)] = 0
    teacher_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    precision: Precision = "auto"
    balance: Annotated[float, Field(ge=0, le=1)] = 0.0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: Mapping[str, float] = field(default_factory=dict)
    lora: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One training: name, settings, the files to train on, and what else it starts from and is measured on.

    `dev`: files held out, instead of a share of `data`; `final`: files for the final figures; `replay`: files on which
    forgetting is measured; `avoid`: files that no generated text may come near, beside `dev` and `final`; `news`:
    folder of the archives that models.news labels headlines of; `start`: the model to go on from, or none; `encoder`,
    `revision`: models.encoder.locate; `teacher`: an artifact from whose answers too it learns (models.distil).
    """

    name: str
    settings: Settings
    data: tuple[Source, ...]
    final: tuple[Source, ...] = ()
    note: str = ""
    dev: tuple[Source, ...] = ()
    replay: tuple[Source, ...] = ()
    avoid: tuple[Source, ...] = ()
    news: Path | None = None
    start: str = "none"
    encoder: str | None = None
    revision: str | None = None
    teacher: str | None = None


_TABLES = ("data", "dev", "final", "replay", "avoid")
_WORDS = ("name", "note", "encoder", "revision", "teacher")


def find(name_or_path: str) -> Path:
    """Return the file of a recipe, shipped by that name or given as a path; raise RecipeInvalid where there is none."""
    for candidate in (Path(name_or_path), _SHIPPED / f"{name_or_path}.toml"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.toml")))
    raise RecipeInvalid(f"there is no recipe {name_or_path!r}; give a .toml file or one of: {shipped}")


def checked(settings: Mapping[str, Any], where: str) -> Settings:
    """Return settings once every key is known and every value in its range; raise RecipeInvalid naming the first."""
    try:
        return TypeAdapter(Settings).validate_python(dict(settings))
    except ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ", ".join(f.name for f in fields(Settings)) if first["type"] == "unexpected_keyword_argument" else ""
        says = f"is unknown; known are {known}" if known else f"{first['msg'].lower()}, not {first['input']!r}"
        raise RecipeInvalid(f"{where} cannot be used: {key}: {says}") from problem


def changed(settings: Settings, **values: Any) -> Settings:
    """Return settings with other values, checked; raise RecipeInvalid naming the first that is out of range."""
    return checked({**asdict(settings), **values}, "the settings")


def _source(row: Mapping[str, Any], root: Path, where: str) -> Source:
    known = {f.name for f in fields(Source)} - {"path"}
    _refuse_unknown(row, known | {"file"}, where)
    return Source(path=root / row["file"], **{key: value for key, value in row.items() if key in known})


def _refuse_unknown(row: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in row:
        if key not in known:
            raise KeyError(f"{key} in {where} is unknown; known are {', '.join(sorted(known))}")


def load(name_or_path: str, root: Path) -> Recipe:
    """Read a recipe, its files relative to `root`; raise RecipeInvalid where it is not TOML, or a key is strange."""
    path = find(name_or_path)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        _refuse_unknown(raw, {*_TABLES, *_WORDS, "from", "news", "training", "lora"}, "the recipe")
        training = dict(raw.get("training", {}))
        if "lora" in raw:
            training["lora"] = raw["lora"]
        files = {table: tuple(_source(row, root, f"[[{table}]]") for row in raw.get(table, [])) for table in _TABLES}
        words = {word: str(raw[word]) for word in _WORDS if word in raw}
        words["name"] = str(raw["name"])
        news = root / raw["news"] if "news" in raw else None
        if not files["data"] and "data" not in raw:
            raise KeyError("data is missing")
        settings, start = checked(training, path.name), str(raw.get("from", "none"))
        return Recipe(settings=settings, start=start, news=news, **words, **files)  # type: ignore[arg-type]
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as problem:
        reason = problem.args[0] if isinstance(problem, KeyError) else problem
        raise RecipeInvalid(
            f"{path.name} cannot be used ({reason}); compare it with the recipes in models/recipes"
        ) from problem
