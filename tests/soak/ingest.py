"""The soak: 300 feeds that misbehave, two `barograph ingest` at once on one store, one killed every minute.

`python -m tests.soak.ingest --minutes 2 --seed 1` prints the result as Markdown and ends with 1 where it does not hold.
Beside the two, which are a new process for each ingest, a third ingests in one process that goes on, for its memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pipeline.ingest.catalogue import CatalogueFeed, to_opml
from tests.soak.result import Result, Sample, counted
from tests.soak.server import Servers, serving

__all__ = ["soak"]

FEEDS = 300
# One second is twelve minutes: the longest back-off (six hours, and a fifth) is over after 36 seconds.
SPEED = 720
_BAROGRAPH = Path(sys.executable).with_name("barograph")
_CLOCK = Path(__file__).with_name("clock")
_LOOK_S = 0.25
# The longest back-off is just under this; under a day, so that no feed is asked without its validators for its age.
_LEAP_HOURS = 8
_MOST_LEAPS = 12


@dataclass
class _Slot:
    """One of the ingests that always run. Its output and its log have a file for each process."""

    name: str
    folder: Path
    command: list[str]
    clock: dict[str, str]
    mortal: bool = True
    process: psutil.Popen | None = None
    children: dict[int, psutil.Process] = field(default_factory=dict)
    started: int = 0
    failed: int = 0

    def tend(self, *, stop: bool) -> bool:
        """Start it again when it is over; whether it runs."""
        if self.process is not None:
            if (status := self.process.poll()) is None:
                return True
            self.failed += status not in (0, -signal.SIGKILL)
            self.process = None
        if stop:
            return False
        self.started += 1
        stem = self.folder / f"{self.name} {self.started:04}"
        with stem.with_suffix(".json").open("wb") as answer, stem.with_suffix(".log").open("wb") as log:
            self.process = psutil.Popen(self.command, stdout=answer, stderr=log, env=self.clock)
        return True

    def look(self, at: float) -> Sample | None:
        """What it holds now."""
        with suppress(psutil.Error):
            if self.process is not None:
                below = self.process.children(recursive=True)
                self.children |= {child.pid: child for child in below}
                parsers = max((child.memory_info().rss for child in below), default=0)
                return Sample(at, self.name, self.process.memory_info().rss / 1e6, parsers / 1e6)
        return None


def soak(minutes: float, seed: int, folder: Path, feeds: int = FEEDS) -> Result:
    """The whole of it, in `folder`; needs the minutes and about one more."""
    origin, seconds = time.time(), minutes * 60
    with serving(seed, feeds, seconds, origin) as servers:
        config = _prepared(folder, servers)
        command = [str(_BAROGRAPH), "--verbose", "ingest", "--config", str(config), "--json"]
        stop = folder / "stop"
        steady = [sys.executable, "-m", "tests.soak.worker", "--config", str(config), "--until", str(stop)]
        slots = [
            _Slot("first", folder, command, _clock(origin)),
            _Slot("second", folder, command, _clock(origin)),
            _Slot("going on", folder, steady, _clock(origin), mortal=False),
        ]
        samples, kills = _storm(slots, random.Random(seed), origin, seconds, stop)
        misbehaved = servers.served()
        servers.behave()
        # What is slow now is this machine, and is waited for.
        _set(config, timeout_s=60, concurrency=16)
        leaps = _until_quiet(command, origin, folder)
        served = servers.served()
    children = [child for slot in slots for child in slot.children.values()]
    # Only those that still are: the number of one that is gone may be another's by now, and cannot be waited for.
    alive = [child for child in children if child.is_running()]
    orphans = [child for child in psutil.wait_procs(alive, timeout=30)[1] if child.is_running()]
    return counted(
        folder,
        config,
        minutes=minutes, seed=seed, misbehaved=misbehaved, served=served, samples=samples, kills=kills, leaps=leaps,
        started=sum(slot.started for slot in slots), failed=sum(slot.failed for slot in slots), orphans=len(orphans),
    )  # fmt: skip


def _prepared(folder: Path, servers: Servers) -> Path:
    listed = [
        CatalogueFeed(url, f"Feed {i}", f"Press {i % 30}", f"House {i % 30}") for i, url in enumerate(servers.urls)
    ]
    (folder / "feeds.opml").write_text(to_opml(listed), encoding="utf-8")
    return _set(folder / "barograph.toml", timeout_s=2, concurrency=64)


def _set(config: Path, *, timeout_s: int, concurrency: int) -> Path:
    """Write the settings that every ingest reads anew."""
    limits = f"timeout_s = {timeout_s}\nconcurrency = {concurrency}"
    config.write_text(f'[ingest]\nallow_hosts = ["127.0.0.1"]\nmax_body_mb = 1\n{limits}\n', encoding="utf-8")
    return config


def _clock(origin: float, hours: float = 0.0) -> dict[str, str]:
    """The environment of a process whose clock runs fast, and so many hours later; without settings of its own."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("BAROGRAPH_")}
    places = [str(_CLOCK), str(_CLOCK.parents[2]), ours.get("PYTHONPATH", "")]
    return ours | {"PYTHONPATH": os.pathsep.join(filter(None, places)), "SOAK_CLOCK": f"{origin} {SPEED} {hours}"}


def _storm(
    slots: list[_Slot], chance: random.Random, origin: float, seconds: float, stop: Path
) -> tuple[list[Sample], int]:
    """Both run until the time is over; in every minute one of them is killed at a moment drawn from the seed."""
    samples: list[Sample] = []
    due = [60 * minute + chance.uniform(10, 60) for minute in range(int(seconds // 60))]
    kills = 0
    while True:
        elapsed = time.time() - origin
        over = elapsed >= seconds
        if over:
            stop.touch()
        running = [slot for slot in slots if slot.tend(stop=over)]
        if not running:
            return samples, kills
        samples += filter(None, (slot.look(elapsed) for slot in running))
        mortals = [slot for slot in running if slot.mortal]
        if due and mortals and elapsed >= due[0] and (victim := chance.choice(mortals)).process is not None:
            due.pop(0)
            kills += 1
            victim.process.kill()
            victim.process.wait()
        time.sleep(_LOOK_S)


def _until_quiet(command: list[str], origin: float, folder: Path) -> int:
    """Ingest, each time eight hours later, until nothing is new, failing or waiting; answers how often."""
    for leap in range(1, _MOST_LEAPS + 1):
        with (folder / f"after {leap:04}.log").open("wb") as log:
            clock = _clock(origin, leap * _LEAP_HOURS)
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, check=True, text=True, env=clock)
        ((report,),) = (json.loads(done.stdout),)
        if not any(report["counts"].get(name) for name in ("new_articles", "new_revisions", "failed", "waiting")):
            return leap
    return _MOST_LEAPS


def main() -> int:
    """Run it; 0 where everything holds."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--feeds", type=int, default=FEEDS)
    arguments.add_argument("--keep", type=Path, help="an empty folder for the store and the log, which then stay")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = given.keep or Path(folder)
        kept.mkdir(parents=True, exist_ok=True)
        result = soak(given.minutes, given.seed, kept, given.feeds)
    sys.stdout.write(result.markdown())
    return 1 if result.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
