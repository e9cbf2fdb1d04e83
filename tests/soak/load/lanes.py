"""The processes under load, and who asks them for what: four lanes side by side, each a cycle of stages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Lane", "Look", "Ran", "Worker", "drain", "lanes", "watching", "working"]


@dataclass(frozen=True)
class Look:
    """One process and those below it at `at` (seconds since 1970): resident memory (MB)."""

    at: float
    who: str
    rss: float


@dataclass(frozen=True)
class Ran:
    """One run of a stage: when (seconds since 1970), the CPU seconds it took, and why it failed ('': it did not)."""

    stage: str
    began: float
    ended: float
    cpu: float
    failed: str = ""


class Worker:
    """A process that runs the stages it is asked for, one at a time, and keeps its model warm."""

    def __init__(self, name: str, folder: Path, config: Path) -> None:
        self.name = name
        self.ran: list[Ran] = []
        environment = {key: value for key, value in os.environ.items() if not key.startswith("BAROGRAPH_")}
        with (folder / f"{name}.log").open("ab") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "tests.soak.load.worker", "--config", str(config)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
            )  # fmt: skip

    def ask(self, what: str) -> None:
        """Run a stage and wait for it; how it went is in `ran`.

        Raises:
            RuntimeError: the process is gone; its log says why.
        """
        began = time.time()
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker {self.name} died at `{what}`; read {self.name}.log")
        answer = json.loads(line)
        self.ran.append(Ran(what.partition(" ")[0], began, time.time(), answer["cpu"], answer.get("failed", "")))

    def look(self) -> Look | None:
        """What it holds now; None where it is gone."""
        with suppress(psutil.Error):
            family = [self.process, *self.process.children(recursive=True)]
            return Look(time.time(), self.name, sum(one.memory_info().rss for one in family) / 1e6)
        return None


@contextmanager
def working(folder: Path, config: Path, scorers: int) -> Iterator[dict[str, Worker]]:
    """The processes by name, ended at the end."""
    names = ["ingest", "link", *(f"score {n}" for n in range(scorers)), "publish"]
    workers = {name: Worker(name, folder, config) for name in names}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.process.stdin.close()
        for worker in workers.values():
            try:
                worker.process.wait(30)
            except psutil.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.process.stdout.close()


@dataclass
class Lane:
    """One cycle, run again and again, and no oftener than every `pause` seconds; `error` is what ended it too early."""

    name: str
    cycle: Callable[[], None]
    pause: float
    error: Exception | None = None

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        try:
            while not stop.is_set():
                began = time.monotonic()
                self.cycle()
                stop.wait(max(0.0, self.pause - (time.monotonic() - began)))
        except Exception as error:  # noqa: BLE001 - told by who reads `error`; a lane must not end unseen
            self.error = error
            stop.set()


def lanes(workers: dict[str, Worker], pause: float) -> list[Lane]:
    """Ingest; link and fold; the parts of `score` and the run that closes them, as the DAG does; the rest."""
    scorers = [worker for name, worker in workers.items() if name.startswith("score")]
    pool = ThreadPoolExecutor(len(scorers))

    def one_by_one(name: str, *stages: str) -> Callable[[], None]:
        def cycle() -> None:
            for stage in stages:
                workers[name].ask(stage)

        return cycle

    def score() -> None:
        if len(scorers) > 1:
            parts = [f"score {number + 1}/{len(scorers)}" for number in range(len(scorers))]
            list(pool.map(lambda worker, part: worker.ask(part), scorers, parts))
        scorers[0].ask("score")

    return [
        Lane("ingest", one_by_one("ingest", "ingest"), pause),
        Lane("link", one_by_one("link", "link", "fold"), pause),
        Lane("score", score, pause),
        Lane("publish", one_by_one("publish", "aggregate", "detect", "notify", "publish"), pause),
    ]


@contextmanager
def watching(
    workers: dict[str, Worker], store: Callable[[], float], every: float
) -> Iterator[tuple[list[Look], list[tuple[float, float]]]]:
    """Fill in, while it lasts, what each process holds, and (at, MB) of the store."""
    looks: list[Look] = []
    sizes: list[tuple[float, float]] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(every):
            looks.extend(filter(None, (worker.look() for worker in workers.values())))
            sizes.append((time.time(), store()))

    thread = threading.Thread(target=look, name="look")
    thread.start()
    try:
        yield looks, sizes
    finally:
        stop.set()
        thread.join()


def drain(everything: Sequence[Lane]) -> None:
    """Each lane once more, in order: what appeared last goes all the way."""
    for lane in everything:
        lane.cycle()
