"""The gazetteer's build: public lists to rows, the same bytes from the same inputs, errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.link import sources
from pipeline.link.build import Sources, build, companies, merge
from pipeline.link.filers import common_words, is_company, needs_of, own_tickers, written, written_all
from pipeline.link.gazetteer import Entity, read_entities
from pipeline.link.names import Needs
from pipeline.link.sources import Filer

COMMON = common_words(["the", "blue", "bird", "capital", "energy", "harbour", "##ing"], ["snowflake"])
FILERS = {
    "0": {"cik_str": 1, "ticker": "TLVA", "title": "TOLVA THERAPEUTICS INC /DE/"},
    "1": {"cik_str": 1, "ticker": "TLVA-WT", "title": "TOLVA THERAPEUTICS INC /DE/"},
    "2": {"cik_str": 2, "ticker": "BBRD", "title": "Blue Bird Corp"},
    "3": {"cik_str": 3, "ticker": "ZZAC", "title": "Zork Acquisition Corp. II"},
    "4": {"cik_str": 4, "ticker": "BA", "title": "BOEING CO"},
}


@pytest.fixture
def inputs(tmp_path: Path) -> Sources:
    (tmp_path / "filers.json").write_text(json.dumps(FILERS), encoding="utf-8")
    (tmp_path / "members.csv").write_text(
        "Symbol,Security,GICS Sector\nBA,Boeing,Industrials\nQXQX,Quillon Water,Utilities\n", encoding="utf-8"
    )
    (tmp_path / "listed.csv").write_text('Symbol,Company Name\nTLVA,"TolVa Therapeutics, Inc."\n', encoding="utf-8")
    return Sources(*(str(tmp_path / name) for name in ("filers.json", "members.csv", "listed.csv")))


def test_all_sources_are_joined_and_repeatable(tmp_path: Path, inputs: Sources) -> None:
    steps: list[str] = []
    first = build(tmp_path / "a.csv", inputs, steps.append)
    second = build(tmp_path / "b.csv", inputs)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256
    assert len(steps) == 4
    rows = {entity.entity_id: entity for entity in read_entities(first.path)}
    assert (rows["co:tolva-therapeutics"].name, rows["co:tolva-therapeutics"].tickers) == (
        "TolVa Therapeutics",
        ("TLVA",),
    )
    assert rows["co:tolva-therapeutics"].sector == "health_care"
    assert rows["co:blue-bird"].aliases == ("Blue Bird [word]",)
    assert rows["co:quillon-water"].sector == "utilities"
    assert rows["co:boeing"].tickers.count("BA") == 1
    assert not any("zork" in entity_id for entity_id in rows)
    assert sum(first.by_source.values()) == first.companies == len(rows)


def test_sources_can_be_left_out(tmp_path: Path) -> None:
    built = build(tmp_path / "a.csv", Sources("", "", ""))
    assert set(built.by_source) == {"indices", "own"}


@pytest.mark.parametrize(
    ("which", "body", "named"),
    [("filers.json", "[1]", "company_tickers"), ("members.csv", "a,b\n1,2\n", "Security, Symbol"),
     ("listed.csv", "Symbol\nX\n", "Company Name")],
)  # fmt: skip
def test_a_wrong_file_is_named(tmp_path: Path, inputs: Sources, which: str, body: str, named: str) -> None:
    (tmp_path / which).write_text(body, encoding="utf-8")
    with pytest.raises(InputError, match=named) as caught:
        build(tmp_path / "a.csv", inputs)
    assert which in str(caught.value)


def test_a_missing_file_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"no-such-file.*Give the path"):
        sources.read("no-such-file.json")


@pytest.mark.parametrize(
    ("title", "company"),
    [("Snowflake Inc.", True), ("BLACKROCK MUNIYIELD QUALITY FUND", False), ("Zork Acquisition I Corp.", False),
     ("Digital Realty Trust, Inc.", True), ("SPDR GOLD TRUST", False), ("American Merger Corp", False)],
)  # fmt: skip
def test_funds_and_shells_are_left_out(title: str, company: bool) -> None:
    assert is_company(title) is company


def test_only_shares_count_as_tickers() -> None:
    assert own_tickers(["BRK-B", "BRK-A"]) == ("BRK.B", "BRK.A")
    assert own_tickers(["USB", "USB-PA", "USB-WT"]) == ("USB",)
    assert own_tickers(["TGAA", "TGAAU", "TGAAW"]) == ("TGAA",)


@pytest.mark.parametrize(
    ("title", "name"),
    [("OCCIDENTAL PETROLEUM CORP /DE/", "Occidental Petroleum"), ("US BANCORP \\DE\\", "US Bancorp"),
     ("MCDONALD'S CORP", "Mcdonald's"), ("Life Time Group Holdings, Inc.", "Life Time Group Holdings"),
     ("BANK OF THE BAY INC", "Bank of the Bay")],
)  # fmt: skip
def test_names_are_written_as_people_do(title: str, name: str) -> None:
    assert written(Filer(1, title, ("X",)), {}, common_words(["bank", "bay", "life", "time", "group"])) == name


@pytest.mark.parametrize(
    ("name", "needs"),
    [("Duolingo", Needs.NOTHING), ("Snowflake", Needs.NAME), ("Capital", Needs.CODE), ("UGI", Needs.NAME),
     ("Blue Bird", Needs.WORD), ("Blue Harbour Energy", Needs.NOTHING), ("Quillon Energy", Needs.NOTHING),
     ("Blue Therapeutics", Needs.NOTHING)],
)  # fmt: skip
def test_ordinary_words_need_a_reason(name: str, needs: Needs) -> None:
    assert needs_of(name, COMMON) is needs


def test_a_name_of_two_needs_a_code_and_short_forms_are_unique() -> None:
    titles = ["Quillon Holdings", "Quillon Holdings Inc", "Palvantir Technologies", "Capital Group", "Zerble Group"]
    filers = [Filer(number, title, (f"T{number}",)) for number, title in enumerate(titles)]
    forms = {filer.cik: dict(found) for filer, _, found in written_all(filers, {}, COMMON)}
    assert forms[0] == forms[1] == {"Quillon Holdings": Needs.CODE}
    assert forms[2] == {"Palvantir Technologies": Needs.NOTHING, "Palvantir": Needs.NOTHING}
    assert "Capital" not in forms[3]
    assert forms[4]["Zerble"] is Needs.NOTHING


def test_what_is_ours_outranks_and_notes_replace() -> None:
    base = Entity("co:x", "X Corp", "company", "retail", "", ("X",), ("X", "Ex"), "US")
    ours = Entity("co:x", "X", "company", "", "co:y", ("EXX",), ("X [word]",), "")
    assert merge(base, ours) == Entity("co:x", "X", "company", "retail", "co:y", ("X", "EXX"), ("X [word]", "Ex"), "US")


def test_companies_from_the_package_have_ids_codes_and_sectors() -> None:
    stocks = [
        {"name": "Orrin Foods plc", "symbol": "ORN.L", "industries": ["Food & Beverages"], "isins": ["GB00"]},
        {"name": "Tolva, Inc.", "symbol": "TLVA", "industries": ["Computer Software"]},
    ]
    orrin, tolva = companies(stocks, frozenset({"Tolva, Inc."}))
    assert (orrin.entity_id, orrin.tickers, orrin.country) == ("co:orrin-foods", ("LON:ORN",), "GB")
    assert orrin.sector == "consumer_goods"
    assert (tolva.entity_id, tolva.tickers, tolva.country, tolva.sector) == ("co:tolva", ("TLVA",), "US", "technology")
