"""Where something happened: places named in a headline, known under their adjectives, and which contradict."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

__all__ = ["agree", "contradict", "places"]

_WORD = re.compile(r"[^\W\d_]+(?:\.[^\W\d_]+\.?)*")


@cache
def _paths() -> dict[str, str]:
    lines = tomllib.loads(Path(__file__).with_name("places.toml").read_text(encoding="utf-8"))["places"].strip()
    split = (line.partition(":") for line in lines.splitlines())
    return {name: path for path, _, names in split for name in names.split()}


def places(text: str) -> frozenset[str]:
    """The paths (`europe/italy/milan`) of the places whose names stand in the text with a capital."""
    known = _paths()
    words = (match[0] for match in _WORD.finditer(text) if match[0][0].isupper())
    return frozenset(path for word in words if (path := known.get(word.lower())))


def agree(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether both name one place, or one names where the other's lies."""
    return any(_within(one, other) for one in a for other in b)


def contradict(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether each names a place that the other neither names, nor lies in, nor holds."""
    return _alone(a, b) and _alone(b, a)


def _alone(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    return any(not any(_within(one, other) for other in theirs) for one in mine)


def _within(a: str, b: str) -> bool:
    return f"{a}/".startswith(f"{b}/") or f"{b}/".startswith(f"{a}/")
