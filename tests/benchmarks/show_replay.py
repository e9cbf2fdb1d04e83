"""Every incident of a year's backtest, frozen as `detect` does it, made again: from its evidence to the byte, and from
the base tables within 1e-6.

    python -m tests.benchmarks.show_replay                       # 60 companies, a year; some 17 minutes
    python -m tests.benchmarks.show_replay --companies 5         # to try it
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.audit import Case, Checked, Verdict, replay
from pipeline.backtest.frozen import frozen
from pipeline.backtest.session import opened
from pipeline.context import Context
from pipeline.detect.again import found_in
from pipeline.detect.inputs import read
from pipeline.detect.refit import Refitted, differences
from pipeline.detect.rules import parse
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from pipeline.watchlists import WatchList, WatchLists
from tests.pipeline.seeds import Piece, activate_model, insert, put

__all__ = ["END", "LISTS", "RULES", "START", "Year", "checked", "fill", "told"]

END = datetime(2026, 3, 1, tzinfo=UTC)
START = END - timedelta(days=365)
LISTS = WatchLists((WatchList("core", "desk", frozenset({"co:0"}), frozenset(f"co:{n}" for n in range(1, 20))),))
# What stands before the year, to fit from.
_BEFORE = 60
RULES = """
[[rule]]
name = "share-day"
kind = "negative_share"
scope = "entity"
grain = "day"
budget = "1 a week"
min_stories = 4
min_negative = 4

[[rule]]
name = "market-day"
kind = "negative_share"
scope = "market"
grain = "day"
p_limit = 0.001

[[rule]]
name = "volume-day"
kind = "volume"
scope = "entity"
grain = "day"
p_limit = 0.0001

[[rule]]
name = "bad-news"
kind = "event"
watchlists = ["*"]
themes = ["bankruptcy"]
"""


@dataclass(frozen=True)
class Year:
    """Seeded news of so many companies: Poisson days, one negative in five; each has a bad day, a surge and an event
    every `every` days, and some days are bad for all."""

    companies: int
    per_day: float
    seed: int
    days: int = 365
    every: int = 45


def pieces(year: Year) -> Iterator[Piece]:
    """Imported articles, one story each; an event is told by a second paper nine hours later."""
    rng = np.random.default_rng(year.seed)
    bad_for_all = set(rng.choice(year.days, max(year.days // 90, 1), replace=False).tolist())
    for company in range(year.companies):
        entity, phase = f"co:{company}", int(rng.integers(year.every))
        for day in range(-_BEFORE, year.days):
            start = END - timedelta(days=year.days - day)
            place = (day + phase) % year.every if day >= 0 else -1
            share = 0.85 if place == 0 else 0.6 if day in bad_for_all else 0.2
            for n in range(rng.poisson(year.per_day * (4 if place == year.every // 3 else 1.5 if place == 0 else 1))):
                at, p = start + timedelta(days=float(rng.uniform())), 0.9 if rng.random() < share else 0.1
                yield _piece(f"{entity}-{day}-{n}", entity, at, p, int(rng.integers(5)))
            for hours in (9, 18) if place == 2 * year.every // 3 else ():
                at, name = start + timedelta(hours=hours), f"{entity}-{day}-event-{hours}"
                yield _piece(name, entity, at, 0.95, hours, f"{entity}-{day}-event", (("bankruptcy", entity),))


def _piece(
    name: str, entity: str, at: datetime, p: float, paper: int, story: str = "", themes: Sequence[tuple[str, str]] = ()
) -> Piece:
    return Piece(
        name, at, at + timedelta(minutes=5), story_id=story, publisher=f"Paper {paper}", imported=True, p_negative=p,
        p_positive=0.04, entities={entity: (0.9, p, 0.04)}, themes=tuple((of, theme) for theme, of in themes),
    )  # fmt: skip


def fill(context: Context, year: Year) -> None:
    """Put the year into a store."""
    activate_model(context.warehouse)
    names = [{"entity_id": f"co:{n}", "name": f"Company {n}", "kind": "company"} for n in range(year.companies)]
    insert(context.warehouse, "catalogue", "entities", names, ["entity_id"])
    put(context.warehouse, pieces(year))


def told(case: Case) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(decision, inputs) of each step that somebody is told of."""
    kinds = ("decision", "inputs")
    kept = {kind: [piece.told() for piece in case.evidence if piece.kind == kind] for kind in kinds}
    return list(zip(kept["decision"], kept["inputs"], strict=True))


def checked(cases: Sequence[Case], again: Sequence[Case]) -> list[Checked]:
    """Each case made again from its evidence; and each decision held against the same step of `again`, whose numbers
    were computed from the base tables anew."""
    found = [one for case in cases for one in replay(case)]
    fresh = {(d["event_id"], d["incident_id"]): (d, given) for case in again for d, given in told(case)}
    for case in cases:
        for decision, _ in told(case):
            name = f"{decision['rule']} {decision['key']} {decision['action']}"
            unlike = ["the recomputed numbers take no such step"]
            if same := fresh.get((decision["event_id"], decision["incident_id"])):
                seen, watched = read(same[1], same[0]["scope"], same[0]["key"])
                unlike = differences(decision, Refitted(found_in(seen, watched, *same, RULES), ()))
            found.append(Checked("refit", name, Verdict.DIFFERS if unlike else Verdict.SAME, "; ".join(unlike)))
    return found


def main() -> int:
    """Print the table; 1 where an incident does not come out again."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.show_replay", description=__doc__)
    parser.add_argument("--companies", type=int, default=60)
    parser.add_argument("--per-day", type=float, default=6.0, help="stories of each")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings().anchored(Path(folder))
        warehouse = Warehouse(settings.store.warehouse, lambda: END + timedelta(days=1))
        warehouse.prepare()
        context = Context(settings, warehouse, lambda: END + timedelta(days=1))
        fill(context, Year(arguments.companies, arguments.per_day, arguments.seed))
        seconds, runs = [], []
        for _ in range(2):
            began = time.perf_counter()
            runs.append(list(frozen(opened(context, [(parse(RULES), LISTS)], START, END), RULES, LISTS)))
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        found = checked(*runs)
        seconds.append(time.perf_counter() - began)
    _show(runs[0], found)
    print(f"frozen in {seconds[0]:.0f} s, from the base tables anew {seconds[1]:.0f} s, made again {seconds[2]:.0f} s")
    return 0 if all(one.verdict is Verdict.SAME for one in found) else 1


def _show(cases: Sequence[Case], found: Sequence[Checked]) -> None:
    table = Table("rule", "incidents", "steps told", "rows of evidence", box=None)
    for rule in sorted({str(case.incident["rule"]) for case in cases}):
        ours = [case for case in cases if case.incident["rule"] == rule]
        counts = (len(ours), sum(len(told(case)) for case in ours), sum(len(case.evidence) for case in ours))
        table.add_row(rule, *(f"{n:,}" for n in counts))
    same = Table("made again", "the same", "not", box=None)
    for what in ("chain", "decision", "life", "refit"):
        counted = Counter(one.verdict is Verdict.SAME for one in found if one.what == what)
        same.add_row(what, f"{counted[True]:,}", f"{counted[False]:,}")
    console = Console()
    console.print(table, same)
    for one in [one for one in found if one.verdict is not Verdict.SAME][:10]:
        print(f"{one.what} {one.name}: {one.detail}")


if __name__ == "__main__":
    sys.exit(main())
