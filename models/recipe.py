"""A training recipe: the settings and the data files of one training, read from TOML and checked first."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from models.data import Source
from models.errors import RecipeInvalid

_SHIPPED = Path(__file__).with_name("recipes")


@dataclass(frozen=True)
class Settings:
    """Settings of one training. `warmup`: share of the steps; `dev_share`: share of the twin keys held out."""

    seed: int = 20261123
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 8e-4
    warmup: float = 0.06
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    max_length: int = 128
    dropout: float = 0.1
    dev_share: float = 0.05
    max_steps: int = 0
    """Stop after so many steps; 0 is no limit."""
    lora: Mapping[str, Any] = field(
        default_factory=lambda: {
            "r": 32,
            "lora_alpha": 64,
            "lora_dropout": 0.0,
            "target_modules": ["query", "key", "value", "dense"],
        }
    )


@dataclass(frozen=True)
class Recipe:
    """A name, the settings, the files to train on, those for the final figures, and a note for the card."""

    name: str
    settings: Settings
    data: tuple[Source, ...]
    final: tuple[Source, ...] = ()
    note: str = ""


def find(name_or_path: str) -> Path:
    """Return the file of a recipe, shipped by that name or given as a path; raise RecipeInvalid where there is none."""
    for candidate in (Path(name_or_path), _SHIPPED / f"{name_or_path}.toml"):
        if candidate.is_file():
            return candidate
    shipped = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.toml")))
    raise RecipeInvalid(f"there is no recipe {name_or_path!r}; give a .toml file or one of: {shipped}")


def _source(row: dict[str, Any], root: Path) -> Source:
    known = {f.name for f in fields(Source)} - {"path"}
    return Source(path=root / row["file"], **{key: value for key, value in row.items() if key in known})


def load(name_or_path: str, root: Path) -> Recipe:
    """Read a recipe; its files are relative to `root`. Raise RecipeInvalid where it is not TOML or lacks something."""
    path = find(name_or_path)
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        training = dict(raw.get("training", {}))
        if "lora" in raw:
            training["lora"] = raw["lora"]
        return Recipe(
            str(raw["name"]),
            Settings(**training),
            tuple(_source(row, root) for row in raw["data"]),
            tuple(_source(row, root) for row in raw.get("final", [])),
            str(raw.get("note", "")),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as problem:
        raise RecipeInvalid(
            f"{path.name} cannot be used ({problem}); compare it with the recipes in models/recipes"
        ) from problem
