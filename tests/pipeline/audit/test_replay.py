"""Every incident of a generated store comes out again, to the byte; what was changed is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.audit import Checked, Verdict, replay
from pipeline.context import Context
from pipeline.detect.again import rule_of
from tests.pipeline.audit.world import RULES, cases, changed, cycle, generate, grow, store
from tests.pipeline.notify.world import Memory


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    made, clock = store(tmp_path_factory.mktemp("replay"))
    generate(made)
    channel = Memory()
    cycle(made, channel)
    grow(made, clock, channel)
    return made


def only(checked: list[Checked], *verdicts: Verdict) -> list[Checked]:
    return [one for one in checked if one.verdict in verdicts]


def test_every_incident_and_message_of_the_store_comes_out_again(context: Context) -> None:
    found = cases(context)
    assert {case.incident["rule"] for case in found} == {"bad-news", "share-day", "share-hour", "volume-day", "late"}
    for case in found:
        checked = replay(case)
        assert not [one for one in checked if one.verdict is not Verdict.SAME], case.incident["rule"]
        whats = [one.what for one in checked]
        telling = [e for e in case.events if e.action in ("fire", "escalate", "reopen")]
        assert whats.count("decision") == whats.count("life") == len(telling) > 0
        assert whats.count("message") == sum(one.status != "skipped" for one in case.notifications) > 0


def test_a_replay_needs_nothing_but_the_case(context: Context) -> None:
    """Neither the rule file on the disk nor the tables: what was kept says it all."""
    path = context.settings.detect.rules
    kept = cases(context)
    path.write_text("broken [", encoding="utf-8")
    try:
        assert all(one.verdict is Verdict.SAME for case in kept for one in replay(case))
    finally:
        path.write_text(RULES, encoding="utf-8")


def test_a_rule_file_of_then_is_read_as_it_was_read_then() -> None:
    """Today the key would be refused: its rule never looked at it."""
    text = RULES + '[[rule]]\nname = "full"\nkind = "health"\nwhat = "disk_full"\nafter = "1h"\n'
    rule, rules = rule_of({"rule": "late"}, {"p_limit": 0.01}, text)
    assert (rule.name, rule.p_limit) == ("late", 0.01)
    assert rules.rules[-1].name == "full"


def test_the_evidence_names_who_wrote_the_rule_and_what_was_in_force(context: Context) -> None:
    (event,) = cases(context, "bad-news")
    decision = event.evidence[0].told()
    assert decision["rule_author"] == "risk desk"
    assert decision["rule_effective_at"] == "2026-03-03T12:00:00+00:00"
    assert decision["configurations"].keys() == {"model", "rules", "settings", "watchlists"}
    assert {event.configurations[sha].kind for sha in decision["configurations"].values()} == {
        "model", "rules", "settings", "watchlists"
    }  # fmt: skip
    assert decision["versions"].keys() >= {"barograph", "duckdb", "numpy", "pandas", "python", "scipy", "source_sha256"}
    (share,) = cases(context, "share-day")
    articles = [piece.told() for piece in share.evidence if piece.kind == "article"]
    assert {a["role"] for a in articles} == {"negative", "counter"}, "the non-negative ones too"
    assert {"rates", "rho", "calibration"} <= share.evidence[0].told()["fit"]["parameters"].keys()


def test_a_changed_row_breaks_the_chain(context: Context) -> None:
    (case,) = cases(context, "share-day")
    rows = list(case.evidence)
    rows[3] = replace(rows[3], payload=rows[3].payload.replace("0.9", "0.1", 1))
    (first, *_) = replay(replace(case, evidence=rows))
    assert (first.what, first.verdict) == ("chain", Verdict.DIFFERS)
    (first, *_) = replay(replace(case, evidence=case.evidence[:4] + case.evidence[5:]))
    assert first.verdict is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("kind", "change", "what"),
    [
        ("decision", lambda text: text.replace('"negative_stories": 28', '"negative_stories": 3'), "decision"),
        ("decision", lambda text: json.dumps(json.loads(text) | {"severity": "info"}, sort_keys=True), "decision"),
        ("inputs", lambda text: text.replace('"p_limit": 0.001', '"p_limit": 0.0000000001'), "decision"),
        ("article", lambda text: text.replace('"title": "A title"', '"title": "Another title"'), "message"),
    ],
    ids=["count", "severity", "limit", "title"],
)
def test_a_lie_that_keeps_the_chain_whole_is_found_by_making_it_again(
    context: Context, kind: str, change: Callable[[str], str], what: str
) -> None:
    (case,) = cases(context, "share-day")
    lied = changed(case, kind, change)
    assert [piece.payload for piece in lied.evidence] != [piece.payload for piece in case.evidence]
    differs = only(replay(lied), Verdict.DIFFERS)
    assert what in {one.what for one in differs}
    assert all(one.detail for one in differs)


def test_a_message_that_was_changed_is_shown_as_a_diff(context: Context) -> None:
    (case,) = cases(context, "bad-news")
    told = [replace(n, body=n.body.replace("Small", "Large")) for n in case.notifications]
    differs = only(replay(replace(case, notifications=told)), Verdict.DIFFERS)
    assert {one.what for one in differs} == {"message"}
    assert "+" in differs[0].detail
    assert "Large" in differs[0].detail


def test_a_piece_that_is_missing_is_named_by_the_decision(context: Context) -> None:
    (case,) = cases(context, "late")
    cut = replace(case, evidence=[piece for piece in case.evidence if piece.kind != "feed"])
    assert any("pieces" in one.detail for one in only(replay(cut), Verdict.DIFFERS))


def test_evidence_of_an_older_version_says_that_it_cannot_be_made_again(context: Context) -> None:
    (case,) = cases(context, "late")
    old = replace(
        case,
        evidence=[piece for piece in case.evidence if piece.kind != "inputs"],
        notifications=[replace(n, basis=None) for n in case.notifications],
    )
    checked = replay(old)
    assert only(checked, Verdict.DIFFERS) == []
    assert {one.what for one in only(checked, Verdict.UNKNOWN)} == {"decision", "message"}


@pytest.mark.parametrize("kind", ["decision", "inputs"])
@pytest.mark.parametrize("payload", ["{", "[]", "{}", '{"removed": 1}', '{"removed": {"at": "noon"}}'])
def test_what_cannot_be_read_any_more_differs_and_the_rest_is_still_told(
    context: Context, kind: str, payload: str
) -> None:
    (case,) = cases(context, "bad-news")
    (step, *_) = [piece.event_id for piece in case.evidence if piece.kind == kind]
    rows = [
        replace(piece, payload=payload) if (piece.event_id, piece.kind) == (step, kind) else piece
        for piece in case.evidence
    ]
    checked = replay(replace(case, evidence=rows, notifications=()))
    assert [one.verdict for one in checked if one.what == "chain"] == [Verdict.DIFFERS]
    assert [one.verdict for one in checked if one.what == "decision"] == [Verdict.DIFFERS, Verdict.SAME]
    assert all(one.detail for one in only(checked, Verdict.DIFFERS))


@pytest.mark.postgres
def test_a_lake_keeps_the_same_evidence(context: Context, lake_setting: str, tmp_path: Path) -> None:
    lake, clock = store(tmp_path, lake_setting)
    generate(lake)
    channel = Memory()
    cycle(lake, channel)
    grow(lake, clock, channel)
    ours, theirs = cases(context), cases(lake)
    for one, other in zip(ours, theirs, strict=True):
        assert all(checked.verdict is Verdict.SAME for checked in replay(other))
        kept = [[p.told() for p in case.evidence] for case in (one, other)]
        for told in (*kept[0], *kept[1]):
            told.pop("configurations", None)  # of another folder
        assert kept[0] == kept[1]
