"""What is wrong with a feed that was tried, and what to do about it: failing, empty, late, moved, duplicate. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pipeline.health import Lateness
from pipeline.ingest.addresses import same_house
from pipeline.ingest.links import canonical_link
from pipeline.ingest.outcomes import SUCCESSES, Outcome, masked

__all__ = ["Diagnosis", "Finding", "Problem", "Seen", "diagnose"]

# Feeds of one house share stories; two that share this much of all their entries are one feed.
_ALIKE, _FEWEST = 0.8, 3


class Problem(StrEnum):
    """What can be wrong with a feed, the gravest first."""

    FAILING = "failing"
    EMPTY = "empty"
    LATE = "late"
    DUPLICATE = "duplicate"
    MOVED = "moved"


@dataclass(frozen=True)
class Seen:
    """One feed as a check saw it. `entries`: what identifies each; `error` says what to do where it failed.

    `moved_to`: where permanent redirects lead; `body_sha256` is '' where no body came; `lateness` None where the feed's
    pace is not known.
    """

    url: str
    title: str
    outcome: Outcome
    error: str = ""
    warnings: str = ""
    entries: frozenset[str] = frozenset()
    newest: datetime | None = None
    final_url: str = ""
    moved_to: str | None = None
    body_sha256: str = ""
    lateness: Lateness | None = None


@dataclass(frozen=True)
class Finding:
    """One problem: what is so, and what to do."""

    problem: Problem
    says: str
    do: str


@dataclass(frozen=True)
class Diagnosis:
    """All that is wrong with one feed, the gravest first."""

    findings: tuple[Finding, ...] = ()

    @property
    def state(self) -> str:
        """The gravest problem, or `well`."""
        return str(self.findings[0].problem) if self.findings else "well"

    @property
    def says(self) -> str:
        """Everything in one text, '' where nothing is wrong."""
        return " ".join(" ".join(filter(None, (one.says, one.do))) for one in self.findings)


def diagnose(feeds: Sequence[Seen]) -> list[Diagnosis]:
    """One diagnosis per feed, in their order. Of several that are the same the first is the one to keep."""
    twins = _twins(feeds)
    order = list(Problem)
    return [
        Diagnosis(tuple(sorted(_findings(one, twins.get(n)), key=lambda found: order.index(found.problem))))
        for n, one in enumerate(feeds)
    ]


def _findings(feed: Seen, twin: tuple[Seen, str] | None) -> Iterator[Finding]:
    if feed.outcome not in SUCCESSES:
        # The sentence of the outcome holds both what is so and what to do.
        yield Finding(Problem.FAILING, feed.error, "")
    if feed.outcome is Outcome.EMPTY:
        do = f"If it stays so, `barograph feeds add` the publisher's page finds its current feed; {_removal(feed)}."
        yield Finding(Problem.EMPTY, "It is a feed but has no entries.", do)
    if feed.lateness and feed.lateness.late:
        yield _late(feed, feed.lateness)
    if feed.moved_to and canonical_link(feed.moved_to) != canonical_link(feed.url):
        yield _moved(feed, feed.moved_to)
    if twin:
        first, why = twin
        yield Finding(Problem.DUPLICATE, f"The same feed as “{first.title}” ({why}).", f"Keep one: {_removal(feed)}.")


def _late(feed: Seen, lateness: Lateness) -> Finding:
    hours = lateness.silent_hours
    silent = f"{hours:.0f} hours" if hours < 72 else f"{hours / 24:.0f} days"
    says = (
        f"It downloads well but has brought nothing new for {silent};"
        f" about {max(lateness.expected, 1):.0f} articles were to be expected (p = {lateness.p_value:.1g})."
        if feed.outcome in SUCCESSES
        else f"Nothing new for {silent}."
    )
    do = (
        "Look at the publisher's page: if it goes on there, `barograph feeds add` that page finds its current feed;"
        f" if it has ended, {_removal(feed)}."
    )
    return Finding(Problem.LATE, says, do)


def _moved(feed: Seen, moved_to: str) -> Finding:
    says = f"Its server sends us on to {masked(moved_to)} for good."
    if same_house(feed.url, moved_to):
        return Finding(Problem.MOVED, says, "Nothing must be done: `ingest` asks there once this has held for a day.")
    do = f"That is another host: if it is still theirs, `barograph feeds add` the new address and {_removal(feed)}."
    return Finding(Problem.MOVED, says, do)


def _removal(feed: Seen) -> str:
    # A masked address would not be found again.
    name = feed.url if masked(feed.url) == feed.url else f'"{feed.title}"'
    return f"`barograph feeds remove {name}`"


def _twins(feeds: Sequence[Seen]) -> dict[int, tuple[Seen, str]]:
    """For each feed that another one before it makes needless: that one, and why."""
    found: dict[int, tuple[Seen, str]] = {}
    listed: dict[str, int] = {}
    places: dict[str, int] = {}
    bodies: dict[str, int] = {}
    holders: dict[str, list[int]] = {}
    for n, feed in enumerate(feeds):
        at = canonical_link(feed.url)
        led = {at, *(canonical_link(url) for url in (feed.final_url, feed.moved_to) if url)}
        marks = [("the same address", listed, at)]
        marks += [("both lead to one address", places, place) for place in led if feed.outcome in SUCCESSES]
        marks += [("the same bytes", bodies, feed.body_sha256)] if feed.body_sha256 and feed.entries else []
        for why, seen, mark in marks:
            if (first := seen.setdefault(mark, n)) != n:
                found.setdefault(n, (feeds[first], why))
        if n not in found and (alike := _alike(feeds, feed, holders)):
            found[n] = alike
        if n not in found and len(feed.entries) >= _FEWEST:
            for entry in feed.entries:
                holders.setdefault(entry, []).append(n)
    return found


def _alike(feeds: Sequence[Seen], feed: Seen, holders: dict[str, list[int]]) -> tuple[Seen, str] | None:
    if len(feed.entries) < _FEWEST:
        return None
    common = Counter(other for entry in feed.entries for other in holders.get(entry, ()))
    for other, n in common.most_common(1):
        if n / len(feed.entries | feeds[other].entries) >= _ALIKE:
            return feeds[other], f"{n} of {len(feed.entries)} entries are the same"
    return None
