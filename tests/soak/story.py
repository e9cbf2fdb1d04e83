"""The logs of the soak, judged: do they read like a story? Pure, over the lines and what the store says happened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.ingest.outcomes import SUCCESSES, Outcome

__all__ = ["Line", "Story", "lines_of", "story_of"]

# What an ingest says from when it begins until it is over, beside the changes of its feeds: what waits, what failed.
_PER_INGEST = 15
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}Z) (?P<level>DEBUG|INFO|WARNING|ERROR) +[\w.]+:"
    r" (\[(?P<run>\w+)\] )?(?P<text>.+)"
)
# Python itself, of a process that was killed: what it left, and the worker that was just being started for it, which
# may still be saying so when the log is read.
_PYTHONS = re.compile(
    r"^.*resource_tracker.*leaked semaphore.*\n  warnings\.warn\(.*\n"
    r"|^Traceback \(most recent call last\):\n"
    r"(?:  File \".*/multiprocessing/\w+\.py\", line \d+, in \w+\n(?:    .*\n)*)+"
    r"(?:(?:EOFError|FileNotFoundError|BrokenPipeError|ConnectionResetError)\b.*\n|(?:  .*)?\Z)",
    re.MULTILINE,
)
_BEGINS = re.compile(r"ingest (\w+) begins \(process \d+\)")
_DIED = re.compile(r"ingest (\w+), begun at .+, did not get to its end; .+")
_OVER = re.compile(r"ingest (\w+) is over")
_WAITS = re.compile(r"(Feed \d+): asked again at [\d :-]+ UTC, after (\d+) failures?: .+")
_WELL = re.compile(r"(Feed \d+): well again, after \d+ failures?")


@dataclass(frozen=True)
class Line:
    """A line of a log of the process `who`; without a time where it is none that we write."""

    who: str
    time: str
    level: str
    text: str


@dataclass(frozen=True)
class Story:
    """What the logs tell: `died` are the ingests that began and did not end, `told_of` those of which it is said."""

    lines: int
    ingests: int
    unreadable: list[str]
    died: set[str]
    told_of: Counter[str]
    most_lines: int
    repeated: list[str]
    changes: int
    happened: int

    def problems(self) -> dict[str, object]:
        """What does not hold, with what shows it."""
        untold = sorted(self.died - set(self.told_of))
        twice = sorted(name for name, n in self.told_of.items() if n > 1 or name not in self.died)
        return {
            f"{len(self.unreadable)} lines of the logs have no time, level and message: {self.unreadable[:2]}": (
                self.unreadable
            ),
            f"of ingests that were killed nothing is said: {untold[:3]}": untold,
            f"of ingests more than once, or wrongly, that they died: {twice[:3]}": twice,
            f"{self.most_lines} lines of one ingest beside the changes of feeds": self.most_lines > _PER_INGEST,
            f"changes of a feed are told again and again: {self.repeated[:3]}": self.repeated,
            f"of {self.happened} changes only {self.changes} are told": self.changes < 0.8 * self.happened,
        }


def lines_of(who: str, text: str) -> list[Line]:
    """The lines of one log, without what Python itself says of a process that was killed."""
    found = []
    for line in _PYTHONS.sub("", text).splitlines():
        match = _LINE.fullmatch(line)
        found.append(Line(who, match["time"], match["level"], match["text"]) if match else Line(who, "", "", line))
    return found


def story_of(logs: Iterable[Sequence[Line]], attempts: Mapping[str, Sequence[str]]) -> Story:
    """Judge the logs, one for each process; `attempts` are the outcomes of each feed, as the store took them in."""
    everything = [line for log in logs for line in log]
    died, most, ingests = [], 0, 0
    running: dict[str, tuple[str, int]] = {}
    waits, wells = Counter[tuple[str, int]](), Counter[str]()
    told_of: Counter[str] = Counter()
    for line in everything:
        if match := _BEGINS.fullmatch(line.text):
            if line.who in running:
                died.append(running[line.who][0])
            running[line.who] = (match[1], 0)
            ingests += 1
        elif match := _WAITS.fullmatch(line.text):
            waits[match[1], int(match[2])] += 1
        elif match := _WELL.fullmatch(line.text):
            wells[match[1]] += 1
        elif match := _DIED.fullmatch(line.text):
            told_of[match[1]] += 1
        elif _OVER.fullmatch(line.text):
            running.pop(line.who, None)
        if line.who in running:
            name, n = running[line.who]
            change = _WAITS.fullmatch(line.text) or _WELL.fullmatch(line.text)
            running[line.who] = (name, n + (not change))
            most = max(most, n)
    died += [name for name, _ in running.values()]
    happened_waits, happened_wells = _happened(attempts)
    repeated = [f"{feed}: {n}" for (feed, n), times in waits.items() if times > happened_waits[feed, n]]
    repeated += [f"{feed}: well" for feed, times in wells.items() if times > happened_wells[feed]]
    return Story(
        lines=len(everything),
        ingests=ingests,
        unreadable=[line.text for line in everything if not line.time],
        died=set(died),
        told_of=told_of,
        most_lines=most,
        repeated=repeated,
        changes=waits.total() + wells.total(),
        happened=happened_waits.total() + happened_wells.total(),
    )


# From the ninth failure on the wait does not grow any more.
_GROWS = 8


def _happened(attempts: Mapping[str, Sequence[str]]) -> tuple[Counter[tuple[str, int]], Counter[str]]:
    """How often each feed came to so many failures in a row, and how often it was well again."""
    waits, wells = Counter[tuple[str, int]](), Counter[str]()
    for feed, outcomes in attempts.items():
        failures = 0
        for outcome in outcomes:
            if outcome in SUCCESSES:
                wells[feed] += failures > 0
                failures = 0
            elif outcome != Outcome.HUSHED:
                failures += 1
                waits[feed, failures] += failures <= _GROWS
    return waits, wells
