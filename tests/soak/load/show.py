"""The result of the load for people: tables in Markdown, and a picture of what came, what waited and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from tests.soak.load.result import STAGES, Result, Seconds

__all__ = ["knee", "picture", "table"]


def table(result: Result) -> str:
    """One run: lag and backlog by stage, memory and CPU by process, and whatever does not hold."""
    load = result.load
    at = np.append(np.arange(0.0, load.seconds, 1.0), load.seconds)
    per_second = np.bincount(result.appeared.astype(int))
    lines = [
        "| | |", "|---|---|",
        f"| articles served, and per second (mean, most) | {result.served:,}; {result.served / load.seconds:.1f},"
        f" {per_second.max(initial=0)} |",
        f"| seconds until the last lane stopped | {result.seconds:.0f} |",
        f"| gone from a feed's page before it was asked | {result.never} |",
        f"| lost, twice | {len(result.missing)}, {sum(result.twice.values())} |",
        f"| store at the beginning and end, MB | {result.sizes[0][1]:.1f}, {result.sizes[-1][1]:.1f} |",
        f"| backlog that grows | {result.gives() or 'none'} |",
        "",
        "| stage | runs | seconds a run | CPU s per 1,000 | lag: median | 95% | most | waiting: most | at end |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    cpu = result.cpu()
    for stage in STAGES:
        seconds = [run.ended - run.began for run in result.ran if run.stage == stage]
        median, high, most = np.nanpercentile(result.lag(stage), [50, 95, 100])
        waiting = result.backlog(stage, at)
        lines.append(
            f"| {stage} | {len(seconds)} | {np.mean(seconds):.1f} | {1000 * cpu[stage] / result.served:.1f} |"
            f" {median:.1f} s | {high:.1f} s | {most:.1f} s | {waiting.max():,} | {waiting[-1]:,} |"
        )
    median, high, most = np.nanpercentile(result.done["publish"] - result.appeared, [50, 95, 100])
    rest = sum(seconds for stage, seconds in cpu.items() if stage not in STAGES)
    lines += [f"| aggregate, detect, notify | | | {1000 * rest / result.served:.1f} | | | | | |"]
    whole = 1000 * sum(cpu.values()) / result.served
    lines += [
        f"| from appearing to the snapshot | | | {whole:.1f} | {median:.1f} s | {high:.1f} s | {most:.1f} s | | |"
    ]
    lines += ["", "| process | memory, MB: first third | last third |", "|---|---|---|"]
    for who, (first, last) in result.memory().items():
        lines.append(f"| {who} | {first:,.0f} | {last:,.0f} |")
    lines += ["", *(f"**Does not hold:** {says}." for says in result.problems())]
    return "\n".join(lines).rstrip() + "\n"


def knee(results: Sequence[Result]) -> str:
    """A line for each rate: what waited, how late the snapshot was, and which backlog grew."""
    lines = ["| articles/s | cores busy | to the snapshot: median | 95% | waiting at the end | grows |"]
    lines += ["|---|---|---|---|---|---|"]
    for result in results:
        median, high = np.nanpercentile(result.done["publish"] - result.appeared, [50, 95])
        waiting = int(result.backlog("publish", np.array([result.load.seconds]))[0])
        lines.append(
            f"| {result.load.rate:g} | {sum(result.cpu().values()) / result.seconds:.2f} | {median:.0f} s |"
            f" {high:.0f} s | {waiting:,} | {result.gives() or 'nothing'} |"
        )
    return "\n".join(lines) + "\n"


def picture(result: Result, to: Path) -> None:
    """Four panels over the seconds of the run: arrivals, backlog by stage, lag by stage, memory by process."""
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "load"
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(4, 1, figsize=(9, 11), sharex=True, layout="constrained")
    at = np.arange(0.0, result.seconds, max(1.0, result.seconds / 600))
    came = np.diff(np.searchsorted(result.appeared, at), append=len(result.appeared)) / (at[1] - at[0])
    panels[0].plot(at, came, color="black", linewidth=0.8)
    panels[0].set_ylabel("articles/s")
    for stage in STAGES:
        panels[1].plot(at, result.backlog(stage, at), label=stage, linewidth=1)
        panels[2].plot(*_smooth(result.appeared, result.done[stage] - result.appeared, at), label=stage, linewidth=1)
    panels[1].set_ylabel("appeared, not through")
    panels[2].set_ylabel("seconds since appearing\n(median)")
    for who in sorted({look.who for look in result.looks}):
        held = [(look.at, look.rss) for look in result.looks if look.who == who]
        panels[3].plot(*zip(*held, strict=True), label=who, linewidth=1)
    panels[3].set_ylabel("resident, MB")
    panels[3].set_xlabel("seconds")
    for panel in panels[1:]:
        panel.legend(loc="upper left", fontsize="small", ncols=5, frameon=False)
    figure.savefig(to, metadata={"Date": None} if to.suffix == ".svg" else None)
    pyplot.close(figure)


def _smooth(appeared: Seconds, lag: Seconds, at: Seconds) -> tuple[list[float], list[float]]:
    """The median lag of what appeared in each of forty spans; spans in which nothing did are left out."""
    edges = np.linspace(at[0], at[-1], 41)
    spans = [(start, lag[(appeared >= start) & (appeared < end)]) for start, end in pairwise(edges)]
    shown = [(float(start), float(np.nanmedian(values))) for start, values in spans if len(values)]
    return [start for start, _ in shown], [value for _, value in shown]
