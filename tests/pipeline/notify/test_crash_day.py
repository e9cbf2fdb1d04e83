"""A crash day through the real stages: the market is told, its parts are not told apart, the bank that fails is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipeline import aggregate, detect, notify
from pipeline.audit import Verdict, refit, replay
from pipeline.context import Context
from pipeline.detect.excess import excess_p
from tests.pipeline.audit.world import cases, changed, store
from tests.pipeline.detect.world import NOON, stories
from tests.pipeline.seeds import Piece, activate_model, put
from tests.support.hooks import Hook, hook

from .world import routed, rows

RULES = """
[[rule]]
name = "market-day"
kind = "negative_share"
scope = "market"
grain = "day"
p_limit = 0.0001

[[rule]]
name = "company-day"
kind = "negative_share"
scope = "entity"
grain = "day"
p_limit = 0.001
"""
LISTS = '[watchlists.banks]\nowner = "desk"\ntier1 = ["co:first"]\ntier2 = ["co:failing", "co:peer"]\n'
DAY = NOON.replace(hour=0)
# Stories and negatives of the day: two in three are negative everywhere, of the failing bank all.
CRASH = {"": (120, 80), "co:peer": (30, 20), "co:first": (30, 20), "co:failing": (20, 20)}


@dataclass(frozen=True)
class Told:
    """The store after the day, and what the receiver was sent."""

    context: Context
    end: Hook

    def heard(self) -> dict[str, dict[str, Any]]:
        """Key of the incident to the document of the message that tells of it."""
        documents = [json.loads(taken.body) for taken in self.end.taken]
        return {document["incidents"][0]["key"]: document for document in documents}


def crash() -> Iterator[Piece]:
    for entity, (n, negative) in CRASH.items():
        for i in range(n):
            at, p = DAY + i * timedelta(minutes=11), 0.9 if i < negative else 0.1
            about = {entity: (0.9, p, 0.05)} if entity else {}
            yield Piece(f"{entity}-{i}", at, at, publisher=f"Paper {i % 4}", p_negative=p, p_positive=0.05,
                        imported=True, entities=about)  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    context, clock = store(tmp_path_factory.mktemp("crash"))
    context.settings.detect.rules.write_text(RULES, encoding="utf-8")
    context.settings.detect.watchlists.write_text(LISTS, encoding="utf-8")
    activate_model(context.warehouse)
    since = DAY - timedelta(days=40)
    past = [
        piece
        for n, entity in enumerate(key for key in CRASH if key)
        for piece in stories(np.random.default_rng(n), since, 960, 0.4, 0.2, entity, entity)
    ]
    put(context.warehouse, [*past, *crash()])
    clock.now = DAY + timedelta(hours=25)
    with hook() as end:
        url = f"webhook+{end.url}/in"
        routed(
            context, f'[[route]]\nreceiver = "desk"\ngroup_by = ["incident_id"]\n[receivers.desk]\nurls = ["{url}"]\n'
        )
        for stage in (aggregate, detect, notify):
            stage.run(context)
        yield Told(context, end)


def test_the_market_and_what_it_does_not_explain_are_told_the_rest_is_named(told: Told) -> None:
    heard = told.heard()
    assert heard.keys() == {"all", "co:failing", "co:first"}
    assert len(told.end.taken) == 3
    assert "Part of it, open and not told apart: co:peer." in heard["all"]["text"]
    assert heard["all"]["incidents"][0]["muted"] == ["co:peer"]
    kept = rows(told.context, "SELECT key, state, suppressed_by FROM incidents WHERE scope = 'entity' ORDER BY key")
    (whole,) = rows(told.context, "SELECT incident_id FROM incidents WHERE scope = 'market'")
    assert kept == [
        {"key": "co:failing", "state": "firing", "suppressed_by": None},
        {"key": "co:first", "state": "firing", "suppressed_by": None},
        {"key": "co:peer", "state": "firing", "suppressed_by": whole["incident_id"]},
    ]


def test_the_decision_says_excess_and_tier_and_comes_out_again(told: Told) -> None:
    facts = {}
    for case in cases(told.context):
        decision = case.evidence[0].told()
        facts[case.incident["key"]] = (decision["excess_p"], decision["tier"])
        checked = replay(case)
        if case.incident["key"] == "co:failing":
            with told.context.warehouse.read() as con:
                checked += refit(con, case)
            assert checked[-1].what == "refit"
        assert {one.what for one in checked} >= {"chain", "decision", "life"}
        assert all(one.verdict is Verdict.SAME for one in checked), (case.incident["key"], checked)
    assert facts["all"] == (None, None)
    assert {key: tier for key, (_, tier) in facts.items() if key != "all"} == {
        "co:failing": 2, "co:first": 1, "co:peer": 2,
    }  # fmt: skip
    assert facts["co:failing"][0] < 0.005
    assert min(facts["co:first"][0], facts["co:peer"][0]) > 0.1


def _without(*names: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        kept = {name: value for name, value in json.loads(text).items() if name not in names}
        return json.dumps(kept, sort_keys=True, ensure_ascii=False)

    return change


def _of_one_series(text: str) -> str:
    told = json.loads(text)
    for name in ("trends", "fits"):
        place = [column["name"] for column in told[name]["columns"]].index("scope")
        told[name]["rows"] = [row for row in told[name]["rows"] if row[place] != "market"]
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def test_evidence_of_before_the_excess_was_kept_replays_as_it_was(told: Told) -> None:
    for case in cases(told.context, "company-day"):
        old = changed(changed(case, "decision", _without("excess_p", "tier")), "inputs", _of_one_series)
        decisions = [one for one in replay(old) if one.what in ("chain", "decision", "life")]
        assert [one.verdict for one in decisions] == [Verdict.SAME] * 3, decisions


def counts(*buckets: tuple[float, float, float]) -> Any:
    return np.array(buckets, dtype=np.float64).T


@pytest.mark.parametrize(
    ("market", "low", "high"),
    [
        ((1000.0, 200.0, 200.0), 0.0, 1e-3),  # a calm market explains nothing
        ((1000.0, 50.0, 200.0), 0.0, 1e-3),  # nor does a day that is better than usual
        ((1000.0, 600.0, 200.0), 0.3, 0.7),  # it has risen as much
        ((20.0, 12.0, 4.0), 0.0, 1e-3),  # the part is all there is of it
    ],
    ids=["calm", "better", "as much", "itself"],
)
def test_what_a_market_explains(market: tuple[float, float, float], low: float, high: float) -> None:
    p = excess_p(counts((20.0, 12.0, 4.0)), counts(market), 0.001)
    assert p is not None
    assert low < p < high


@pytest.mark.parametrize(("negative", "p"), [(13.0, 0.51), (20.0, 0.0004)])
def test_the_worked_example_of_the_docs(negative: float, p: float) -> None:
    found = excess_p(counts((20.0, negative, 4.0)), counts((140.0, 80.0 + negative, 28.0)), 0.02)
    assert found == pytest.approx(p, rel=0.05)


def test_buckets_of_a_run_are_independent_and_an_unknown_market_says_nothing() -> None:
    one, two = counts((20.0, 18.0, 4.0)), counts((10.0, 9.0, 2.0), (10.0, 9.0, 2.0))
    market = (1000.0, 600.0, 200.0)
    together, apart = (excess_p(part, counts(*[market] * part.shape[1]), 0.1) for part in (one, two))
    assert together is not None
    assert apart is not None
    assert apart < together, "what a bucket has in common does not reach into the next"
    assert excess_p(one, counts((np.nan, np.nan, np.nan)), 0.1) is None
    assert excess_p(one, counts((0.0, 0.0, 0.0)), 0.1) is None
