"""The lives of a backtest are those that passes of `detect` every five minutes would have given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.backtest.play import Seen, play
from pipeline.detect.findings import Finding
from pipeline.detect.lives import decide
from pipeline.detect.rules import Rule, Rules, parse
from pipeline.incidents import Action, Detection, Incident, Severity

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rules(more: str = "") -> Rules:
    return parse(f'[[rule]]\nname = "r"\nkind = "negative_share"\nkeep_firing_for = "3h"\n{more}')


def hour(rule: Rule, n: int, size: int = 5) -> Finding:
    """A finding of the hour `n`."""
    start = START + n * HOUR
    detection = Detection(
        rule.name, rule.kind.value, "market", "all", "Market", Severity.WARNING, "told", start, start + HOUR, "m", size
    )
    return Finding(rule, detection, start, start + HOUR)


def played(more: str, hours: list[int], end: int = 200) -> list[tuple[float, float | None, int]]:
    known = rules(more)
    seen = [Seen(hour(known.rules[0], n), START + (n + 1) * HOUR) for n in hours]
    lives = play(seen, known, START + end * HOUR)
    return [
        ((one.fired_at - START) / HOUR, one.incident.resolved_at and (one.incident.resolved_at - START) / HOUR,
         one.reopened)
        for one in lives
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "hours", "lives"),
    [
        ("", [5], [(6, 9, 0)]),
        ("", [5, 6, 8], [(6, 12, 0)]),
        ("", [5, 20], [(6, 9, 0), (21, 24, 0)]),
        ('cooldown = "13h"\n', [5, 20], [(6, 24, 1)]),
        ('for = "2h"\n', [5], [(8, 9, 0)]),
        ('for = "5h"\n', [5], []),
        ('for = "5h"\n', [5, 7, 9], [(11, 13, 0)]),
        ("", [], []),
    ],
)
def test_a_life_begins_and_ends_when_it_would_have(
    more: str, hours: list[int], lives: list[tuple[float, float | None, int]]
) -> None:
    assert played(more, hours) == lives


def test_what_is_open_at_the_end_stays_open_and_what_comes_later_is_left_out() -> None:
    assert played("", [5, 6, 50], end=8) == [(6, None, 0)]


def test_a_silence_fires_once_and_resolves_when_it_ends() -> None:
    known = parse('[[rule]]\nname = "h"\nkind = "health"\nwhat = "late_feed"\n')
    detection = Detection(
        "h", "health", "feed", "f", "F", Severity.WARNING, "silent", START, START, subjects=frozenset({"s"})
    )
    silence = Seen(Finding(known.rules[0], detection, START, START), START + 4 * HOUR, START + 9 * HOUR)
    life = play([silence], known, START + 50 * HOUR)[0]
    assert (life.fired_at, life.incident.resolved_at) == (START + 4 * HOUR, START + 9 * HOUR)


def passes(known: Rules, hours: dict[int, int], end: int) -> list[Incident]:
    """`detect` as it runs: a pass every half hour, which finds again whatever lies inside its horizon."""
    incidents: dict[str, Incident] = {}
    fired = set()
    for half in range(2 * end + 1):
        now = START + half * HOUR / 2
        found = [
            hour(known.rules[0], n, size)
            for n, size in hours.items()
            if now - 48 * HOUR < START + (n + 1) * HOUR <= now
        ]
        current = {"r|market|all": list(incidents.values())} if incidents else {}
        for move in decide(found, current, known, now):
            incidents[move.incident.incident_id] = move.incident
            fired |= {event.incident_id for event in move.events if event.action is Action.FIRE}
    return sorted((one for one in incidents.values() if one.incident_id in fired), key=lambda one: one.opened_at)


@settings(max_examples=60, deadline=None)
@given(
    hours=st.dictionaries(st.integers(0, 60), st.integers(3, 30), max_size=12),
    wait=st.sampled_from(["", 'for = "1h"\n', 'for = "4h"\n']),
    cooldown=st.sampled_from(["", 'cooldown = "6h"\n']),
)
def test_any_series_lives_as_under_passes(hours: dict[int, int], wait: str, cooldown: str) -> None:
    known = rules(wait + cooldown)
    seen = [Seen(hour(known.rules[0], n, size), START + (n + 1) * HOUR) for n, size in hours.items()]
    ours = [life.incident for life in play(seen, known, START + 120 * HOUR)]
    for one, other in zip(ours, passes(known, hours, 120), strict=True):
        for name in ("incident_id", "fired_at", "resolved_at", "severity", "size", "opened_at"):
            assert getattr(one, name) == getattr(other, name), name
