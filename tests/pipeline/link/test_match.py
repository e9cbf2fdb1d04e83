"""Finding names: boundaries, cases, doubtful names and their reasons, codes, and spans that always fit."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.link.doubtful import Reason, load_doubtful
from pipeline.link.gazetteer import load
from pipeline.link.match import Matcher

MATCHER = Matcher(load(), load_doubtful())


def found(text: str) -> list[tuple[str, str]]:
    return [(m.entity_id, text[m.start : m.end]) for m in MATCHER.find(text)]


def ids(text: str, when: date | None = None) -> list[str]:
    return [m.entity_id for m in MATCHER.find(text, when)]


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("Boeing halts deliveries", "co:boeing"),
        ("Boeing's new jet is late", "co:boeing"),
        ("BOEING HALTS DELIVERIES", "co:boeing"),
        ("Facebook fined again", "co:meta-platforms"),
        ("Google fined again", "co:alphabet"),
        ("GlaxoSmithKline trial ends", "co:gsk"),
        ("Nestle trims prices", "co:nestle"),
        ("NESTLÉ TRIMS PRICES", "co:nestle"),
        ("Duolingo lifts forecast", "co:duolingo"),
        ("Hubspot draws interest", "co:hubspot"),
        ("Jerome Powell stays", "pe:jerome-powell"),
        ("Bank Of England Holds Rates", "cb:boe"),
        ("Sainsbury’s sales slip", "co:sainsburys"),
        ("Traders bet the Fed will wait", "cb:fed"),
        ("Nasdaq closes at a record", "ix:nasdaq"),
        ("Oil prices slide", "cm:oil"),
        ("M&S closes stores", "co:marks-and-spencer"),
        ("Earplug case: 3M settles", "co:3m"),
    ],
)
def test_finds_names_aliases_and_former_names(text: str, entity: str) -> None:
    assert ids(text) == [entity]


@pytest.mark.parametrize(
    "text",
    [
        "Strike costs the airline £3m a week", "Fine of $3M for exporter", "Loss narrows to €1.3M",
        "Profit up by 3m pounds",
        "Boeings of the past", "Cost of living rises", "COST OF LIVING RISES", "It is all in the mind",
        "The gap widens", "Gap between rich and poor widens", "A shell company in Panama", "An apple a day",
        "New visa rules for students", "Analysts lift price target", "Harrison Ford returns to the screen",
        "Next week in the markets", "Marathon match report", "A golden age for shellfish",
        "Fed up with queues, travellers stay at home", "The oracle of Omaha speaks",
        "The Supreme Onion Company of Ohio", "Gold medal for the bakers", "(NASDAQ: ZZZZZ) is nobody we know",
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
        ("Target (TGT) opens in Boise", Reason.TICKER),
        ("Target to open a store in Boise", Reason.COMPANY_VERB),
        ("Target +4% in early trade", Reason.FINANCE_WORD),
        ("Retailer Target in Boise", Reason.KIND),
    ],
)
def test_a_doubtful_name_counts_with_a_reason(text: str, reason: Reason) -> None:
    assert [(m.entity_id, m.reason) for m in MATCHER.find(text)] == [("co:target", reason)]


def test_a_doubtful_name_counts_when_it_is_named_clearly_elsewhere() -> None:
    text = "Where Target Draws the Crowds on a Rainy Day\nIn Boise they love Target Corp."
    assert [m.reason for m in MATCHER.find(text)] == [Reason.MENTIONED_ELSEWHERE, Reason.LEGAL_FORM]


def test_doubtful_names_in_a_list_of_companies_count() -> None:
    text = "What Moved Today: Boeing, Gap, Target and More"
    assert [(m.entity_id, m.reason) for m in MATCHER.find(text)] == [
        ("co:boeing", Reason.NAME),
        ("co:gap", Reason.BESIDE_COMPANY),
        ("co:target", Reason.BESIDE_COMPANY),
    ]


def test_a_person_or_place_of_the_name_is_not_the_company() -> None:
    assert ids("They all flew to Ford in droves") == []
    assert ids("They all drove to Target in droves") == ["co:target"]
    assert ids("Anagram Capital Group hires") == []


@pytest.mark.parametrize(
    ("text", "when", "expected"),
    [
        ("Square shares jump", date(2019, 5, 1), ["co:block"]),
        ("Square shares jump", date(2023, 5, 1), []),
        ("Square shares jump", None, ["co:block"]),
        ("Meta shares jump", date(2019, 5, 1), []),
        ("Meta shares jump", date(2021, 10, 28), ["co:meta-platforms"]),
        ("Time Warner holders vote", date(2017, 6, 1), ["co:warner-bros-discovery"]),
        ("Time Warner holders vote", date(2019, 6, 1), []),
        ("$FB rallies", date(2020, 1, 2), ["co:meta-platforms"]),
        ("$FB rallies", date(2024, 1, 2), []),
    ],
)
def test_a_former_name_counts_in_its_own_time(text: str, when: date | None, expected: list[str]) -> None:
    assert ids(text, when) == expected


def test_currencies_and_commodities_need_a_market() -> None:
    assert ids("Gold slips below $2,000") == ["cm:gold"]
    assert ids("Wedding rings of gold are back") == []
    assert ids("Pound falls against dollar") == ["fx:gbp", "fx:usd"]
    assert ids("A pound of butter for the baker") == []


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
