"""What a page says about numbers: the sentences themselves."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards import words

NOW = datetime(2026, 3, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.5, "ordinary"), (0.2, "ordinary"), (0.17, "1 in 6"), (0.05, "1 in 20"), (0.0025, "1 in 400"),
        (1 / 3127, "1 in 3,100"), (1e-4, "1 in 10,000"), (1e-9, "under 1 in 10,000"), (0.0, "under 1 in 10,000"),
        (math.nan, ""), (None, ""),
    ],
)  # fmt: skip
def test_a_chance_is_said_as_one_in_so_many(p: float | None, said: str) -> None:
    assert words.chance_words(p) == said


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0.2, "just now"), (1, "1 min"), (12, "12 min"), (89, "89 min"), (120, "2 h"), (540, "9 h"), (4 * 1440, "4 days")],
)
def test_an_age_has_one_unit(minutes: float, said: str) -> None:
    assert words.age_words(NOW - timedelta(minutes=minutes), NOW) == said


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (datetime(2018, 1, 1), datetime(2020, 1, 1), "1 Jan 2018 to 1 Jan 2020"),
        (datetime(2025, 12, 4), datetime(2026, 3, 3), "4 Dec 2025 to 3 Mar 2026"),
        (datetime(2026, 1, 2), datetime(2026, 3, 3), "2 Jan to 3 Mar 2026"),
    ],
)
def test_a_span_has_both_years_where_they_differ(start: datetime, end: datetime, said: str) -> None:
    assert words.span_words(start, end) == said


def test_what_is_not_known_is_said_so_and_is_never_a_zero() -> None:
    assert words.age_words(None, NOW) == "never"
    assert words.range_words(math.nan, math.nan, math.nan, "warming_up") == "warming up: no range"
    assert words.range_words(math.nan, math.nan, math.nan, "too_sparse") == "too sparse: no range"
    assert words.counts_words(0, 0) == "no stories"
    assert words.polarity_mark(math.nan) == ("○", "unscored")


def test_counts_and_range() -> None:
    assert words.counts_words(14, 31) == "14 of 31 negative"
    assert words.range_words(5.1, 2.0, 9.0, "ok") == "usual 5, range 2–9"
    assert words.corroboration_words(1, 1) == "single source"
    assert words.corroboration_words(3, 5) == "3 owners, 5 articles"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "//evil.example", "/etc/passwd", "http://", "",
     "https://[", None, 7, "java\nscript:alert(1)", "file:///etc/passwd"],
)  # fmt: skip
def test_only_web_addresses_are_links(url: object) -> None:
    assert words.safe_url(url) is None


def test_a_web_address_is_kept() -> None:
    assert words.safe_url(" https://wire.example/a?b=1 ") == "https://wire.example/a?b=1"


@given(st.text())
def test_no_text_of_a_feed_is_markup_in_a_chart(text: str) -> None:
    said = words.plain(text)
    assert not set("<>\"'\n\r\x00") & set(said)
    assert len(said) <= 300 * len("&quot;")


def test_a_decision_says_the_counts_before_the_odds() -> None:
    payload = {
        "rule": "negative-share-topic", "rule_kind": "negative_share", "grain": "day", "story_count": 31,
        "negative_stories": 14, "expected": 5.1, "low": 2, "high": 9, "p_value": 0.0006, "p_limit": 0.005,
        "bucket_start": "2026-03-03T00:00:00+00:00",
    }  # fmt: skip
    assert words.decision_words(payload) == (
        "Rule “negative-share-topic”: 14 of 31 stories negative on 3 Mar; usual 5, range 2–9."
        " Chance 1 in 1,700 by its own past; it fires under 1 in 200."
    )
