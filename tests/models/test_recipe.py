"""Recipes: complete, of known keys only, with every value in its range."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import DEFAULT, recipe
from models.errors import RecipeInvalid
from models.recipe import Settings

WHOLE = """
name = "mine"
note = "why"
from = "none"
encoder = "acme/small"
revision = "abc"

[training]
method = "adalora"
epochs = 2
learning_rate = 1e-3
class_weights = { negative = 1.5 }

[lora]
target_r = 8

[[data]]
file = "a.csv"
labels = { 0 = "negative" }

[[dev]]
file = "b.jsonl"

[[final]]
file = "c.parquet"

[[replay]]
file = "d.csv"
"""


def test_the_shipped_recipe_is_complete(tmp_path: Path) -> None:
    found = recipe.load(DEFAULT, tmp_path)
    assert [source.path.parent.parent for source in found.data] == [tmp_path] * 3
    assert all(source.licence == "MIT" and source.sha256 for source in found.data)
    # A file that trains must never be one that judges.
    assert not {source.sha256 for source in found.data} & {source.sha256 for source in found.final}


def test_everything_can_be_said_in_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(WHOLE, "utf-8")
    found = recipe.load(str(tmp_path / "mine.toml"), tmp_path)
    settings = found.settings
    assert (settings.method, settings.epochs, settings.learning_rate) == ("adalora", 2, 1e-3)
    assert (settings.lora, settings.class_weights) == ({"target_r": 8}, {"negative": 1.5})
    assert (found.name, found.start, found.encoder, found.revision) == ("mine", "none", "acme/small", "abc")
    tables = (found.data, found.dev, found.final, found.replay)
    assert [table[0].path.name for table in tables] == ["a.csv", "b.jsonl", "c.parquet", "d.csv"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("name =", "nam ="), "nam in the recipe is unknown"),
        (("epochs = 2", "epoch = 2"), "epoch: is unknown; known are seed, method"),
        (("epochs = 2", "epochs = 0"), "epochs: input should be greater than or equal to 1, not 0"),
        (("epochs = 2", "epochs = 2.5"), "epochs"),
        (('method = "adalora"', 'method = "magic"'), "method"),
        (('file = "b.jsonl"', 'fil = "b.jsonl"'), r"fil in \[\[dev\]\] is unknown"),
        (("name =", "name "), "cannot be used"),
        (("[[data]]", "[[dev]]"), "data is missing"),
        (("[training]", "[trainings]"), "trainings in the recipe is unknown"),
    ],
)
def test_a_strange_key_or_value_is_named(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(WHOLE.replace(*change, 1), "utf-8")
    with pytest.raises(RecipeInvalid, match=says) as caught:
        recipe.load(str(path), tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match=DEFAULT):
        recipe.load("nonsense", tmp_path)


def test_changed_settings_are_checked_too() -> None:
    assert recipe.changed(Settings(), epochs=9).epochs == 9
    with pytest.raises(RecipeInvalid, match="dropout"):
        recipe.changed(Settings(), dropout=1.0)
