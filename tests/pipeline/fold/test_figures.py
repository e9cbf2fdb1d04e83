"""What numbers are made of, and when two headlines tell different ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fold.figures import differ, figures, periods_differ, roles, swapped


def test_figures_are_written_one_way() -> None:
    assert figures("$1.2bn") == figures("$1.2 billion") == figures("£1,200m")
    assert figures("up 5%") == figures("up 5 percent") == figures("up 5 per cent") != figures("up 5")
    assert figures("third-quarter") == figures("Q3") == figures("3Q") == {"q3"}
    assert figures("1,000 jobs in March") == {"1000", "march"}
    assert figures("25 basis points") == figures("a quarter point") == {"0.25pt"}


def test_numbers_written_out_are_numbers() -> None:
    assert figures("ten million viewers") == figures("10 million viewers") == figures("10m viewers")
    assert figures("half a million viewers") == figures("500,000 viewers")
    assert figures("half a dozen ships") == figures("six ships")
    assert figures("lowest in three decades") == figures("a 30-year low") == {"30"}
    assert figures("up a fifth") == figures("a fifth more") == figures("up 20%") == {"20%"}
    assert figures("up a quarter point") == {"0.25pt"}


def test_an_index_and_its_number_are_a_name() -> None:
    assert figures("FTSE 100 falls") == frozenset()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("cuts 400 jobs", "cuts 900 jobs", True),
        ("cuts 400 jobs", "cuts jobs", False),
        ("in $2bn deal", "in 2 billion deal", False),
        ("up 5%", "adds 900", False),
        ("second quarter", "third quarter", False),
    ],
)
def test_only_figures_of_one_kind_contradict(a: str, b: str, expected: bool) -> None:
    assert differ(figures(a), figures(b)) is differ(figures(b), figures(a)) is expected


def test_periods_contradict_when_each_names_another() -> None:
    assert periods_differ(figures("second quarter"), figures("Q3"))
    assert not periods_differ(figures("second quarter"), figures("results"))


@given(st.text(max_size=60))
def test_any_text_has_figures_and_never_contradicts_itself(text: str) -> None:
    assert not differ(figures(text), figures(text))
    assert not periods_differ(figures(text), figures(text))


@pytest.mark.parametrize(
    ("a", "b", "other"),
    [
        ("Net 41 mln dlrs vs 77 mln", "Net 77 mln dlrs vs 41 mln", True),
        ("Orders at EUR 262 mn, against EUR 310 mn", "Orders at EUR 310 mn, against EUR 262 mn", True),
        ("Loss of EUR 3.7 mn, against a loss of EUR 0.9 mn", "Loss of EUR 0.9 mn, against a loss of EUR 3.7 mn", True),
        ("Profit up to 310m from 262m", "Profit up from 262m to 310m", False),
        ("Cuts 300 jobs in 2 plants", "In 2 plants 300 jobs are cut", False),
        ("Orders at EUR 262 mn", "Orders at EUR 310 mn", False),
        ("Shares fall 5% to 41", "Shares fall 5% to 41", False),
    ],
)
def test_figures_that_change_places_tell_other_news(a: str, b: str, other: bool) -> None:
    assert swapped(roles(a), roles(b)) is swapped(roles(b), roles(a)) is other
