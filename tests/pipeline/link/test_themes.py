"""Themes: what counts, what denial and negation take away, and whom a theme is about."""

from __future__ import annotations

import pytest

from pipeline.errors import RulesError
from pipeline.link import open_linker
from pipeline.link.names import fold
from pipeline.link.themes import Themes, load_themes

LINKER = open_linker()


def themes(text: str) -> set[str]:
    return {hit.theme for hit in load_themes().find(text)}


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("Orrin Foods defaults on its bonds", "default"),
        ("Holt & Maar files for bankruptcy", "bankruptcy"),
        ("Retailer Holt falls into administration", "bankruptcy"),
        ("Velmont cut to junk by agency", "downgrade"),
        ("Founder of Tolva charged over accounting scandal", "fraud"),
        ("Regulator fines Brightwater Bank", "enforcement"),
        ("US imposes sanctions on shipping line", "sanctions"),
        ("Hackers steal customer data at Tidewell", "cyber"),
        ("Fund suspends redemptions after cash crunch", "liquidity"),
        ("Carmaker recalls 20,000 vans over brakes", "recall"),
        ("Lender to axe 900 jobs", "layoffs"),
        ("Shareholders file class action against Tolva", "litigation"),
        ("Holt issues profit warning", "profit_warning"),
        ("Maar chief executive steps down", "management_exit"),
        ("Regulator seizes Velmont", "seizure"),
        ("Velmont restates a year of results", "accounting"),
        ("Short seller targets Velmont", "short_seller"),
        ("Velmont cuts full-year forecast", "guidance_cut"),
        ("Velmont halves dividend", "dividend_cut"),
        ("Velmont posts surprise loss", "earnings_miss"),
        ("Velmont takes impairment on towers", "write_down"),
        ("Pilots at Velmont vote to strike", "strike"),
        ("Explosion at Velmont refinery", "accident"),
        ("Outage hits Velmont app", "outage"),
    ],
)
def test_each_theme_is_found(text: str, theme: str) -> None:
    assert theme in themes(text)


@pytest.mark.parametrize(
    ("text", "theme"),
    [
        ("No default expected at Velmont", "default"),
        ("Velmont denies fraud", "fraud"),
        ("Brightwater Bank to wind down £1bn of loans", "bankruptcy"),
        ("Brightwater Bank pays first dividend since bailout", "liquidity"),
        ("Velmont repays its bailout", "liquidity"),
        ("Holt avoids bankruptcy", "bankruptcy"),
        ("Holt not insolvent, says chairman", "bankruptcy"),
        ("Fraud charges against Tolva dismissed", "fraud"),
        ("US lifts sanctions on metals group", "sanctions"),
        ("Default setting of the browser changes", "default"),
        ("Tolva rules out job cuts", "layoffs"),
        ("Author recalls his early years in banking", "recall"),
        ("Velmont strikes deal to build a port", "strike"),
        ("Stock market crash of 1929 revisited", "accident"),
        ("Velmont seizes chance to buy rival", "seizure"),
        ("Economists cut growth forecasts", "guidance_cut"),
        ("Velmont refines its fine dining menu", "enforcement"),
    ],
)
def test_negation_denial_and_other_senses(text: str, theme: str) -> None:
    assert theme not in themes(text)


def test_a_denial_reaches_to_the_end_of_its_clause_only() -> None:
    assert "fraud" in themes("Velmont denies wrongdoing, faces fraud probe")


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("JPMorgan downgrades Tesla to neutral", ("co:tesla", "downgrade")),
        ("Tesla downgraded by Goldman Sachs", ("co:tesla", "downgrade")),
        ("SEC fines Boeing over disclosures", ("co:boeing", "enforcement")),
        ("Boeing and Airbus diverge as Boeing recalls jets", ("co:boeing", "recall")),
    ],
)
def test_a_theme_goes_to_the_company_it_is_about(title: str, expected: tuple[str, str]) -> None:
    towards = [row for row in LINKER.link(title).themes if row[0] and row[1] == expected[1]]
    assert towards == [expected]
    assert ("", expected[1]) in LINKER.link(title).themes


def test_a_theme_of_the_summary_goes_to_the_only_company() -> None:
    linked = LINKER.link("Trouble at Boeing", "The maker faces a fraud probe. More follows.")
    assert ("co:boeing", "fraud") in linked.themes


def test_a_theme_without_a_company_is_the_articles_only() -> None:
    assert LINKER.link("Wave of job cuts hits the north").themes == (("", "layoffs"),)


def test_positions_hold_in_texts_whose_lower_case_is_longer() -> None:
    text = "İİİİ Holt files for bankruptcy"
    (hit,) = load_themes().find(text)
    assert text[hit.start : hit.end] == "bankruptcy"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("[themes.a]\npattern = ['x']", "pattern"),
        ("[themes.a]\nsevere = true", "patterns"),
        ("[themes.a]\npatterns = ['*']", "'*'"),
        ("nonsense", "TOML"),
    ],
)
def test_a_broken_file_names_what_is_wrong(body: str, named: str) -> None:
    with pytest.raises(RulesError, match=named.replace("*", r"\*")):
        Themes(f"negations = ['no']\nreversals = ['denied']\n{body}")


def test_a_gap_does_not_leap_over_the_end_of_a_part() -> None:
    assert "layoffs" not in themes("Velmont cuts costs - Reuters - Maar adds jobs")
    assert "layoffs" in themes("Velmont cuts 300 Leeds jobs")


def test_folding_keeps_every_position() -> None:
    text = "İstanbul: Société’s fraud — naïve"
    assert len(fold(text)) == len(text)
    (hit,) = load_themes().find(text)
    assert text[hit.start : hit.end] == "fraud"


def test_severe_themes() -> None:
    assert load_themes().severe == {
        "accounting", "bankruptcy", "default", "enforcement", "fraud", "liquidity", "sanctions", "seizure",
        "short_seller",
    }  # fmt: skip
