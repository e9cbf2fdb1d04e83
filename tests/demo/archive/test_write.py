"""The archive is reproducible, varied, well-formed, and invented."""

import gzip
import re
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from demo.archive import read
from demo.archive.grammar import Teller, load_templates, parse_template
from demo.archive.world import load_world
from demo.archive.write import SEED, write

FILES = ("headlines.csv.gz", "truth.csv.gz", "entities.csv", "publishers.csv", "watchlists.toml", "planted.json")
TOPICS = 20
GENERIC_TOKENS = {"bank", "group", "holdings", "the", "first"}


def bytes_of(folder: Path, name: str) -> bytes:
    return (folder / name).read_bytes()


def plain(folder: Path, name: str) -> bytes:
    body = bytes_of(folder, name)
    return gzip.decompress(body) if name.endswith(".gz") else body


@pytest.fixture(scope="module")
def told() -> pd.DataFrame:
    """Headlines with the truth about them, in minutes before the end."""
    headlines = pd.read_csv(read.FOLDER / "headlines.csv.gz", keep_default_na=False)
    return headlines.merge(read.truth(), on="link", validate="one_to_one")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive as the generator writes it now."""
    folder = tmp_path_factory.mktemp("archive")
    write(folder)
    return folder


def test_same_seed_gives_same_bytes_and_another_seed_does_not(written: Path, tmp_path: Path) -> None:
    write(tmp_path / "again")
    write(tmp_path / "other", seed=SEED + 1)
    for name in FILES:
        assert bytes_of(written, name) == bytes_of(tmp_path / "again", name)
    assert bytes_of(written, "headlines.csv.gz") != bytes_of(tmp_path / "other", "headlines.csv.gz")


def test_bundled_files_are_what_the_generator_writes(written: Path) -> None:
    for name in FILES:  # unpacked: another zlib may pack the same text into other bytes
        assert plain(written, name) == plain(read.FOLDER, name), f"{name} is stale: python -m demo.archive.write"


def test_size_span_and_order(told: pd.DataFrame) -> None:
    assert 7500 <= len(told) <= 9000
    assert told.minutes_before_end.between(0, 75 * 1440).all()
    assert told.minutes_before_end.max() > 74 * 1440
    assert told.minutes_before_end.min() < 30
    assert told.minutes_before_end.is_monotonic_decreasing
    assert sum((read.FOLDER / name).stat().st_size for name in FILES if name.endswith(".gz")) < 1_000_000


def test_links_are_unique_and_belong_to_their_publisher(told: pd.DataFrame) -> None:
    sites = read.publishers().set_index("publisher").site
    assert told.link.is_unique
    assert all(link.startswith(sites[name] + "/") for link, name in zip(told.link, told.publisher, strict=True))
    assert sites.str.endswith(".example").all()
    assert told.groupby(["story", "publisher"]).size().max() == 1


def test_eight_publishers_of_seven_owners(told: pd.DataFrame) -> None:
    publishers = read.publishers()
    assert len(publishers) == 8
    assert publishers.owner.nunique() == 7
    assert set(told.publisher) == set(publishers.publisher)


def test_grammar_is_rich_and_covers_every_topic(told: pd.DataFrame) -> None:
    templates = load_templates()
    assert len({template.title for template in templates}) >= 150
    assert len({template.topic for template in templates}) == told.topic.nunique() == TOPICS
    assert told.drop_duplicates("story").title.nunique() > 4500


def test_ordinary_polarity_is_a_fifth_negative_and_a_third_positive(told: pd.DataFrame) -> None:
    ordinary = told[told.planted == ""].drop_duplicates("story").polarity.value_counts(normalize=True)
    assert ordinary["negative"] == pytest.approx(0.20, abs=0.03)
    assert ordinary["positive"] == pytest.approx(0.35, abs=0.03)


def test_reprints_are_a_seventh_and_keep_numbers_and_company(told: pd.DataFrame) -> None:
    printings = told.groupby("story").size()
    assert (printings > 1).mean() == pytest.approx(0.15, abs=0.02)
    assert printings.max() <= 5
    edited = 0
    for _, story in told[told.story.isin(printings[printings > 1].index)].groupby("story"):
        first = story.iloc[0]
        numbers = [re.findall(r"\d[\d,.]*\d|\d", re.sub(r"^UPDATE \d-", "", title)) for title in story.title]
        assert all(sorted(found) == sorted(numbers[0]) for found in numbers)
        assert story.company.nunique() == story.polarity.nunique() == 1
        edited += int((story.title != first.title).sum())
    assert edited > 200


def test_nights_and_weekends_are_quieter(told: pd.DataFrame) -> None:
    stories = told.drop_duplicates("story")
    at = pd.Timestamp("2026-03-04 15:00") - pd.to_timedelta(stories.minutes_before_end, unit="min")
    rate = stories.groupby([at.dt.day_of_week >= 5, at.dt.hour.between(6, 17)]).size()
    assert rate[False, True] / rate[False, False] == pytest.approx(1.75, abs=0.35)  # twelve hours each, dusk between
    assert (rate[True].sum() / 2) / (rate[False].sum() / 5) == pytest.approx(0.6, abs=0.1)


def test_texts_are_clean(told: pd.DataFrame) -> None:
    texts = pd.concat([told.title, told.summary])
    assert not texts.str.contains(r"[\[\]{}|@<>]|  |,[.;,]|\.\.").any()
    assert not texts.str.contains(r"\b[Aa] (?!one\b|once|uni|use|eu)[aeiou]|\b[Aa]n [bcdfgjkmpqtvwz]").any(), "a or an"
    assert not texts.str.contains(r"\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b").any(), "the end is any day"
    assert not texts.str.contains(r"\b(?:20[12]\d|January|February|August|October|November|December)\b").any()
    assert told.title.str.len().between(14, 140).all()
    assert told.summary.str.len().between(20, 300).all()


def test_no_name_is_that_of_a_real_listed_company() -> None:
    symbols = pytest.importorskip("pytickersymbols", reason="the list of real names is not installed")
    stocks = list(symbols.PyTickerSymbols().get_all_stocks())
    assert len(stocks) > 500
    real = {re.sub(r"[^a-z0-9 ]", "", stock["name"].lower()).strip() for stock in stocks}
    first_words = {name.split()[0] for name in real if name} - GENERIC_TOKENS
    tickers = {stock.get("symbol") for stock in stocks}
    entities = pd.read_csv(read.ENTITIES, keep_default_na=False)
    for row in entities[entities.kind == "company"].itertuples():
        for name in (row.name, *filter(None, row.aliases.split("|"))):
            words = re.sub(r"[^a-z0-9 ]", "", name.lower()).split()
            assert " ".join(words) not in real
            assert words[0] not in first_words, f"{name} begins like a real company"
        assert not row.tickers or row.tickers not in tickers


def test_an_entry_without_a_summary_or_with_an_unknown_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="headline"):
        parse_template("Macro", "neutral", "only a headline", 1, False)
    with pytest.raises(KeyError):
        Teller(load_world(), Random(1), None).tell("{nobody_knows_this}")


def test_slots_are_drawn_once_per_story_and_pairs_are_ordered() -> None:
    for seed in range(30):
        teller = Teller(load_world(), Random(seed), None)
        low, middle, high = (float(teller.slot(key).strip("$")) for key in ("eps-", "eps", "eps+"))
        assert low < middle < high
        assert teller.tell("{pct:3-12} and [{pct:3-12}]").split(" and ")[0] == teller.slot("pct:3-12")
