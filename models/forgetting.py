"""How much of a model's old skill a training cost: the same labelled rows before it and after."""

from collections.abc import Sequence
from typing import Any

from models import SENTIMENTS
from models.data import Example
from models.evaluate import HEADS, Answers, evaluate

_MEASURES = ("accuracy", "macro_f1")


def challenge_rows() -> list[Example]:
    """Return the open half of the challenge suite as rows: the replay set where no other is named."""
    # Only a training that goes on from a model needs it.
    from models import challenge

    return [
        Example(case.text, case.entity, SENTIMENTS.index(case.sentiment), source="challenge")
        for case in challenge.load()
        if case.half == "open"
    ]


def forgetting(before: Answers, after: Answers, rows: Sequence[Example]) -> dict[str, Any]:
    """Return accuracy and macro F1 before, after, and lost (before − after), of each head with labels among rows."""
    old, new = (evaluate(scorer, rows).to_json() for scorer in (before, after))
    found: dict[str, Any] = {"n": len(rows)}
    for head in HEADS:
        if old[head] and new[head]:
            found[head] = {
                "n": old[head]["n"],
                "before": {name: old[head][name] for name in _MEASURES},
                "after": {name: new[head][name] for name in _MEASURES},
                "lost": {name: round(old[head][name] - new[head][name], 6) for name in _MEASURES},
            }
    return found
