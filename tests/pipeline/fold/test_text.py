"""The gist of a headline: what is taken off, what becomes one word, and how the news is meant."""

from __future__ import annotations

import pytest

from pipeline.fold.lexicon import lexicon
from pipeline.fold.text import gist, opposed


@pytest.mark.parametrize(
    "tagged",
    [
        "UPDATE 2-Holt opens plant in Leeds",
        "BREAKING: Holt opens plant in Leeds",
        "Holt opens plant in Leeds - Reuters",
        "Holt opens plant in Leeds | Business | Daily Ledger",
        "Holt opens plant in Leeds (AP)",
        "HOLT OPENS PLANT IN LEEDS",
    ],
)
def test_tags_and_capitals_are_no_part_of_a_title(tagged: str) -> None:
    assert gist(tagged, "").title_key == gist("Holt opens plant in Leeds", "").title_key


def test_signs_and_figures_are() -> None:
    assert gist("Holt up 5%", "").title_key != gist("Holt up 5", "").title_key


def test_what_is_said_in_many_words_becomes_one() -> None:
    assert gist("Holt shares plunge", "").words == gist("Holt stock tumbles", "").words
    assert gist("Holt chief executive steps down", "").words == gist("Holt CEO quits", "").words


def test_how_the_news_is_meant() -> None:
    assert gist("Holt in talks to buy Maar", "").ahead
    assert not gist("Holt buys Maar", "").ahead
    assert gist("Holt denies report of talks", "").denial
    assert gist("Five stocks to watch this week", "").column
    assert gist("CORRECTED-Holt cuts 400 jobs", "").corrected
    assert gist("Holt calls off strike talks", "").stages == {"dropped"}


def test_how_the_news_is_meant_does_not_hang_on_capitals_but_where_they_tell() -> None:
    assert gist("HOLT DENIES REPORT OF TALKS", "").denial
    assert gist("FIVE STOCKS TO WATCH", "").column
    assert gist("HOLT CALLS OFF STRIKE TALKS", "").stages == {"dropped"}
    assert gist("Holt may sell Maar", "").ahead
    assert not gist("Holt sells Maar in May", "").ahead


@pytest.mark.parametrize(
    "title",
    [
        "Is Holt worth its price?",
        "Why Holt left Leeds",
        "Here's how Holt can recover",
        "Business leader Holt has only itself to blame",
        "Holt collapse: your questions answered",
        "Holt: share your experience of the recall",
        "Holt results and falling pound - as it happened",
        "We all pay for Holt's mistakes",
        "The Ledger view on Holt: a warning",
    ],
)
def test_comment_is_told_from_news(title: str) -> None:
    assert gist(title, "").comment


@pytest.mark.parametrize(
    "title",
    [
        "Holt wins case over letters to clients",
        "We will not sell Maar, says Holt chief",
        "Holt buys podcast maker",
        "Holt shares slide after verdict",
        "US regulator sues Holt",
        "Editor of Ledger resigns",
    ],
)
def test_news_is_no_comment(title: str) -> None:
    assert not gist(title, "").comment


def test_opposites_need_both_sides() -> None:
    rise, fall = gist("Oil rises", ""), gist("Oil falls", "")
    assert opposed(rise, fall)
    assert opposed(fall, rise)
    assert not opposed(rise, gist("Oil rises and falls", ""))
    assert opposed(gist("Castermouth 100 little changed", ""), gist("Castermouth 100 rallies", ""))


def test_the_words_agree_with_themselves() -> None:
    known = lexicon()
    # A form that another line turns into something else would never be met.
    assert {form for form in known.same.values() if known.form(form) != form} == set()
    for one, others in known.opposites.items():
        assert one not in others
