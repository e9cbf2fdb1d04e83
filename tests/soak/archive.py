"""A back catalogue scored by several `barograph score --shard` at once, one of them killed, and held against the store.

`python -m tests.soak.archive --headlines 1000000 --workers 4 --kills 1` imports so many headlines, scores them with the
real command, starts what was killed (SIGKILL) again, closes with a `barograph score`, and prints headlines per second.
Ends with 1 where one is missing or there twice, where the closing run found any left to score, or where fewer parts
were killed than asked for.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from pipeline.context import open_context
from pipeline.warehouse import Warehouse
from tests.benchmarks.bench_score import headlines
from tests.soak.load.run import ENGINES, store

__all__ = ["Part", "Scored", "counted", "score"]

_BAROGRAPH = str(Path(sys.executable).with_name("barograph"))
_LOOK_S = 0.2
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Scored:
    """What came of it. `seconds` and `cpu` are of all parts together, loading their models included.

    `missing`: had no score when the parts were done; `closed`: got one from the run that closes them.
    """

    articles: int
    missing: int
    twice: int
    closed: int
    kills: int
    asked: int
    seconds: float
    cpu: float

    def problems(self) -> list[str]:
        """What does not hold; empty where the parts scored every headline once, and as many were killed as asked."""
        found = {
            f"{self.missing} headlines have no score": self.missing,
            f"{self.twice} have two": self.twice,
            f"the closing run scored {self.closed}": self.closed,
            f"{self.kills} of {self.asked} parts were killed; more headlines, or --after less": self.kills < self.asked,
        }
        return [says for says, n in found.items() if n]

    def markdown(self) -> str:
        """A table."""
        rate, each = self.articles / self.seconds, self.articles / self.cpu
        return (
            "| headlines | killed | missing | twice | headlines/s, by the clock | headlines per CPU second |\n"
            "|---|---|---|---|---|---|\n"
            f"| {self.articles:,} | {self.kills} | {self.missing} | {self.twice} | {rate:,.0f} | {each:,.0f} |\n"
        )


class Part:
    """One part of the work, begun again while it was killed."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.command, self.log = list(command), log
        self.cpu, self.kills = 0.0, 0
        self.begin()

    def begin(self) -> None:
        with self.log.open("ab") as log:
            self.process = psutil.Popen(self.command, stdout=log, stderr=log, env=_ours())
        self.spent, self.killed = 0.0, False

    def kill(self) -> None:
        """Kill it; `over` counts it, unless it had just ended by itself."""
        self.killed = True
        with suppress(psutil.NoSuchProcess):
            self.process.kill()

    def over(self) -> bool:
        """Whether it is done; adds up what it spent, also where it died.

        Raises:
            RuntimeError: it ended with an error, or was killed by somebody else.
        """
        status = self.process.poll()
        if status is None:
            times = self.process.cpu_times()
            self.spent = times.user + times.system
            return False
        if status == 0:
            self.cpu, self.spent = self.cpu + self.spent, 0.0
            return True
        if status != -signal.SIGKILL or not self.killed:
            raise RuntimeError(f"`{' '.join(self.command)}` ended with {status}; read {self.log}")
        self.cpu, self.kills = self.cpu + self.spent, self.kills + 1
        self.begin()
        return False

    def end(self) -> None:
        """End it where it is not over: another part has failed."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def score(folder: Path, warehouse: str, n: int, workers: int, kills: int, after: float = 60.0, seed: int = 1) -> Scored:
    """Do it in `folder`; a part drawn by `seed` is killed at a moment up to `after` seconds after its beginning."""
    config = folder / "barograph.toml"
    config.write_text(f'[store]\nwarehouse = "{warehouse}"\n', encoding="utf-8")
    given = ["--config", str(config)]
    took_in = [_BAROGRAPH, "import", str(_archive(folder, n)), "--publisher", "Archive", *given]
    with (folder / "import.log").open("ab") as log:
        subprocess.run(took_in, check=True, stdout=log, stderr=log, env=_ours())
    began = time.perf_counter()
    command = [_BAROGRAPH, "score", *given]
    parts = [Part([*command, "--shard", f"{i}/{workers}"], folder / f"score {i}.log") for i in range(1, workers + 1)]
    try:
        _until_done(parts, random.Random(seed), kills, after)
    finally:
        for part in parts:
            part.end()
    took, cpu = time.perf_counter() - began, sum(part.cpu for part in parts)
    stored = open_context(config, environment=False).warehouse
    articles, missing, _, before = counted(stored)
    closing = Part(command, folder / "score.log")
    while not closing.over():
        time.sleep(_LOOK_S)
    _, _, twice, held = counted(stored)
    return Scored(articles, missing, twice, held - before, sum(part.kills for part in parts), kills, took, cpu)


def counted(warehouse: Warehouse) -> tuple[int, int, int, int]:
    """Articles, those without a score, those with two; and the rows of scores."""
    with warehouse.read() as con:
        row = con.execute(
            "SELECT count(*), count(*) FILTER (n IS NULL), count(*) FILTER (n > 1), coalesce(sum(n), 0)::BIGINT FROM"
            " articles LEFT JOIN (SELECT article_id, count(*) AS n FROM scores WHERE entity_id = '' GROUP BY ALL)"
            " USING (article_id)"
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3]


def _archive(folder: Path, n: int) -> Path:
    """So many headlines, one a second."""
    file = folder / "headlines.csv"
    with file.open("w", encoding="utf-8", newline="") as rows:
        writer = csv.writer(rows)
        writer.writerow(("title", "published_at"))
        writer.writerows((title, _BEGAN + timedelta(seconds=i)) for i, title in enumerate(headlines(n)))
    return file


def _until_done(parts: Sequence[Part], chance: random.Random, kills: int, after: float) -> None:
    due = sorted(chance.uniform(after / 3, after) for _ in range(kills))
    began = time.perf_counter()
    while running := [part for part in parts if not part.over()]:
        if due and time.perf_counter() - began >= due[0]:
            due.pop(0)
            chance.choice(running).kill()
        time.sleep(_LOOK_S)


def _ours() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("BAROGRAPH_")}


def main() -> int:
    """Run it; 0 where nothing is wrong with it."""
    arguments = argparse.ArgumentParser(prog="python -m tests.soak.archive", description=__doc__)
    arguments.add_argument("--headlines", type=int, default=20_000)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--kills", type=int, default=1)
    arguments.add_argument("--after", type=float, default=60.0, help="no kill later than so many seconds")
    arguments.add_argument("--engine", choices=ENGINES, default="ducklake")
    arguments.add_argument("--keep", type=Path, help="a folder for store and logs, which then stay")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.keep or Path(scratch)).resolve()
        (folder / "store").mkdir(parents=True, exist_ok=True)
        with store(given.engine, folder) as warehouse:
            result = score(folder, warehouse, given.headlines, given.workers, given.kills, given.after)
    sys.stdout.write(result.markdown())
    sys.stderr.writelines(f"{problem}\n" for problem in result.problems())
    return 1 if result.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
