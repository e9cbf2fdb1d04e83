"""Finding names: boundaries, cases, doubtful names and their reasons, codes, and spans that always fit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link.gazetteer import load
from pipeline.link.match import Matcher, Reason, load_ambiguity

MATCHER = Matcher(load(), load_ambiguity())


def found(text: str) -> list[tuple[str, str]]:
    return [(m.entity_id, text[m.start : m.end]) for m in MATCHER.find(text)]


def ids(text: str) -> list[str]:
    return [m.entity_id for m in MATCHER.find(text)]


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("Boeing halts deliveries", "co:boeing"),
        ("Boeing's new jet is late", "co:boeing"),
        ("BOEING HALTS DELIVERIES", "co:boeing"),
        ("Facebook fined again", "co:meta-platforms"),
        ("Google fined again", "co:alphabet"),
        ("GlaxoSmithKline trial ends", "co:gsk"),
        ("Bank Of England Holds Rates", "cb:boe"),
        ("Sainsbury’s sales slip", "co:sainsburys"),
        ("Traders bet the Fed will wait", "cb:fed"),
        ("Nasdaq closes at a record", "ix:nasdaq"),
        ("Oil prices slide", "cm:oil"),
        ("M&S closes stores", "co:marks-and-spencer"),
    ],
)
def test_finds_names_aliases_and_former_names(text: str, entity: str) -> None:
    assert ids(text) == [entity]


@pytest.mark.parametrize(
    "text",
    [
        "Boeings of the past", "Cost of living rises", "COST OF LIVING RISES", "It is all in the mind",
        "The gap widens", "Gap between rich and poor widens", "A shell company in Panama", "An apple a day",
        "New visa rules for students", "Analysts lift price target", "Harrison Ford returns to the screen",
        "Next week in the markets", "Marathon match report", "A golden age for shellfish",
        "Fed up with queues, travellers stay at home",
    ],
)  # fmt: skip
def test_leaves_words_alone(text: str) -> None:
    assert ids(text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Traders pile into $TGT before results", Reason.CASHTAG),
        ("The chain (NYSE: TGT) opens in Boise", Reason.EXCHANGE),
        ("Target Corp opens in Boise", Reason.LEGAL_FORM),
        ("Target's stores are full", Reason.POSSESSIVE),
        ("Target raises wages", Reason.COMPANY_VERB),
        ("Weak start for Target shares", Reason.FINANCE_WORD),
        ("Shoppers return to Target in droves", Reason.PROPER_NOUN),
    ],
)
def test_a_doubtful_name_counts_with_a_reason(text: str, reason: Reason) -> None:
    assert [(m.entity_id, m.reason) for m in MATCHER.find(text)] == [("co:target", reason)]


def test_a_doubtful_name_counts_when_it_is_named_clearly_elsewhere() -> None:
    text = "Where Target Draws the Crowds on a Rainy Day\nIn Boise they love Target Corp."
    assert [m.reason for m in MATCHER.find(text)] == [Reason.MENTIONED_ELSEWHERE, Reason.LEGAL_FORM]


def test_tickers_count_only_as_codes() -> None:
    assert ids("COST and ALL and IT and A are words") == []
    assert ids("$COST jumps") == ["co:costco"]
    assert ids("Cuts at the driller (LON: SHEL)") == ["co:shell"]
    assert ids("US$COST jumps, $COSTS too") == []


def test_the_longest_name_wins() -> None:
    assert found("Deutsche Bank and Deutsche Börse") == [
        ("co:deutsche-bank", "Deutsche Bank"),
        ("co:deutsche-borse", "Deutsche Börse"),
    ]
    assert found("Goldman Sachs hires") == [("co:goldman-sachs", "Goldman Sachs")]
    assert found("Dollar General opens") == [("co:dollar-general", "Dollar General")]


@given(st.text(max_size=120) | st.lists(st.sampled_from(
    ["Target", "Apple's", "$TGT", "(NYSE: KO)", "Fed", "ﬁne", "İ", "\n", "oil", "S&P 500", "👩‍💻", "—", "'", "shares"]
)).map(" ".join))  # fmt: skip
def test_spans_are_valid_ordered_and_apart(text: str) -> None:
    matches = MATCHER.find(text)
    assert all(0 <= m.start < m.end <= len(text) for m in matches)
    assert all(a.end <= b.start for a, b in pairwise(matches))
