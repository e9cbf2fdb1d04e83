"""Statuses: the samples come out as labelled, real headlines are not stopped, and nothing ends in an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import DEFAULT
from models.data import read
from models.recipe import load
from models.status import Status, abstained, status
from models.status.filings import is_filing
from models.status.language import is_foreign
from models.status.measure import right, samples
from models.status.off_topic import names_finance, weight
from models.text import clean

SAMPLES = Path(__file__).resolve().parent.parent / "samples" / "statuses"
FEWEST = {
    # File and expectation: at least so many right. What slips through stands in docs/statuses.md.
    ("empty", "empty"): 18,
    ("empty", "to be scored"): 4,
    ("english", "to be scored"): 85,
    ("filing", "filing"): 53,
    ("filing", "to be scored"): 20,
    ("financial", "to be scored"): 132,
    ("language", "language"): 113,
    ("not_financial", "not_financial"): 123,
    ("second_financial", "to be scored"): 55,
    ("second_language", "language"): 36,
    ("second_language", "to be scored"): 19,
    ("second_not_financial", "not_financial"): 28,
}


def test_the_samples_come_out_as_labelled() -> None:
    found = right(list(samples(SAMPLES)))
    assert found.keys() == FEWEST.keys()
    short = {key: (n, of) for key, (n, of) in found.items() if n < FEWEST[key]}
    assert short == {}


def test_each_sample_stands_once() -> None:
    texts = [sample.text for sample in samples(SAMPLES)]
    assert len(texts) == len(set(texts))


def test_real_headlines_are_not_stopped(shared_data: Path) -> None:
    headlines = {row.text for source in load(DEFAULT, shared_data).data if source.news for row in read(source)}
    assert len(headlines) > 8_000
    stopped = [text for text in headlines if status(text) is not None]
    assert len(stopped) <= 0.002 * len(headlines), stopped


def test_what_the_source_says_comes_first() -> None:
    assert status("Profit rises", filing=True) is Status.FILING
    assert status("", filing=True) is Status.FILING
    assert status("Profit rises") is None


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("Gewinn", "de", True),
        ("Gewinn", None, False),
        ("Gewinn", "en-GB", False),
        ("Oil slips", "de", False),
        ("Velmont raises its outlook after strong sales", "de", False),
        ("Der Umsatz stieg im dritten Quartal um 4 Prozent", "en", True),
        ("トヨタ", "en", True),
        ("Wipro wins 多", None, False),
    ],
)
def test_the_text_outweighs_what_its_feed_declares(text: str, declared: str | None, expected: bool) -> None:
    assert is_foreign(text, declared) is expected


def test_an_article_with_a_known_company_is_never_off_topic() -> None:
    text = "Actress stuns in emerald gown on red carpet"
    assert status(text) is Status.NOT_FINANCIAL
    assert status(text, linked=True) is None


def test_finance_has_a_veto() -> None:
    text = "Puppy rescued from drain by firefighters"
    found = weight(text)
    assert found is not None
    assert found > 0
    assert status(text) is Status.NOT_FINANCIAL
    assert status(text + ", shares rise") is None
    assert names_finance("C.E.O. runs marathon")
    assert weight("Mars to swallow Kellanova") is None


def test_a_form_about_which_somebody_writes_is_news() -> None:
    assert is_filing("10-Q - Orrin Foods Inc")
    assert not is_filing("10-Q: Orrin Foods misses estimates")
    assert is_filing("1-A-W - Velmont, Inc. (0001234567) (Filer)")


def test_an_unsure_answer_abstains() -> None:
    assert abstained(0.49, 0.5) is Status.ABSTAINED
    assert abstained(0.5, 0.5) is Status.SCORED


@given(st.text(max_size=300))
def test_any_text_has_an_answer_and_spaces_do_not_change_it(text: str) -> None:
    answer = status(text)
    assert answer in (None, Status.EMPTY, Status.FILING, Status.LANGUAGE, Status.NOT_FINANCIAL)
    if not any(character.isalpha() for character in clean(text)):
        assert answer is Status.EMPTY
    assert status(f"  {text}\n") is answer


@pytest.mark.parametrize("text", ["\ud800 lone", "a\0b profit", "word " * 100_000, "a" * 1_000_000, "$" * 100_000])
def test_strange_texts_end_in_an_answer(text: str) -> None:
    assert status(text) in (None, Status.EMPTY, Status.LANGUAGE)
