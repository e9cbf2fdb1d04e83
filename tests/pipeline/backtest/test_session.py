"""A backtest of a real store: what it finds and when, and that nothing of the future is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pipeline.backtest.result import Episode
from pipeline.backtest.session import opened
from pipeline.context import Context
from pipeline.detect.rules import parse
from pipeline.errors import InputError
from pipeline.watchlists import WatchLists
from tests.conftest import MovableClock
from tests.pipeline.backtest.world import BAD, END, LISTS, RULES, START, bankruptcy, fill, played
from tests.pipeline.detect.world import NOON
from tests.pipeline.seeds import Piece, put

HOUR = timedelta(hours=1)


@pytest.fixture
def filled(context: Context, clock: MovableClock) -> Context:
    clock.now = NOON
    fill(context)
    return context


def test_the_bad_day_and_the_bankruptcy_are_found_when_they_were_known(filled: Context) -> None:
    result = played(filled)
    share, event = result.alerts
    assert (share.rule, share.key, share.began) == ("share", "co:a", BAD)
    assert share.fired_at == BAD + 25 * HOUR
    assert share.resolved_at == BAD + 48 * HOUR
    assert sum(a["negative"] for a in share.articles) == share.numbers["negative_stories"]
    assert len(share.articles) == share.numbers["news_volume"]
    assert (event.rule, event.key) == ("bad-news", "co:small")
    assert event.fired_at == BAD + timedelta(days=5, hours=9, minutes=1)
    assert "a single source" in event.summary
    assert len(event.articles) == 1, "the second paper came later"
    assert event.escalations == 1
    assert [(row.rule, row.alerts, row.series) for row in result.of_rules] == [("share", 1, 1), ("bad-news", 1, 2)]
    assert result.of_rules[0].per_week == pytest.approx(7 / 30)
    assert result.simulated


def test_nothing_of_the_future_is_in_it(filled: Context) -> None:
    """A backtest that ends earlier says the same of its span as one that goes on."""
    whole = played(filled)
    for end in (BAD + timedelta(days=2), BAD + timedelta(days=6)):
        short = played(filled, end=end)
        before = [alert for alert in whole.alerts if alert.fired_at <= end]
        assert [(a.alert_id, a.numbers, a.articles) for a in short.alerts] == [
            (a.alert_id, a.numbers, a.articles) for a in before
        ]


def test_what_was_known_days_later_moves_no_decision(filled: Context) -> None:
    before = played(filled)
    late = [
        Piece(
            f"late-{n}", BAD + n * HOUR / 2, BAD + timedelta(days=3), imported=True, p_negative=0.05,
            entities={"co:a": (0.9, 0.05, 0.5)},
        )
        for n in range(40)
    ]  # fmt: skip
    put(filled.warehouse, late)
    after = played(filled)
    assert after.alerts[0].numbers == before.alerts[0].numbers
    assert after.alerts[0].articles == before.alerts[0].articles
    assert (before.late, after.late) == (0, 40)
    assert any("40 of" in note for note in after.notes)


def test_a_budget_is_set_from_what_came_before_each_week(filled: Context) -> None:
    budgeted = RULES.replace("p_limit = 0.0005", 'budget = "1 a month"')
    row = played(filled, budgeted).of_rules[0]
    assert row.budget == "1 a month"
    assert row.p_limits is not None
    assert 0 < row.p_limits[0] <= row.p_limits[1] <= 0.01
    assert row.alerts >= 1


def test_episodes_are_hit_with_their_delay_or_missed(filled: Context) -> None:
    told = (
        Episode("the bad day", BAD, BAD + timedelta(days=2), "entity", "co:a"),
        Episode("a quiet one", START, START + timedelta(days=2)),
    )
    hits = {(hit.episode, hit.rule): hit.delay_hours for hit in played(filled, episodes=told).hits}
    assert hits == {
        ("the bad day", "share"): 25,
        ("the bad day", "bad-news"): None,
        ("a quiet one", "share"): None,
        ("a quiet one", "bad-news"): None,
    }


def test_a_volume_rule_and_one_by_the_hour_are_played_too(filled: Context) -> None:
    surge = [
        Piece(f"s{n}", BAD + timedelta(days=8, minutes=10 * n), BAD + timedelta(days=8, minutes=10 * n + 1),
              imported=True, entities={"co:a": (0.9, 0.1, 0.2)})
        for n in range(140)
    ]  # fmt: skip
    put(filled.warehouse, surge)
    text = (
        '[[rule]]\nname = "busy"\nkind = "volume"\nscope = "entity"\ngrain = "day"\np_limit = 0.0001\n'
        '[[rule]]\nname = "hourly"\nkind = "negative_share"\nscope = "entity"\np_limit = 0.00001\n'
    )
    result = played(filled, text)
    busy = [(a.began, a.severity, a.numbers["story_count"]) for a in result.alerts if a.rule == "busy"]
    assert [began for began, *_ in busy] == [BAD, BAD + timedelta(days=8)], "the bad day brought twice the news too"
    assert busy[1][2] > 140
    assert all(BAD <= a.fired_at <= BAD + timedelta(days=1) for a in result.alerts if a.rule == "hourly")


def test_the_store_keeps_what_came_out_once(filled: Context) -> None:
    rules = parse(RULES)
    for _ in range(2):
        session = opened(filled, [(rules, LISTS)], START, END)
        session.keep(session.run(rules, LISTS, evidence=False))
    with filled.warehouse.read() as con:
        rows = con.execute("SELECT result, from_at, to_at FROM backtests").fetchall()
        written = con.execute("SELECT count(*) FROM incidents").fetchone()
    assert len(rows) == 1
    assert rows[0][1:] == (START, END)
    assert json.loads(rows[0][0])["of_rules"][0]["alerts"] == 1
    assert written == (0,), "nothing is opened"


def test_other_names_under_the_same_lists_are_another_backtest(filled: Context) -> None:
    session = opened(filled, [(parse(RULES), LISTS)], START, END)
    other = WatchLists((replace(LISTS.lists[0], tier2=frozenset({"co:b"})),))
    ids = [session.keep(session.run(parse(RULES), lists, evidence=False)) for lists in (LISTS, other, LISTS)]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(("start", "end"), [(END, START), (END + timedelta(days=400), None)])
def test_a_span_without_news_says_what_there_is(filled: Context, start: object, end: object) -> None:
    with pytest.raises(InputError, match="the store holds 20"):
        played(filled, start=start, end=end)


def test_a_model_that_the_store_does_not_know_is_named(filled: Context) -> None:
    with pytest.raises(InputError, match="knows no model other@1"):
        opened(filled, [(parse(RULES), LISTS)], START, END, "other@1")


def test_one_more_owner_never_counts_before_it_told(filled: Context) -> None:
    twice = RULES.replace('themes = ["bankruptcy"]', 'themes = ["bankruptcy"]\nmin_corroboration = 2')
    put(filled.warehouse, [bankruptcy("b3", "Paper 1", 12)])
    (event,) = (alert for alert in played(filled, twice).alerts if alert.kind == "event")
    assert event.fired_at == BAD + timedelta(days=5, hours=15, minutes=1)
