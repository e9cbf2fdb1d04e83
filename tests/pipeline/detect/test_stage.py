"""detect as a whole: what fires, what must not, that it fires once, and what its evidence says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline import aggregate, detect
from pipeline.context import Context
from tests.conftest import MovableClock
from tests.pipeline.detect.world import NOON, ordinary, stories
from tests.pipeline.seeds import Piece, activate_model, insert, put
from tests.support.rows import rows

RULES = """
[[rule]]
name = "bad-news"
kind = "event"
watchlists = ["*"]
themes = ["bankruptcy"]
runbook_url = "https://wiki.example/bad-news"

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
p_limit = 0.00001
min_stories = 4
min_negative = 4

[[rule]]
name = "late"
kind = "health"
what = "late_feed"
p_limit = 0.001

[[severity]]
kind = "event"
tier = 1
severity = "critical"
"""


@pytest.fixture
def ready(context: Context) -> Context:
    context.settings.detect.rules.write_text(RULES)
    context.settings.detect.watchlists.write_text('[watchlists.core]\nowner = "desk"\ntier1 = ["co:small"]\n')
    activate_model(context.warehouse)
    names = [
        {"entity_id": e, "name": n, "kind": "company", "sector": "banks"}
        for e, n in (("co:a", "Acme"), ("co:small", "Small"))
    ]
    insert(context.warehouse, "catalogue", "entities", names, ["entity_id"])
    return context


def incidents(context: Context) -> list[tuple[Any, ...]]:
    return rows(context, "SELECT rule, key, state, severity, single_source FROM incidents ORDER BY ALL")


def events(context: Context) -> list[tuple[Any, ...]]:
    return rows(context, "SELECT i.rule, e.seq, e.action, e.reason FROM incident_events e JOIN incidents i"
                " USING (incident_id) ORDER BY ALL")  # fmt: skip


def today(share: float, per_hour: float, seed: int = 2) -> list[Piece]:
    return stories(np.random.default_rng(seed), NOON.replace(hour=0), 12, per_hour, share, "co:a", "today")


def test_a_bad_patch_fires_and_a_repeat_adds_nothing(ready: Context) -> None:
    put(ready.warehouse, ordinary() + today(0.7, 2.0))
    aggregate.run(ready)
    report = detect.run(ready)
    assert report.counts["fired"] >= 1
    assert ("share-day", "co:a", "firing") in [row[:3] for row in incidents(ready)]
    tables = [
        rows(ready, f"SELECT * FROM {t} ORDER BY ALL") for t in ("incidents", "incident_events", "evidence", "fits")
    ]
    again = detect.run(ready)
    assert "fired" not in again.counts
    for table, before in zip(("incidents", "incident_events", "evidence", "fits"), tables, strict=True):
        assert rows(ready, f"SELECT * FROM {table} ORDER BY ALL") == before


def test_ten_times_the_volume_with_an_ordinary_share_is_calm(ready: Context) -> None:
    put(ready.warehouse, ordinary() + today(0.2, 15.0))
    aggregate.run(ready)
    report = detect.run(ready)
    assert report.counts["judged"] > 0
    assert incidents(ready) == []


def test_a_young_store_says_so_and_does_not_fire(ready: Context) -> None:
    put(ready.warehouse, ordinary(days=5) + today(0.9, 3.0))
    aggregate.run(ready)
    report = detect.run(ready)
    assert report.counts["warming_up"] > 0
    assert any(note.startswith("warming up (days: entity, ") for note in report.notes)
    assert incidents(ready) == []


def test_an_archive_ends_the_warm_up_on_the_same_day(ready: Context) -> None:
    put(ready.warehouse, ordinary(days=5) + today(0.7, 3.0))
    aggregate.run(ready)
    detect.run(ready)
    assert detect.run(ready).counts["fits"] == 0, "without a longer past there is nothing to fit anew"
    start = NOON.replace(hour=0) - timedelta(days=75)
    put(ready.warehouse, stories(np.random.default_rng(3), start, 70 * 24, 1.5, 0.2, "co:a", "archive"))
    aggregate.run(ready)
    report = detect.run(ready)
    assert report.counts["judged"] > 0
    assert ("share-day", "co:a", "firing") in [row[:3] for row in incidents(ready)]
    assert detect.run(ready).counts["fits"] == 0


def test_buckets_older_than_the_horizon_never_open_an_incident(ready: Context, clock: MovableClock) -> None:
    put(ready.warehouse, ordinary() + today(0.9, 3.0))
    clock.now = NOON + timedelta(days=4)
    aggregate.run(ready)
    detect.run(ready)
    assert incidents(ready) == []


def test_a_bad_patch_resolves_when_it_is_over(ready: Context, clock: MovableClock) -> None:
    put(ready.warehouse, ordinary() + today(0.7, 2.0))
    aggregate.run(ready)
    detect.run(ready)
    clock.now = NOON + timedelta(days=3)
    detect.run(ready)
    assert {row[2] for row in incidents(ready)} == {"resolved"}
    detect.run(ready)
    assert [row[2] for row in events(ready) if row[0] == "share-day"].count("resolve") == 1


def test_evidence_is_what_was_counted_and_its_chain_holds(ready: Context) -> None:
    put(ready.warehouse, ordinary() + today(0.7, 2.0))
    aggregate.run(ready)
    detect.run(ready)
    found = rows(ready, "SELECT v.seq, v.kind, v.payload, v.sha256, v.previous_sha256 FROM evidence v JOIN incidents"
                 " USING (incident_id) WHERE rule = 'share-day' ORDER BY v.seq")  # fmt: skip
    assert [row[0] for row in found] == list(range(len(found)))
    decision = json.loads(found[0][2])
    articles = [json.loads(row[2]) for row in found if row[1] == "article"]
    assert found[0][1] == "decision"
    assert len(articles) == decision["story_count"] == decision["news_volume"]
    assert sum(a["role"] == "negative" for a in articles) == decision["negative_stories"]
    summary = rows(ready, "SELECT summary FROM incidents WHERE rule = 'share-day'")[0][0]
    words = f"{decision['negative_stories']} of {decision['story_count']} stories negative; usual {decision['usual']}"
    assert summary == f"{words}, range {decision['low']}–{decision['high']}"
    assert decision["expected"] < decision["negative_stories"]
    assert decision["p_value"] <= decision["p_limit"]
    assert 'name = "share-day"' in decision["rule_text"]
    previous = ""
    for _, _, payload, digest, before in found:
        assert before == previous
        assert digest == hashlib.sha256((previous + payload).encode()).hexdigest()
        assert payload == json.dumps(json.loads(payload), sort_keys=True, ensure_ascii=False)
        previous = digest


def bankruptcy(n: int, owner: str, minutes: int, **more: Any) -> Piece:
    at = NOON - timedelta(minutes=minutes)
    return Piece(
        f"b{n}", at, at + timedelta(minutes=1), publisher=owner, p_negative=0.95, p_positive=0.01,
        entities={"co:small": (1.0, 0.97, 0.01)}, themes=(("", "bankruptcy"), ("co:small", "bankruptcy")), **more,
    )  # fmt: skip


def test_a_bankruptcy_fires_once_and_escalates_when_a_second_owner_tells_it(
    ready: Context, clock: MovableClock
) -> None:
    put(ready.warehouse, [bankruptcy(1, "Paper 1", 50)])
    detect.run(ready)
    detect.run(ready)
    assert incidents(ready) == [("bad-news", "co:small", "firing", "critical", True)]
    put(ready.warehouse, [bankruptcy(2, "Paper 2", 5)])
    clock.now += timedelta(minutes=5)
    detect.run(ready)
    detect.run(ready)
    assert incidents(ready) == [("bad-news", "co:small", "firing", "critical", False)]
    assert [row[1:] for row in events(ready)] == [
        (0, "open", "first"), (1, "fire", "first"), (2, "escalate", "corroborated")
    ]  # fmt: skip
    clock.now += timedelta(hours=25)
    detect.run(ready)
    clock.now += timedelta(hours=1)
    detect.run(ready)
    assert [row[2] for row in incidents(ready)] == ["resolved"], "the same stories never alarm twice"


def test_what_set_off_an_event_never_speaks_against_it(ready: Context) -> None:
    mild = {"entities": {"co:small": (1.0, 0.02, 0.5)}, "themes": (), "p_negative": 0.02, "p_positive": 0.5}
    first = bankruptcy(1, "Paper 1", 50, story_id="one")
    put(ready.warehouse, [first, replace(bankruptcy(2, "Paper 2", 40, story_id="one"), **mild)])
    detect.run(ready)
    found = [json.loads(row[0]) for row in rows(ready, "SELECT payload FROM evidence WHERE kind = 'article'")]
    assert {a["article_id"]: (a["negative"], a["role"]) for a in found} == {
        "b1": (True, "negative"), "b2": (False, "counter")
    }  # fmt: skip
    decision = json.loads(rows(ready, "SELECT payload FROM evidence WHERE kind = 'decision'")[0][0])
    assert decision["articles"] == ["b1"]
    assert decision["runbook_url"] == "https://wiki.example/bad-news", "the message says what to do"


def test_an_event_takes_the_worse_of_the_two_scores_and_keeps_both(ready: Context) -> None:
    """A model may miss a blunt fact towards the name and see it in the article as a whole."""
    missed = replace(bankruptcy(1, "P", 50), entities={"co:small": (1.0, 0.05, 0.3)}, p_negative=0.8, p_positive=0.1)
    put(ready.warehouse, [missed])
    detect.run(ready)
    assert [row[1] for row in incidents(ready)] == ["co:small"]
    found = [json.loads(row[0]) for row in rows(ready, "SELECT payload FROM evidence WHERE kind = 'article'")]
    assert [(a["p_negative"], a["p_negative_article"]) for a in found] == [(0.05, 0.8)]


@pytest.mark.parametrize(
    "change",
    [
        lambda: bankruptcy(1, "P", 50, imported=True),
        lambda: bankruptcy(1, "P", 60 * 72),
        lambda: Piece("b", NOON, NOON, entities={"co:small": (1.0, 0.9, 0.0)}, themes=(("co:small", "layoffs"),)),
        lambda: Piece("b", NOON, NOON, entities={"co:small": (1.0, 0.2, 0.5)}, themes=(("co:small", "bankruptcy"),)),
        lambda: Piece("b", NOON, NOON, entities={"co:a": (1.0, 0.9, 0.0)}, themes=(("co:a", "bankruptcy"),)),
        lambda: Piece("b", NOON, NOON, entities={"co:small": (0.1, 0.9, 0.0)}, themes=(("co:small", "bankruptcy"),)),
    ],
    ids=["imported", "old", "not severe", "not negative", "not watched", "in passing"],
)
def test_what_is_no_event(ready: Context, change: Callable[[], Piece]) -> None:
    put(ready.warehouse, [change()])
    detect.run(ready)
    assert incidents(ready) == []


def poll(context: Context, n: int) -> None:
    fetch = {
        "fetch_id": f"f{n}",
        "feed_id": "feed",
        "url": "u",
        "fetched_at": context.clock(),
        "outcome": "nothing_new",
    }
    insert(context.warehouse, "articles", "fetches", [fetch], ["fetch_id"])


def test_a_silent_feed_fires_and_resolves(ready: Context, clock: MovableClock) -> None:
    feed = {"feed_id": "feed", "url": "u", "title": "Harbour Wire", "publisher": "Harbour Wire", "kind": "wire",
            "added_at": NOON - timedelta(days=1)}  # fmt: skip
    insert(ready.warehouse, "catalogue", "feeds", [feed], ["feed_id"])
    hourly = [
        Piece(
            f"h{n}",
            NOON - timedelta(hours=9 + n),
            NOON - timedelta(hours=9 + n),
            publisher="Harbour Wire",
            imported=True,
        )
        for n in range(24 * 20)
    ]
    put(ready.warehouse, hourly)
    poll(ready, 1)
    clock.now = NOON - timedelta(hours=8)
    detect.run(ready)
    assert incidents(ready) == [], "an hour of silence is ordinary"
    clock.now = NOON
    detect.run(ready)
    detect.run(ready)
    assert incidents(ready) == [("late", "feed", "firing", "warning", False)]
    sentence = rows(ready, "SELECT payload FROM evidence WHERE kind = 'feed'")
    assert "Harbour Wire: nothing new for 9 h; expected about 9 articles" in json.loads(sentence[0][0])["sentence"]
    clock.now = NOON + timedelta(minutes=10)
    put(ready.warehouse, [Piece("new", clock.now, clock.now, publisher="Harbour Wire")])
    detect.run(ready)
    assert [row[2] for row in incidents(ready)] == ["resolved"]
    assert [row[2] for row in events(ready)] == ["open", "fire", "resolve"]


def test_a_killed_commit_repeats_with_the_same_ids(ready: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    put(ready.warehouse, [bankruptcy(1, "Paper 1", 50)])
    committed = type(ready.warehouse)._commit

    def die(self: object, con: object, group: str) -> None:
        if group == "incidents":
            raise KeyboardInterrupt
        committed(self, con, group)  # type: ignore[arg-type]

    monkeypatch.setattr(type(ready.warehouse), "_commit", die)
    with pytest.raises(KeyboardInterrupt):
        detect.run(ready)
    monkeypatch.undo()
    assert incidents(ready) == []
    detect.run(ready)
    assert [row[1:3] for row in events(ready)] == [(0, "open"), (1, "fire")]


BUDGETED = """
[[rule]]
name = "share-day"
kind = "negative_share"
scope = "entity"
grain = "day"
budget = "1 a month"
min_stories = 5
min_negative = 4
"""
VOLUME = """
[[rule]]
name = "busy"
kind = "volume"
scope = "entity"
grain = "day"
p_limit = 0.001
severity = "info"
"""


def test_a_budget_sets_the_limit_of_the_day_once_and_the_evidence_says_how(ready: Context) -> None:
    ready.settings.detect.rules.write_text(BUDGETED)
    put(ready.warehouse, ordinary() + today(0.7, 2.0))
    aggregate.run(ready)
    detect.run(ready)
    kept = rows(ready, "SELECT rule, budget, p_limit, weeks, series, basis, set_for FROM limits")
    assert [row[:2] for row in kept] == [("share-day", "1 a month")]
    assert 0 < kept[0][2] <= 0.01
    assert kept[0][3] >= 5, "the weeks since the store could judge"
    assert kept[0][4] == 1
    decision = json.loads(rows(ready, "SELECT payload FROM evidence WHERE kind = 'decision'")[0][0])
    assert decision["p_limit"] == pytest.approx(kept[0][2])
    assert decision["limit"]["budget"] == "1 a month"
    assert decision["limit"]["basis"] == kept[0][5]
    detect.run(ready)
    assert rows(ready, "SELECT rule, budget, p_limit, weeks, series, basis, set_for FROM limits") == kept


def test_another_text_of_the_rule_sets_another_limit(ready: Context) -> None:
    put(ready.warehouse, ordinary())
    aggregate.run(ready)
    for budget in ("1 a month", "1 a week", "1 a month"):
        ready.settings.detect.rules.write_text(BUDGETED.replace("1 a month", budget))
        detect.run(ready)
    assert sorted(row[0] for row in rows(ready, "SELECT budget FROM limits")) == ["1 a month", "1 a week"]


def test_a_volume_rule_tells_a_surge_as_information(ready: Context) -> None:
    ready.settings.detect.rules.write_text(VOLUME)
    put(ready.warehouse, ordinary() + today(0.2, 15.0))
    aggregate.run(ready)
    detect.run(ready)
    assert incidents(ready) == [("busy", "co:a", "firing", "info", False)]
    articles = rows(ready, "SELECT count(*) FROM evidence WHERE kind = 'article'")[0][0]
    decision = json.loads(rows(ready, "SELECT payload FROM evidence WHERE kind = 'decision'")[0][0])
    assert articles == decision["story_count"] > 3 * decision["usual"]
    assert decision["rule_kind"] == "volume"


def test_corroboration_can_be_asked_for(ready: Context, clock: MovableClock) -> None:
    asked = RULES.replace('themes = ["bankruptcy"]', 'themes = ["bankruptcy"]\nmin_corroboration = 2')
    ready.settings.detect.rules.write_text(asked)
    put(ready.warehouse, [bankruptcy(1, "Paper 1", 50)])
    detect.run(ready)
    assert incidents(ready) == []
    put(ready.warehouse, [bankruptcy(2, "Paper 2", 5)])
    clock.now += timedelta(minutes=5)
    detect.run(ready)
    assert [row[1] for row in incidents(ready)] == ["co:small"]


def test_a_rule_that_matches_nothing_is_said_in_the_report(ready: Context) -> None:
    ready.settings.detect.rules.write_text(RULES.replace('watchlists = ["*"]', 'watchlists = ["bonks"]'))
    assert any("rule bad-news: no watch-list is named 'bonks'" in note for note in detect.run(ready).notes)
