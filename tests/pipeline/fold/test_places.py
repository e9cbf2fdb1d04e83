"""Which places a headline names, and when two headlines are about different ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fold.places import agree, contradict, places


def test_a_place_is_known_under_its_adjective_and_by_its_government() -> None:
    assert places("Norwegian outage") == places("plant in Norway shut") == {"norway"}
    assert places("Berlin loosens limits") == places("German limits") == {"europe/germany"}
    assert places("U.S. payrolls") == places("American jobs") == {"us"}


def test_a_word_without_a_capital_is_no_place() -> None:
    assert places("turkey sandwiches recalled") == frozenset()
    assert places("Turkey raises rates") == {"turkey"}


@pytest.mark.parametrize(
    ("a", "b", "same", "other"),
    [
        ("plant in Milan", "Italian plant", True, False),
        ("unit in Mexico", "unit in Peru", False, True),
        ("blast in Ohio", "blast in Texas", False, True),
        ("blast in Ohio", "blast in US", True, False),
        ("blast in Ohio", "blast kills two", False, False),
        ("EU fines German firm", "Brussels fines firm", True, False),
    ],
)
def test_what_lies_within_agrees_and_what_lies_elsewhere_contradicts(a: str, b: str, same: bool, other: bool) -> None:
    one, two = places(a), places(b)
    assert agree(one, two) is agree(two, one) is same
    assert contradict(one, two) is contradict(two, one) is other


@given(st.text(max_size=60))
def test_no_text_contradicts_itself(text: str) -> None:
    assert not contradict(places(text), places(text))
