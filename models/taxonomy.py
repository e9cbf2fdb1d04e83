"""The 20 topic labels and the dozen or so keys they are grouped to, as `taxonomy.toml` gives them."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("taxonomy.toml")


@dataclass(frozen=True)
class Taxonomy:
    """`labels`: the 20 topics in the head's order; `keys`: a group key for each; `names`: key to display name."""

    labels: tuple[str, ...]
    keys: tuple[str, ...]
    names: dict[str, str]

    def key_of(self, label: str) -> str:
        """Return the group key of one of the 20 labels; raise KeyError where the label is not one of them."""
        try:
            return self.keys[self.labels.index(label)]
        except ValueError:
            raise KeyError(label) from None


@cache
def taxonomy() -> Taxonomy:
    """Return the shipped taxonomy."""
    raw = tomllib.loads(_FILE.read_text("utf-8"))
    rows = raw["labels"]
    names = {str(key): str(name) for key, name in raw["groups"].items()}
    return Taxonomy(tuple(row["label"] for row in rows), tuple(row["key"] for row in rows), names)
