"""What a load stored, and what of it a person should read: in the report, and in the log what has changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.context import Report
from pipeline.ingest.identity import Reason
from pipeline.ingest.outcomes import SUCCESSES, Outcome
from pipeline.ingest.raw import Taken
from pipeline.ingest.schedule import LOCAL_FAULTS

__all__ = ["OURS_FROM", "Stored", "tell"]

MAX_NOTES = 20
# So many feeds that all fail to be reached are not to blame: our own network is.
OURS_FROM = 3


@dataclass
class Stored:
    """What was stored: how each attempt went, why for each entry, who has moved, and what the feeds are called.

    `changes`: which feeds wait longer now, or are well again. `waits`: by feed, until when it is not asked. `asleep`:
    how many feeds wait. `taken`: what the store has of the attempts, now or since another load.
    """

    fetches: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    asleep: int = 0

    def __add__(self, other: Stored) -> Stored:
        return Stored(
            self.fetches + other.fetches,
            self.reasons + other.reasons,
            self.moves + other.moves,
            self.changes + other.changes,
            self.titles | other.titles,
            self.waits | other.waits,
            self.taken | other.taken,
            other.asleep,
        )


def tell(report: Report, stored: Stored) -> None:
    """Count what was stored, and note who moved or failed and until when nobody asks there."""
    for row in stored.fetches:
        report.add("feeds")
        report.add("unchanged", row["outcome"] in (Outcome.UNCHANGED, Outcome.SAME_BODY))
        report.add("failed", row["outcome"] not in SUCCESSES)
        for name in ("entries", "new_articles", "new_revisions"):
            report.add(name, row[name])
    for reason in (Reason.REPEATED_IN_FEED, Reason.TOO_MANY_REVISIONS):
        if n := stored.reasons.count(reason):
            report.add(str(reason), n)
    report.notes += stored.moves
    if len(stored.fetches) >= OURS_FROM and all(row["outcome"] in LOCAL_FAULTS for row in stored.fetches):
        report.notes.append(
            f"none of {len(stored.fetches)} feeds could be reached: is this machine's network down?"
            " All are asked again at the next run; `barograph feeds list` says what each one met"
        )
        return
    told = [_note(row, stored) for row in stored.fetches if row["error"] or row["warning"]]
    report.notes += told[:MAX_NOTES]
    if len(told) > MAX_NOTES:
        report.notes.append(f"and {len(told) - MAX_NOTES} more; `barograph feeds list` shows them all")


def _note(row: dict[str, Any], stored: Stored) -> str:
    wait = stored.waits[row["feed_id"]] if row["error"] else ""
    again = f" {wait[0].upper()}{wait[1:]}." if wait else ""
    return f"{stored.titles[row['feed_id']]}: {row['error'] or row['warning']}{again}"
