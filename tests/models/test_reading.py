"""Tests of what is made alike before the network reads a text, and of what stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import reading
from models.invariance.frames import KINDS, NAMES, frames, pairs
from models.reading import Reading, is_post, read_as


def plain(text: str, entity: str | None = None) -> str:
    return read_as(text, entity, Reading.PLAIN)


@pytest.mark.parametrize(
    ("given_text", "read"),
    [
        ("Velmont shares fall - Reuters", "Velmont shares fall"),
        ("RPT-UPDATE 2-Velmont shares fall", "Velmont shares fall"),
        ("LONDON (Reuters) - Velmont shares fall.", "Velmont shares fall"),
        ("Velmont (NYSE: VLMT) raises $1.2bn", "Velmont raises $1.2 billion"),
        ("Velmont raises USD 1,200 million", "Velmont raises $1.2 billion"),
        ("Velmont loses $0.4 billion", "Velmont loses $400 million"),
        ("Sales up 4 per cent, costs up 3 pct", "Sales up 4%, costs up 3%"),
        ("$VLMT $ORRN - Holt & Maar points to weakness", "$ - Holt & Maar points to weakness"),
        ("Velmont $VLMT cuts jobs", "Velmont cuts jobs"),
        ("“Velmont’s” profit – again", "Velmont's\" profit - again"),
    ],
)
def test_what_bears_no_meaning_is_made_alike(given_text: str, read: str) -> None:
    assert plain(given_text) == read


@pytest.mark.parametrize(
    "text",
    [
        "Operating loss narrowed to EUR 0.4 m from EUR 2.1 m",
        "Revenue of the Guardian falls",
        "Regulator questions Reuters",
        "Profit fell 12.5% in 2019",
        "Brokers cut targets on three banks",
        "Dow falls 2.3%",
    ],
)
def test_what_bears_meaning_stays(text: str) -> None:
    assert plain(text) == text


def test_the_cashtag_asked_about_stays_as_a_name() -> None:
    assert plain("$VLMT up, $ORRN down", "VLMT") == "VLMT up, $ down"
    assert plain("$VLMT up, $ORRN down", "$ORRN") == "$ up, ORRN down"


def test_nothing_is_read_as_nothing() -> None:
    assert plain("$VLMT") == "$"
    assert plain('"-"') == '"-"'
    assert plain("") == ""


@given(st.text(max_size=80))
def test_reading_never_empties_a_text_and_settles(text: str) -> None:
    once = plain(text)
    assert bool(once) == bool(read_as(text))


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {*NAMES, "company_entity", "punctuation"}))
def test_spellings_of_one_sentence_are_read_alike(kind: str) -> None:
    found = list(pairs(frames(), kind))
    assert found
    assert all(plain(one.text).lower() == plain(one.variant).lower() for one in found)


@pytest.mark.parametrize("text", ["$VLMT up", "see https://a.example/x", "@holt says no", "go #velmont"])
def test_a_post_shows_its_marks(text: str) -> None:
    assert is_post(text)


@pytest.mark.parametrize("text", ["Velmont up $2bn", "Holt's 5 @ 3 rule", "Velmont pays $5 to each"])
def test_a_headline_has_none(text: str) -> None:
    assert not is_post(text)


def test_old_artifacts_read_as_they_were_trained() -> None:
    assert reading.read_as("Velmont - Reuters") == "Velmont - Reuters"
