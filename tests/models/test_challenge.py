"""The challenge suite: its cases, its runner, its gate, and the count of conflicts between a set and the rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models import SENTIMENTS, Item, Prediction
from models.challenge import FROZEN, Case, Reason, Result, Tally, digest, gate, load, run
from models.challenge.conflicts import conflicts, contradicted, main, patterns
from models.challenge.suite import HALVES
from models.data import Example
from models.errors import DataInvalid, LabelsUnknown
from models.taxonomy import taxonomy
from models.text import twin_key
from tests.conftest import ROOT

LABELS = (ROOT / "docs" / "labels.md").read_text("utf-8")
CASES = load()
KINDS = sorted({case.kind for case in CASES})


class Oracle:
    """A scorer that answers what a table says, and neutral to all else."""

    topics = taxonomy().labels

    def __init__(self, answers: dict[Item, str]) -> None:
        self.answers = answers
        self.asked: list[Item] = []

    def score(self, items: Sequence[Item], progress: object = None) -> Prediction:
        self.asked += items
        at = [SENTIMENTS.index(self.answers.get(item, "neutral")) for item in items]
        sentiment = np.full((len(items), 3), 0.1, np.float32)
        sentiment[np.arange(len(items)), at] = 0.8
        return Prediction(sentiment, np.zeros((len(items), 20), np.float32), np.zeros(len(items), bool))


def knowing(cases: Sequence[Case]) -> Oracle:
    return Oracle({Item(case.text, case.entity): case.sentiment for case in cases})


def sections() -> dict[str, str]:
    """Each rule of labels.md with its text and examples."""
    parts = re.split(r"^\*\*([SET]\d+)\.", LABELS, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (part.split("\n# ")[0] for part in parts[2::2]), strict=True))


# The rules


def test_the_rules_are_numbered_without_gaps() -> None:
    found = re.findall(r"^\*\*([SET])(\d+)\.", LABELS, re.MULTILINE)
    for letter in "SET":
        numbers = [int(n) for kind, n in found if kind == letter]
        assert numbers == list(range(1, len(numbers) + 1))


def test_every_rule_has_examples_and_every_topic_a_rule() -> None:
    for rule, text in sections().items():
        assert len(re.findall(r'"[^"]{4,}"', text)) >= 2, rule
    for at, label in enumerate(taxonomy().labels, 1):
        assert f"**T{at}. {label}.**" in LABELS


def test_references_between_rules_lead_somewhere() -> None:
    assert set(re.findall(r"\b([SET]\d+)\b", LABELS)) <= set(sections())


# The cases


def test_the_cases_are_the_frozen_ones() -> None:
    assert digest(CASES) == FROZEN == "ee39406a6ceff5cda7d8adc6b99dcc630f122aa6e5538ca8e7bb6bb903faf577"
    assert digest(reversed(CASES)) == FROZEN
    assert digest([replace(CASES[0], text="another"), *CASES[1:]]) != FROZEN


def test_there_are_enough_cases_of_every_kind_in_both_halves() -> None:
    assert len(CASES) >= 420
    assert len(KINDS) >= 20
    per = Counter((case.kind, case.half) for case in CASES)
    assert min(per[kind, half] for kind in KINDS for half in HALVES) >= 9
    labels = Counter((case.half, case.sentiment) for case in CASES)
    assert min(labels.values()) >= 80


def test_every_case_cites_a_rule_of_the_labels() -> None:
    assert {case.rule for case in CASES} <= {rule for rule in sections() if rule[0] in "SE"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_can_be_passed_by_one_answer(kind: str) -> None:
    labels = Counter(case.sentiment for case in CASES if case.kind == kind)
    assert set(labels) == set(SENTIMENTS)
    assert max(labels.values()) <= 0.65 * labels.total()


def test_texts_are_headlines_and_stand_alone() -> None:
    assert all(4 <= len(case.text.split()) <= 30 for case in CASES)
    by_key: dict[str, set[str]] = {}
    for case in CASES:
        by_key.setdefault(twin_key(case.text), set()).add(case.text)
    assert [texts for texts in by_key.values() if len(texts) > 1] == []


def test_a_text_asked_twice_is_asked_for_two_entities_in_one_half() -> None:
    groups: dict[str, list[Case]] = {}
    for case in CASES:
        groups.setdefault(case.text, []).append(case)
    pairs = [group for group in groups.values() if len(group) > 1]
    assert len(pairs) >= 15
    for group in pairs:
        assert len({case.half for case in group}) == 1
        assert all(case.entity for case in group)


def test_no_case_stands_among_the_examples_of_the_labels() -> None:
    examples = {twin_key(text) for text in re.findall(r'"([^"\n]+)"', LABELS)}
    assert len(examples) > 150
    assert [case.id for case in CASES if twin_key(case.text) in examples] == []


def test_no_case_stands_in_a_shared_data_file(shared_data: Path) -> None:
    """By near twins, in every labelled set whatever its role, and in the headlines."""
    lines: set[str] = set()
    for path in sorted(shared_data.glob("*/*.csv")):
        if path.parent.name in {"market", "tickers"}:
            continue
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in table.columns:
            lines |= {twin_key(text) for text in table[column].unique() if len(text) > 15}
    assert len(lines) > 40_000
    assert [case.id for case in CASES if twin_key(case.text) in lines] == []


def written(folder: Path, line: str) -> Path:
    (folder / "kind.toml").write_text(f"cases = [\n{line}\n]\n", "utf-8")
    return folder


GOOD = '{ id = "a", half = "open", sentiment = "neutral", rule = "S3", text = "Acme moves" },'


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        (GOOD.replace("neutral", "bearish"), LabelsUnknown, "bearish"),
        (GOOD.replace("open", "shut"), DataInvalid, "shut"),
        (GOOD.replace("S3", "X3"), DataInvalid, "X3"),
        (GOOD.replace('text = "Acme moves"', 'text = " "'), DataInvalid, "no text"),
        (GOOD.replace(" },", ', why = "x" },'), DataInvalid, "why"),
        (GOOD.replace(" },", ', entity = "Zeta" },'), DataInvalid, "Zeta"),
        (GOOD + "\n" + GOOD.replace("Acme", "Zeta"), DataInvalid, "share their id"),
        (GOOD + "\n" + GOOD.replace('"a"', '"b"'), DataInvalid, "share their text"),
        ("{ id = ", DataInvalid, "kind.toml"),
    ],
)
def test_a_wrong_case_is_named(tmp_path: Path, line: str, error: type[Exception], says: str) -> None:
    assert [case.id for case in load(written(tmp_path, GOOD))] == ["a"]
    with pytest.raises(error, match=says):
        load(written(tmp_path, line))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="install"):
        load(tmp_path)


# The run


def test_who_knows_all_passes_all_and_only_the_half_asked_for_is_scored() -> None:
    scorer = knowing(CASES)
    result = run(scorer)
    assert result.halves == ("open",)
    assert result.n == result.passed == len(scorer.asked) == sum(case.half == "open" for case in CASES)
    release = {(case.text, case.entity) for case in CASES if case.half == "release"}
    assert release.isdisjoint((item.text, item.entity) for item in scorer.asked)
    assert gate(result) == ()
    whole = run(scorer, HALVES)
    assert (whole.n, whole.passed, whole.suite) == (len(CASES), len(CASES), FROZEN)


def test_failures_are_listed_with_the_answer() -> None:
    wrong = next(case for case in CASES if case.half == "open" and case.sentiment == "positive")
    scorer = knowing([case for case in CASES if case is not wrong])
    result = run(scorer)
    assert [(f.case, f.answer) for f in result.failures] == [(wrong, "neutral")]
    assert result.passed == result.n - 1
    found = result.to_json()
    failure = found["failures"][0]
    assert (failure["id"], failure["sentiment"], failure["answer"]) == (wrong.id, "positive", "neutral")
    assert failure["p"] == pytest.approx(0.8)
    kind = found["kinds"][wrong.kind]
    assert kind["halves"] == {"open": {"n": kind["n"], "passed": kind["n"] - 1}}
    assert found["pass_rate"] == pytest.approx(result.passed / result.n)


def test_the_entity_is_asked_for() -> None:
    pair = [case for case in CASES if case.id in {"two_companies-01", "two_companies-02"}]
    assert len({case.sentiment for case in pair}) == 2
    assert run(knowing(pair), HALVES, pair).passed == 2
    blind = Oracle({Item(pair[0].text, case.entity): "positive" for case in pair})
    assert run(blind, HALVES, pair).passed == 1


def test_nothing_run_has_no_rate() -> None:
    assert run(knowing([]), ()).to_json()["pass_rate"] is None


# The gate


def result_of(*tallies: tuple[str, int, int]) -> Result:
    return Result(FROZEN, ("open",), tuple(Tally(kind, "open", n, passed) for kind, n, passed in tallies), ())


def test_the_gate_names_each_reason() -> None:
    assert gate(result_of(("a", 10, 9), ("b", 10, 7))) == ()
    low = gate(result_of(("a", 10, 9), ("b", 10, 4)))
    assert [(r.reason, r.kind) for r in low] == [(Reason.OVERALL_LOW, ""), (Reason.KIND_LOW, "b")]
    assert "13 of 20" in low[0].says
    assert "4 of 10" in low[1].says
    assert [r.reason for r in gate(result_of(("a", 90, 90), ("b", 10, 4)))] == [Reason.KIND_LOW]
    assert [r.reason for r in gate(result_of())] == [Reason.NOTHING_RUN]
    assert [r.reason for r in gate(replace(result_of(("a", 1, 1)), suite="0"))] == [Reason.OTHER_SUITE]


def test_the_gate_opens_at_its_limits_and_adds_up_halves() -> None:
    assert gate(result_of(("a", 6, 6), ("b", 4, 2))) == ()
    halves = Result(FROZEN, HALVES, (Tally("a", "open", 2, 0), Tally("a", "release", 8, 8)), ())
    assert halves.kinds == {"a": (10, 8)}
    assert gate(halves) == ()


# Conflicts


def test_conflicts_are_counted_by_rule() -> None:
    rows = [
        Example("Acme beats by $0.02", None, 2),
        Example("Zeta beats by $0.02", None, 1),
        Example("Zeta shares fall though it beats by $0.02", None, 0),
        Example("Acme declares $0.10 dividend", None, 1),
        Example("Unlabelled beats", None),
        Example("Zeta declares $0.10 distribution", None, topic=taxonomy().labels.index("Dividend")),
        Example("Zeta declares $0.20 distribution", None, topic=taxonomy().labels.index("Earnings")),
    ]
    found = {c.name: c for c in conflicts(rows, patterns())}
    assert (found["dividend declared"].n, found["dividend declared"].broken) == (2, 1)
    assert "transcripts, presentations, previews, dates" not in found
    beats = found["beats, nothing missed"]
    assert (beats.rule, beats.n, beats.broken) == ("S10", 2, 1)
    assert beats.labels == {"neutral": 1, "positive": 1}
    assert (found["dividend declared, no comparison"].n, found["dividend declared, no comparison"].broken) == (1, 0)


def test_patterns_cite_rules_and_expect_labels() -> None:
    for pattern in patterns():
        assert pattern.rule in sections()
        allowed = SENTIMENTS if pattern.head == "sentiment" else taxonomy().labels
        assert set(pattern.expected) < set(allowed)
        assert (pattern.rule[0] == "T") == (pattern.head == "topic")


def test_near_twins_that_contradict_each_other_are_counted() -> None:
    rows = [Example("Up 5", None, 2), Example("up 6", None, 0), Example("up 6", "X", 1), Example("down", None, 0)]
    assert contradicted(rows) == (2, 4)


def test_the_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("headline,label\nAcme beats by $0.02,0\n", "utf-8")
    labels = ["--map", "text=headline", "sentiment=label", "--labels", "0=negative"]
    assert main([str(file), *labels]) == 0
    assert "| S10 | beats, nothing missed | 1 | negative 1 | 100% |" in capsys.readouterr().out
    assert main([str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err
