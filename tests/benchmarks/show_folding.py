"""Pairwise precision and recall of `fold` on the labelled pairs, with and without the encoder.

python -m tests.benchmarks.show_folding [--kinds] [--missed] [--held]: the tuning half; with `--held` also the held half
and the fresh pairs. `--missed` lists what went wrong in the tuning half; pairs of the others are never shown, so that
nothing is chosen on them.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from models.embed import load
from pipeline.fold.decide import Decision, How
from tests.pipeline.fold.pairs import FRESH, HELD, TUNING, Pair, folded

__all__ = ["Measured", "measure"]


class Measured(NamedTuple):
    """A share, with its 95% interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f})"


def measure(pairs: Sequence[Pair], decisions: Sequence[Decision]) -> dict[str, Measured]:
    """Precision and recall of joins, and of `follows`; intervals by bootstrap over events, whose pairs go together."""
    same = np.array([pair.same for pair in pairs])
    joined = np.array([decision.how is not How.FIRST for decision in decisions])
    follows = np.array([pair.follows is True for pair in pairs])
    asked = np.array([pair.follows is not None for pair in pairs])
    told = np.array([decision.follows is not None for decision in decisions]) & asked
    return {
        "precision": _share(pairs, same & joined, joined),
        "recall": _share(pairs, same & joined, same),
        "follows precision": _share(pairs, follows & told, told),
        "follows recall": _share(pairs, follows & told, follows),
    }


def _share(pairs: Sequence[Pair], good: np.ndarray, of: np.ndarray) -> Measured:
    events = sorted({pair.event for pair in pairs})
    place = {event: n for n, event in enumerate(events)}
    at = np.array([place[pair.event] for pair in pairs])
    counts = np.stack([np.bincount(at, part, len(events)) for part in (good, of)])
    drawn = np.random.default_rng(0).integers(0, len(events), (4000, len(events)))
    sums = counts[:, drawn].sum(2)
    low, high = np.quantile(sums[0] / np.maximum(sums[1], 1), [0.025, 0.975])
    return Measured(good.sum() / max(1, of.sum()), float(low), float(high))


def main() -> None:
    """Print the tables of docs/fold.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", action="store_true", help="also by kind of pair")
    parser.add_argument("--missed", action="store_true", help="also list what went wrong in the tuning half")
    parser.add_argument("--held", action="store_true", help="also the pairs that nothing may be chosen on")
    arguments = parser.parse_args()
    halves = {"tuning": TUNING} | ({"held": HELD, "fresh": FRESH} if arguments.held else {})
    encoder = load()
    table = Table("half", "pairs", "encoder", "precision", "recall", "follows: precision", "recall", box=None)
    kinds: dict[str, Counter[str]] = {}
    for half, pairs in halves.items():
        for name, embedder in (("no", None), ("yes", lambda: encoder)):
            decisions = folded(pairs, embedder)
            measured = [str(one) for one in measure(pairs, decisions).values()]
            table.add_row(half, str(len(pairs)), name, *measured)
            for pair, decision in zip(pairs, decisions, strict=True):
                right = pair.same == (decision.how is not How.FIRST)
                kinds.setdefault(pair.kind, Counter())[f"{half} {name} {'right' if right else 'wrong'}"] += 1
                if arguments.missed and half == "tuning" and not right and embedder:
                    print(f"{'missed' if pair.same else 'FALSE'} {decision.reason.value}: {pair.a} | {pair.b}")
    Console(width=140).print(table)
    if arguments.kinds:
        by_kind = Table("kind", "half", "pairs", "right without", "right with encoder", box=None)
        for kind, counts in sorted(kinds.items()):
            for half in halves:
                found = [counts[f"{half} {name} right"] for name in ("no", "yes")]
                by_kind.add_row(kind, half, str(found[1] + counts[f"{half} yes wrong"]), *map(str, found))
        Console(width=140).print(by_kind)


if __name__ == "__main__":
    main()
