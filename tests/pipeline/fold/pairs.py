"""Labelled pairs of headlines (pairs.csv, written for this project): one story or not, and what makes each hard."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

__all__ = ["PAIRS", "Pair"]


class Pair(NamedTuple):
    """`a` came first, `b` `hours` later. Companies are as the linker would give them ('' none, else | between)."""

    case: str
    same: bool
    a: str
    b: str
    companies_a: str
    companies_b: str
    hours: float
    summary_a: str
    summary_b: str


def _read(path: Path) -> tuple[Pair, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(Pair(**{**row, "same": row["same"] == "yes", "hours": float(row["hours"])}) for row in rows)


PAIRS = _read(Path(__file__).with_suffix(".csv"))
