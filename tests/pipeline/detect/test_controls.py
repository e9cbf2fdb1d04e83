"""Negative controls through the real stage: what looks like trouble in the counts and is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline import aggregate, detect
from pipeline.context import Context
from tests.pipeline.detect.world import NOON, ordinary, stories
from tests.pipeline.seeds import MODEL, Piece, activate_model, put

# Loose: at these limits half an entity-day of the test world's 48 hours would be a false alarm once in twenty runs.
RULES = """
[[rule]]
name = "share-day"
kind = "negative_share"
scope = "entity"
grain = "day"
p_limit = 0.001
min_stories = 5
min_negative = 4

[[rule]]
name = "share-hour"
kind = "negative_share"
scope = "entity"
grain = "hour"
p_limit = 0.001
min_stories = 4
min_negative = 3
"""
MIDNIGHT = NOON.replace(hour=0)
HOUR = timedelta(hours=1)


def drawn(start: datetime, hours: int, per_hour: float, share: float, name: str, seed: int = 5) -> list[Piece]:
    return stories(np.random.default_rng(seed), start, hours, per_hour, share, "co:a", name)


def surge() -> list[Piece]:
    """Ten times the volume for twelve hours."""
    return [*ordinary(), *drawn(MIDNIGHT, 12, 15.0, 0.2, "surge")]


def outage() -> list[Piece]:
    """Nothing for a day and a half, then all of it within the last hour, at the time we saw it."""
    late = drawn(MIDNIGHT - 24 * HOUR, 34, 1.5, 0.2, "late")
    seen = [replace(piece, imported=False, known_at=NOON, precision="day") for piece in late]
    return [*(piece for piece in ordinary() if piece.known_at < MIDNIGHT - 24 * HOUR), *seen]


def syndication() -> list[Piece]:
    """One bad story in sixty papers beside an ordinary morning."""
    first = Piece("storm-0", NOON - 3 * HOUR, NOON - 3 * HOUR, imported=True, p_negative=0.9, p_positive=0.05,
                  publisher="Paper 0", story_id="storm", entities={"co:a": (0.9, 0.9, 0.05)})  # fmt: skip
    copies = [
        replace(first, article_id=f"storm-{n}", publisher=f"Reprint {n}", published_at=NOON - 3 * HOUR + n * HOUR / 30)
        for n in range(1, 61)
    ]
    return [*ordinary(), *drawn(MIDNIGHT, 12, 1.5, 0.2, "today", seed=7), first, *copies]


def by_the_clock(days: int, shift: int, start: datetime, name: str) -> list[Piece]:
    """Nearly all news from 8 to 18 o'clock, and twice the share of negatives in its first two hours."""
    made = []
    for hour in range(days * 24):
        local = (start.hour + hour + shift) % 24
        busy, share = (4.0, 0.4 if local < 10 else 0.2) if 8 <= local < 18 else (0.2, 0.2)
        made += drawn(start + hour * HOUR, 1, busy, share, f"{name}-{hour}", seed=hour)
    return made


def clock_change() -> list[Piece]:
    """Since yesterday everything comes an hour earlier."""
    before = by_the_clock(69, 0, MIDNIGHT - 70 * 24 * HOUR, "before")
    after = by_the_clock(2, 1, MIDNIGHT - 24 * HOUR, "after")
    return [*before, *(piece for piece in after if piece.known_at < NOON)]


def holiday() -> list[Piece]:
    """A week with a fifth of the news."""
    before = [piece for piece in ordinary() if piece.known_at < MIDNIGHT - 7 * 24 * HOUR]
    return [*before, *drawn(MIDNIGHT - 7 * 24 * HOUR, 7 * 24 + 12, 0.3, 0.2, "holiday")]


def publisher() -> list[Piece]:
    """A new paper that brings as much as all others together, a little gloomier than they are."""
    new = drawn(MIDNIGHT - 24 * HOUR, 36, 1.5, 0.25, "new", seed=6)
    return [
        *ordinary(),
        *drawn(MIDNIGHT, 12, 1.5, 0.2, "today"),
        *(replace(piece, publisher="The Newcomer") for piece in new),
    ]


@pytest.fixture
def ready(context: Context) -> Context:
    context.settings.detect.rules.write_text(RULES)
    activate_model(context.warehouse)
    return context


def incidents(context: Context) -> list[tuple[Any, ...]]:
    with context.warehouse.read() as con:
        return con.execute("SELECT rule, key, state, summary FROM incidents ORDER BY ALL").fetchall()


@pytest.mark.parametrize("world", [surge, outage, syndication, clock_change, holiday, publisher])
def test_no_alarm(ready: Context, world: Callable[[], list[Piece]]) -> None:
    put(ready.warehouse, world())
    aggregate.run(ready)
    report = detect.run(ready)
    assert report.counts["judged"] >= 2, "hours and days of the series are judged"
    assert incidents(ready) == []


def test_the_controls_would_alarm_if_the_news_were_bad(ready: Context) -> None:
    bad = drawn(MIDNIGHT, 12, 3.0, 0.7, "bad")
    put(ready.warehouse, [*ordinary(), *bad])
    aggregate.run(ready)
    detect.run(ready)
    assert {row[:2] for row in incidents(ready)} == {("share-day", "co:a"), ("share-hour", "co:a")}


def test_a_switch_of_the_model_alarms_nobody_and_says_that_it_warms_up(ready: Context) -> None:
    """The new model reads everything blacker; its past is only what it has scored itself."""
    put(ready.warehouse, ordinary())
    gloomy = drawn(MIDNIGHT, 12, 3.0, 0.7, "gloomy")
    put(ready.warehouse, gloomy, model="words@2")
    activate_model(ready.warehouse, "words@2")
    assert MODEL != "words@2"
    aggregate.run(ready)
    report = detect.run(ready)
    assert incidents(ready) == []
    assert any(note.startswith("warming up") for note in report.notes), (report.notes, report.counts)
