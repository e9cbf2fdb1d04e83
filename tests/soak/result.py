"""What came of the soak: the store held against what the servers sent, and the small table that says so."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pipeline.context import open_context
from tests.soak.feeds import Fault
from tests.soak.server import Served
from tests.soak.story import Story, lines_of, story_of

__all__ = ["Result", "Sample", "counted"]

GROWTH = 1.3


@dataclass(frozen=True)
class Sample:
    """Resident memory (MB) of one ingest after so many seconds: its own, and that of its largest parser."""

    at: float
    who: str
    own: float
    parser: float


@dataclass(frozen=True)
class Result:
    """All that is told. `stored` counts the rows of each (feed, entry), revisions included."""

    minutes: float
    seed: int
    misbehaved: Served
    served: Served
    samples: list[Sample]
    kills: int
    leaps: int
    started: int
    failed: int
    orphans: int
    story: Story
    stored: Counter[tuple[int, int]]
    strange: list[str]
    outcomes: list[tuple[str, int]]
    waiting: int
    rejected: int

    @property
    def missing(self) -> set[tuple[int, int]]:
        """Served and not stored."""
        return self.served.entries - set(self.stored)

    @property
    def twice(self) -> dict[tuple[int, int], int]:
        """Stored in more than one row."""
        return {entry: n for entry, n in self.stored.items() if n > 1}

    def memory(self, who: str, part: str) -> tuple[float, float]:
        """The most of the first third and of the last third of the minutes, in MB."""
        third = self.minutes * 60 / 3
        first = [getattr(s, part) for s in self.samples if s.who == who and s.at < third]
        last = [getattr(s, part) for s in self.samples if s.who == who and s.at >= 2 * third]
        return max(first, default=0.0), max(last, default=0.0)

    def _memories(self) -> dict[str, tuple[float, float]]:
        whos = sorted({sample.who for sample in self.samples})
        return {f"{who}, {part}": self.memory(who, part) for who in whos for part in ("own", "parser")}

    def problems(self) -> list[str]:
        """What does not hold, for people; empty where all does."""
        found = {
            f"{len(self.missing)} entries are missing, such as {sorted(self.missing)[:3]}": self.missing,
            f"{len(self.twice)} entries are there more than once, such as {sorted(self.twice)[:3]}": self.twice,
            f"{len(self.strange)} titles were never served, such as {self.strange[:3]}": self.strange,
            f"{self.waiting} files are left in the spool": self.waiting,
            f"{self.rejected} files of the spool were damaged": self.rejected,
            f"{self.failed} ingests failed": self.failed,
            f"{self.orphans} processes outlive their ingest": self.orphans,
            "nobody was killed": self.minutes >= 1 and not self.kills,
            **self.story.problems(),
        }
        grown = [
            f"memory grew from {first:.0f} to {last:.0f} MB ({name})"
            for name, (first, last) in self._memories().items()
            # A parser lives for one ingest.
            if last > GROWTH * first and not name.endswith("parser")
        ]
        return [says for says, wrong in found.items() if wrong] + grown

    def markdown(self) -> str:
        """The result as a section of a page."""
        asked = self.misbehaved.requests
        lines = [
            f"`make soak MINUTES={self.minutes:g} SEED={self.seed}`", "",
            "| | |", "|---|---|",
            f"| requests while the feeds misbehaved | {asked.total():,} |",
            f"| of them answered with a fault | {asked.total() - asked[Fault.NONE]:,} |",
            f"| answered 304 | {self.misbehaved.not_modified:,} |",
            f"| ingest processes started, killed, failed | {self.started}, {self.kills}, {self.failed} |",
            f"| ingests that began, did not get to their end, and after the faults | {self.story.ingests},"
            f" {len(self.story.died)}, {self.leaps} |",
            f"| entries served whole | {len(self.served.entries):,} |",
            f"| of them stored exactly once | {len(self.served.entries & set(self.stored)) - len(self.twice):,} |",
            f"| stored but never served | {len(self.strange)} |",
            f"| left in the spool, damaged | {self.waiting}, {self.rejected} |",
            f"| parsing processes left behind | {self.orphans} |",
            f"| lines of log, and the most of one ingest beside changes of feeds | {self.story.lines:,},"
            f" {self.story.most_lines} |",
            f"| changes of feeds (a longer wait, well again), and told | {self.story.happened:,},"
            f" {self.story.changes:,} |",
        ]  # fmt: skip
        lines += [
            f"| most memory ({name}), first and last third | {first:.0f} MB, {last:.0f} MB |"
            for name, (first, last) in self._memories().items()
        ]
        lines += ["", "| fault | requests |", "|---|---|"]
        lines += [f"| {fault} | {asked[fault]:,} |" for fault in Fault if fault is not Fault.NONE]
        lines += ["", "| outcome of a fetch | times |", "|---|---|"]
        lines += [f"| {outcome} | {n:,} |" for outcome, n in self.outcomes]
        lines += ["", *(f"**Does not hold:** {says}." for says in self.problems() or ())]
        return "\n".join(lines).rstrip() + "\n"


def counted(
    folder: Path,
    config: Path,
    *,
    minutes: float,
    seed: int,
    misbehaved: Served,
    served: Served,
    samples: list[Sample],
    kills: int,
    leaps: int,
    started: int,
    failed: int,
    orphans: int,
) -> Result:
    """The store, the spool and the counts in `folder` taken together."""
    context = open_context(config, environment=False)
    with context.warehouse.read() as con:
        titles = con.execute("SELECT articles.title, feeds.title FROM articles JOIN feeds USING (feed_id)").fetchall()
        outcomes = con.execute("SELECT outcome, count(*) FROM fetches GROUP BY ALL ORDER BY 2 DESC").fetchall()
        # One transaction takes attempts in by when they were made.
        attempts = dict(
            con.execute(
                "SELECT feeds.title, list(outcome ORDER BY fetches.recorded_at, fetched_at, fetch_id)"
                " FROM fetches JOIN feeds USING (feed_id) GROUP BY ALL"
            ).fetchall()
        )
    stored: Counter[tuple[int, int]] = Counter()
    strange = []
    for title, feed in titles:
        match = re.fullmatch(r"Feed (\d+) entry (\d+): [\w ]+ & Co [\w ]+", title)
        if match and feed == f"Feed {match[1]}" and (int(match[1]), int(match[2])) in served.entries:
            stored[int(match[1]), int(match[2])] += 1
        else:
            strange.append(title)
    raw = context.settings.store.raw
    logs = [lines_of(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.log"))]
    return Result(
        minutes, seed, misbehaved, served, samples, kills, leaps, started, failed, orphans,
        story_of(logs, attempts), stored, strange,
        outcomes, len(list((raw / "spool").glob("*.fetch"))), len(list((raw / "rejected").glob("*"))),
    )  # fmt: skip
