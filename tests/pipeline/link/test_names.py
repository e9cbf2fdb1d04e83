"""Names: legal forms dropped, ids, folding, and the notes of an alias."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.link.names import Name, Needs, core_name, fold, parse_name, slug


@pytest.mark.parametrize(
    ("name", "core"),
    [("Apple Inc.", "Apple"), ("The Coca-Cola Company", "Coca-Cola"), ("HP", "HP"), ("Mitsui & Co.", "Mitsui"),
     ("Dorian LPG, Ltd.", "Dorian LPG"), ("Company", "Company"), ("Telefonica S A", "Telefonica"),
     ("Vodafone Group Public Limited Co", "Vodafone Group"), ("Cemex S.A.B. de C.V.", "Cemex"), ("Costco", "Costco")],
)  # fmt: skip
def test_legal_forms_are_dropped(name: str, core: str) -> None:
    assert core_name(name) == core


def test_an_id_is_plain() -> None:
    assert slug("Société Générale & Sons") == "societe-generale-and-sons"


@given(st.text(max_size=60))
def test_folding_keeps_length_and_is_its_own_fixed_point(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


def test_folding_takes_accents_and_typography_away() -> None:
    assert fold("Nestlé’s Co‑op") == "nestle's co-op"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Target", Name("Target")),
        ("Gap [word]", Name("Gap", needs=Needs.WORD)),
        ("Square [..2021-12-10]", Name("Square", until=date(2021, 12, 10))),
        ("Meta [2021-10-28.. word]", Name("Meta", since=date(2021, 10, 28), needs=Needs.WORD)),
    ],
)
def test_notes_are_read(written: str, name: Name) -> None:
    assert parse_name(written) == name


@pytest.mark.parametrize("written", ["Gap [words]", "Gap [2021]", "Gap [..2021-13-01]", "Gap [a..b..c]"])
def test_a_broken_note_is_named(written: str) -> None:
    with pytest.raises(InputError, match=r"neither dates"):
        parse_name(written)
