"""How much of a cycle is Airflow's: the runs of a local Airflow beside what our record says the work in them took.

python -m tests.benchmarks.show_airflow --home .airflow --config barograph.toml
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.context import open_context

CHAIN = ("ingest", "score", "alert")


@dataclass(frozen=True)
class Cycle:
    """One run of one DAG: seconds from its start to its end, of these in stages, and how many tasks it started."""

    dag_id: str
    wall: float
    work: float
    tasks: int


def cycles(database: Path, config: Path) -> list[Cycle]:
    """The runs of the chain that succeeded. A run whose stages kept nothing (a store of another time) is left out."""
    with open_context(config).warehouse.read() as con:
        rows = con.execute("SELECT run_id, stage, sum(seconds) FROM runs GROUP BY ALL").fetchall()
    stages = {
        "ingest": ("ingest", "link", "fold"),
        "score": ("score",),
        "alert": ("aggregate", "detect", "notify", "publish"),
    }
    work = {(run_id, stage): seconds for run_id, stage, seconds in rows}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as con:
        runs = con.execute(
            "SELECT r.dag_id, r.run_id, r.start_date, r.end_date, count(t.start_date) FROM dag_run r"
            " JOIN task_instance t ON t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.try_number > 0"
            " WHERE r.state = 'success' GROUP BY r.dag_id, r.run_id"
        ).fetchall()
    return [
        Cycle(dag_id, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), done, tasks)
        for dag_id, run_id, start, end, tasks in runs
        if dag_id in CHAIN and (done := sum(work.get((run_id, stage), 0.0) for stage in stages[dag_id]))
    ]


def lines(found: Iterable[Cycle]) -> Iterable[str]:
    """A table in Markdown: medians over the runs of each DAG."""
    found = list(found)
    yield "| DAG | runs | tasks started | from start to end, s | in the stages, s | Airflow's share |"
    yield "|---|---|---|---|---|---|"
    for dag_id in CHAIN:
        these = [cycle for cycle in found if cycle.dag_id == dag_id]
        if these:
            wall, work = (statistics.median(getattr(cycle, name) for cycle in these) for name in ("wall", "work"))
            tasks = statistics.median(cycle.tasks for cycle in these)
            yield f"| `{dag_id}` | {len(these)} | {tasks:.0f} | {wall:.1f} | {work:.1f} | {1 - work / wall:.0%} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".airflow"), help="Airflow's own folder")
    parser.add_argument("--config", type=Path, default=Path("barograph.toml"), help="the settings its tasks run with")
    arguments = parser.parse_args()
    print("\n".join(lines(cycles(arguments.home / "airflow.db", arguments.config))))


if __name__ == "__main__":
    main()
