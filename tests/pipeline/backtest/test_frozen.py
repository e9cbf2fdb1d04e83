"""Every incident of a year's backtest comes out again, to the byte; and from the base tables within 1e-6."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.audit import Case, Verdict, replay
from pipeline.backtest.frozen import frozen
from pipeline.backtest.known import Known, Telling
from pipeline.backtest.session import Session, opened
from pipeline.context import Context
from pipeline.detect.events import Sighting
from pipeline.detect.findings import Labels
from pipeline.detect.rules import parse
from pipeline.promotion import ActiveModel
from tests.benchmarks.show_replay import END, LISTS, RULES, START, Year, checked, fill, told
from tests.pipeline.audit.world import store
from tests.pipeline.seeds import Piece, put

DAY = timedelta(days=1)


def drawn() -> Known:
    """A year of three companies and the market, with the past before it, as counts: reading them takes no time."""
    rng = np.random.default_rng(3)
    days = pd.date_range(START - 60 * DAY, END, freq="D", inclusive="left").as_unit("us")
    n = rng.poisson(12, (3, len(days)))
    bad = rng.random((3, len(days))) < 0.015
    n[rng.random(n.shape) < 0.01] *= 5
    negative = rng.binomial(n, np.where(bad | (rng.random(len(days)) < 0.005), 0.75, 0.2))
    rows = [
        pd.DataFrame(
            {
                "bucket_start": days, "grain": "day", "scope": scope, "key": key, "model_version": "m@1",
                "news_volume": stories, "story_count": stories, "negative_stories": negatives, "owners": 2,
                "coverage": np.nan, "counted_at": days + pd.Timedelta(hours=25),
            }
        )
        for scope, key, stories, negatives in (
            *(("entity", f"co:{i}", n[i], negative[i]) for i in range(3)),
            ("market", "all", n.sum(axis=0), negative.sum(axis=0)),
        )
    ]  # fmt: skip
    moments = [START + timedelta(days=40 * i, hours=9) for i in range(9)]
    seen = [Sighting("co:0", f"a{i}", f"s{i}", (), at, "bankruptcy", 0.95) for i, at in enumerate(moments)]
    stories = {
        f"s{i}": [Telling(at, "Paper 1"), Telling(at + timedelta(hours=9), "Paper 2")] for i, at in enumerate(moments)
    }
    trends = pd.concat(rows, ignore_index=True)
    return Known(trends, seen, stories, [], Labels({}, {}), {}, int(n.sum()), 0)


def test_every_incident_of_a_year_replays(tmp_path: Path) -> None:
    context, _ = store(tmp_path)
    session = Session(context, ActiveModel("m@1", 0.5, START, None), START, END, drawn())
    cases = list(frozen(session, RULES, LISTS))
    rules = Counter(str(case.incident["rule"]) for case in cases)
    assert rules.keys() == {"share-day", "market-day", "volume-day", "bad-news"}
    assert sum(rules.values()) >= 20
    found = [one for case in cases for one in replay(case)]
    assert [one for one in found if one.verdict is not Verdict.SAME] == []
    steps = sum(len(told(case)) for case in cases)
    assert Counter(one.what for one in found) == {"chain": len(cases), "decision": steps, "life": steps}
    assert steps > len(cases), "escalations too"
    assert all(decision["simulated"] for case in cases for decision, _ in told(case))
    assert any(given.get("trends") and decision["excess_p"] for case in cases for decision, given in told(case))


def test_what_became_known_later_changes_nothing_and_what_was_changed_is_named(tmp_path: Path) -> None:
    context, clock = store(tmp_path)
    clock.now = END + DAY
    fill(context, Year(companies=1, per_day=8.0, seed=6, days=20, every=9))
    cases = _cases(context)
    assert {case.incident["rule"] for case in cases} >= {"share-day", "bad-news"}
    at, known_at = END - 10 * DAY, END + timedelta(hours=1)
    about = {"co:0": (1.0, 0.9, 0.0)}
    late = (Piece(f"l{n}", at, known_at, imported=True, p_negative=0.9, entities=about) for n in range(50))
    put(context.warehouse, late)
    found = checked(cases, _cases(context))
    assert [one for one in found if one.verdict is not Verdict.SAME] == []
    assert Counter(one.what for one in found)["refit"] == sum(len(told(case)) for case in cases)
    with context.warehouse.write("scores") as tx:
        tx.con.execute("UPDATE scores SET p_negative = 0.1 WHERE p_negative > 0.5 AND hash(article_id) % 2 = 0")
    differing = [one for one in checked(cases, _cases(context)) if one.verdict is Verdict.DIFFERS]
    assert {one.what for one in differing} == {"refit"}
    assert all(one.detail for one in differing)


def _cases(context: Context) -> list[Case]:
    since = END - 20 * DAY
    return list(frozen(opened(context, [(parse(RULES), LISTS)], since, END), RULES, LISTS))
