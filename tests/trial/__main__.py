"""`make trial`: the shipped detector, its baselines and the oracle on the same seeds; prints and writes the tables.

python -m tests.trial                       all of it: some ten minutes on two cores
python -m tests.trial --series 40 --no-real a glance
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress

from tests.trial import real, rivals
from tests.trial.episodes import Outcome, Score, frozen, interval, outcome, together
from tests.trial.shipped import Shipped, oracle
from tests.trial.worlds import World, simulated

__all__ = ["compared", "table"]

ROOT = Path(__file__).resolve().parent.parent.parent
Alarms = Callable[[float], NDArray[np.bool_]]

# False episodes per series-week: .2, .05, and three a week over 500 series.
BUDGETS = (0.2, 0.05, 3 / 500)
TUNE, SCORE = 1, 2
REPLICATES = 5
# Volume strata for the p-values, in stories an hour.
STRATA = ((0.0, 3.0), (3.0, 12.0), (12.0, 1e9))
REFERENCE, SHIPPED, ORACLE = "its CUSUM (the reference)", "**shipped**", "oracle"
# The loosest limit searched is 0; this is the strictest.
_STRICTEST = {SHIPPED: 14.0, ORACLE: 14.0}


@dataclass(frozen=True)
class Line:
    """One method at one budget, scored on unseen series."""

    budget: float
    method: str
    found: Outcome
    recall: Score


def methods(world: World, shipped: Shipped) -> dict[str, Alarms]:
    """Everything that is compared, as alarms by limit."""
    p = rivals.with_offset(world)
    every = {
        "rolling z": rivals.over(world, rivals.rolling_z(world)),
        "seasonal median/MAD": rivals.over(world, rivals.seasonal_mad(world)),
        "regression with offset": rivals.over(world, -np.log10(p)),
        "its last three (Fisher)": rivals.over(world, rivals.fisher(p)),
        REFERENCE: rivals.cusum(world, p),
        SHIPPED: shipped.alarms,
    }
    return every | ({ORACLE: oracle(world)} if np.isfinite(world.rho) else {})


def compared(
    tune: Sequence[World],
    tune_by: Sequence[Mapping[str, Alarms]],
    score: Sequence[World],
    score_by: Sequence[Mapping[str, Alarms]],
    budgets: Sequence[float],
    step: Callable[[], None] = lambda: None,
) -> list[Line]:
    """Limits frozen on `tune`, scored on `score`."""
    lines = []
    for budget in budgets:
        for name in tune_by[0]:
            limit = frozen(tune, [by[name] for by in tune_by], budget, _STRICTEST.get(name, 60.0))
            found = together([outcome(world, by[name](limit)) for world, by in zip(score, score_by, strict=True)])
            lines.append(Line(budget, name, found, interval(found, Outcome.recall)))
            step()
    return lines


def table(lines: Sequence[Line], unit: str) -> list[str]:
    """Markdown: a row for each method and budget."""
    head = (
        "budget", "method", "recall (95%)", "of size 1 · 2 · 4", "over the reference",
        f"delay, {unit}: mean · median", "false episodes", f"{unit} in alarm",
    )  # fmt: skip
    rows = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for one in lines:
        reference = next(other for other in lines if other.budget == one.budget and other.method == REFERENCE)
        cells = (
            f"{one.budget:.3g}", one.method, str(one.recall),
            " · ".join(f"{one.found.recall(size):.2f}" for size in (1.0, 2.0, 4.0)),
            str(one.recall.over(reference.recall)) if one.method == SHIPPED else
            f"{one.recall.value / max(reference.recall.value, 1e-9):.2f}",
            f"{one.found.mean_delay():.1f} · {one.found.median_delay():.0f}", f"{one.found.false_rate():.3f}",
            f"{one.found.hours_in_alarm():.2f}",
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def calibration(clean: pd.DataFrame) -> list[str]:
    """Markdown: how often p fell below .1, .01 and .001 in clean hours."""
    rows = ["| stories an hour | clean hours | P(p < .1) | P(p < .01) | P(p < .001) |", "|---|---|---|---|---|"]
    for low, high in STRATA:
        p = clean["p"][(clean["volume"] >= low) & (clean["volume"] < high)]
        name = f"{low:g}–{high:g}" if high < 1e9 else f"{low:g} or more"
        shares = " | ".join(f"{(p < level).mean():.{digits}f}" for level, digits in ((0.1, 3), (0.01, 4), (0.001, 5)))
        rows.append(f"| {name} | {p.size:,} | {shares} |")
    return rows


def main() -> int:
    """Run it, print it, write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=300, help="simulated series in each half (default: %(default)s)")
    parser.add_argument("--no-real", action="store_true", help="leave the real headlines out")
    parser.add_argument("--no-simulated", action="store_true", help="leave the simulated hours out")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "trial", help="where the real headlines are scored"
    )
    parser.add_argument("--to", type=Path, help="where the page goes (default: it is only printed)")
    arguments = parser.parse_args()
    data = Path(os.environ.get("BAROGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    page = ["# The trial of the detector", "", f"Made by `python -m tests.trial {' '.join(sys.argv[1:])}`.", ""]
    with Progress(console=Console(stderr=True)) as progress:
        if not arguments.no_simulated:
            page += _hours(arguments.series, progress)
        if not arguments.no_real and data.exists():
            page += _days(data, arguments.work, progress)
    text = "\n".join(page) + "\n"
    Console().print(Markdown(text))
    if arguments.to:
        arguments.to.write_text(text, encoding="utf-8")
    return 0


def _hours(series: int, progress: Progress) -> list[str]:
    worlds = [simulated(seed, series) for seed in (TUNE, SCORE)]
    days = sum((world.n.shape[1] - world.train) // 24 for world in worlds)
    bar = progress.add_task("fit and judge simulated hours", total=days)
    shipped = [Shipped.on(world, lambda: progress.advance(bar)) for world in worlds]
    by = [methods(world, one) for world, one in zip(worlds, shipped, strict=True)]
    bar = progress.add_task("freeze limits and score", total=len(BUDGETS) * len(by[0]))
    lines = compared(worlds[:1], by[:1], worlds[1:], by[1:], BUDGETS, lambda: progress.advance(bar))
    told = f"{series} series × {(worlds[1].n.shape[1] - worlds[1].train) // 168} weeks, {len(worlds[1].bursts)} bursts"
    page = [f"## Simulated hours: {told} (limits frozen on as many others)", "", *table(lines, "hours"), ""]
    for budget in BUDGETS:
        mine, best, other = (
            next(x for x in lines if x.budget == budget and x.method == m) for m in (SHIPPED, ORACLE, REFERENCE)
        )
        both = ~np.isnan(mine.found.delay) & ~np.isnan(other.found.delay)
        delays = " and ".join(f"{one.found.delay[both].mean():.1f}" for one in (mine, other) if both.any())
        page.append(
            f"- at {budget:.3g} a series-week: share of the oracle {mine.recall.over(best.recall)}; mean delay on the"
            f" {both.sum()} bursts that both it and the reference hit: {delays} hours"
        )
    return [*page, "", "## p-values of clean hours", "", *calibration(pd.concat([one.clean for one in shipped])), ""]


def _days(data: Path, work: Path, progress: Progress) -> list[str]:
    bar = progress.add_task("score the real headlines (kept for the next time)", total=None)
    y, n = real.background(data, work)
    progress.update(bar, total=1, completed=1)
    bar = progress.add_task("fit and judge real days", total=None)
    worlds = {half: [real.injected(y, n, half, seed) for seed in range(REPLICATES)] for half in real.HALVES}
    by = {
        half: [methods(world, Shipped.on(world, lambda: progress.advance(bar))) for world in of_half]
        for half, of_half in worlds.items()
    }
    lines = compared(worlds["tune"], by["tune"], worlds["score"], by["score"], BUDGETS[:2])
    bursts = sum(len(world.bursts) for world in worlds["score"])
    head = f"## Real days: {y.shape[0]} topics of 2018–2019, {REPLICATES} replicates, {bursts} bursts in 2019"
    return [head, "", *table(lines, "days"), ""]


if __name__ == "__main__":
    sys.exit(main())
