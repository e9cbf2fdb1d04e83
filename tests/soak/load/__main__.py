"""`python -m tests.soak.load --minutes 30 --rate 12 --engine ducklake`: run it, print the table, draw the picture.

Ends with 1 where anything was lost or is there twice. With several `--rate` it is the search for the knee: each rate on
a store of its own, until a backlog grows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.load.arrivals import Load
from tests.soak.load.run import ENGINES, run, store
from tests.soak.load.show import knee, picture, table


def main() -> int:
    """Run it; 0 where all holds."""
    arguments = argparse.ArgumentParser(prog="python -m tests.soak.load", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=2)
    arguments.add_argument("--rate", type=float, nargs="+", default=[12.0], help="articles per second, bursts included")
    arguments.add_argument("--burst", type=float, default=200.0, help="articles per second within a burst")
    arguments.add_argument("--feeds", type=int, default=300)
    arguments.add_argument("--hour", type=int, default=13, help="hour of the week that it is at the beginning")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--engine", choices=ENGINES, default="ducklake")
    arguments.add_argument("--scorers", type=int, default=4, help="processes that share the scoring as parts")
    arguments.add_argument("--every", type=float, default=15.0, help="seconds from one cycle of a lane to the next")
    arguments.add_argument("--keep", type=Path, help="an empty folder for the stores and logs, which then stay")
    arguments.add_argument("--picture", type=Path, help="where to draw the (last) run, .svg or .png")
    given = arguments.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for rate in given.rate:
            folder = ((given.keep or Path(scratch)) / f"{given.engine}-{rate:g}").resolve()
            load = Load(given.minutes * 60, rate, given.burst, given.feeds, given.seed, given.hour)
            with store(given.engine, folder) as warehouse:
                results.append(run(load, warehouse, folder, scorers=given.scorers, pause=given.every))
            sys.stdout.write(table(results[-1]) + "\n")
            sys.stdout.flush()
            if given.picture:
                picture(results[-1], given.picture)
            if len(given.rate) > 1 and results[-1].gives():
                break
    if len(given.rate) > 1:
        sys.stdout.write(knee(results))
    return 1 if any(result.problems() for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
