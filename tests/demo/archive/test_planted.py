"""What planted.json says was planted can be found in the files, and nothing was planted by accident."""

from typing import Any

import pandas as pd
import pytest

from demo.archive import read
from demo.archive.copies import SILENCE, SILENT

DAY = 1440


@pytest.fixture(scope="module")
def plants() -> dict[str, Any]:
    plants: dict[str, Any] = read.planted()["planted"]
    return plants


@pytest.fixture(scope="module")
def told() -> pd.DataFrame:
    """All articles with the truth and their sector, in minutes before the end."""
    headlines = pd.read_csv(read.FOLDER / "headlines.csv.gz", keep_default_na=False)
    sectors = pd.read_csv(read.ENTITIES, keep_default_na=False).set_index("entity_id").sector
    told = headlines.merge(read.truth(), on="link", validate="one_to_one")
    return told.assign(sector=told.company.map(sectors).fillna(""), negative=told.polarity == "negative")


@pytest.fixture(scope="module")
def stories(told: pd.DataFrame) -> pd.DataFrame:
    """The first printing of each story."""
    return told.drop_duplicates("story")


def inside(frame: pd.DataFrame, plant: dict[str, Any]) -> pd.Series:
    return frame.minutes_before_end.between(plant["end"], plant["start"])


def test_every_plant_names_itself_and_an_expectation(plants: dict[str, Any]) -> None:
    assert {name: plant["expect"] for name, plant in plants.items()} == {
        "market_week": "negative_share",
        "bank_week": "negative_share",
        "airline_week": "negative_share",
        "insurer_patch": "negative_share",
        "bankruptcy": "event",
        "surge_now": "none",
        "surge_before": "none",
        "silence": "health",
    }
    for plant in plants.values():
        assert plant["start"] > plant["end"] >= 0


@pytest.mark.parametrize(
    ("name", "key", "day", "at_least", "usual"),
    [
        ("market_week", None, 50, 0.40, 0.27),
        ("bank_week", "sector", 30, 0.60, 0.30),
        ("airline_week", "company", 17.5, 0.60, 0.30),
    ],
)
def test_bad_weeks_stand_out(
    stories: pd.DataFrame, plants: dict[str, Any], name: str, key: str | None, day: float, at_least: float, usual: float
) -> None:
    plant = plants[name]
    about = stories if key is None else stories[stories[key] == plant[key]]
    within = inside(about, plant)
    assert (plant["start"] + plant["end"]) / 2 == pytest.approx(day * DAY, abs=DAY)
    assert plant["start"] - plant["end"] == 7 * DAY
    assert about[within].negative.mean() > at_least
    assert about[~within].negative.mean() < usual


def test_banks_are_fined_and_probed_in_their_bad_week(stories: pd.DataFrame, plants: dict[str, Any]) -> None:
    banks = stories[inside(stories, plants["bank_week"]) & (stories.sector == "banks") & stories.negative]
    assert banks.topic.value_counts().idxmax() == "Legal | Regulation"


def test_insurers_are_in_trouble_now(stories: pd.DataFrame, plants: dict[str, Any]) -> None:
    plant = plants["insurer_patch"]
    assert plant["end"] == 0
    for about, at_least in ((stories.sector == "insurers", 20), (stories.company == plant["company"], 12)):
        now = stories[about & (stories.minutes_before_end <= plant["start"])]
        past = stories[about & (stories.minutes_before_end > DAY)]
        assert len(now) >= at_least
        assert now.negative.mean() > 0.75
        assert past.negative.mean() < 0.35
        assert (now.minutes_before_end < 60).sum() >= 2, "it goes on at the end"


def test_bankruptcy_is_of_a_name_hardly_ever_in_the_news(told: pd.DataFrame, plants: dict[str, Any]) -> None:
    plant = plants["bankruptcy"]
    about = told[told.company == plant["company"]]
    named = told[told.title.str.contains("Holt") | told.summary.str.contains("Holt")]
    assert set(named.link) == set(about.link), "nobody else's news mentions it"
    before, filing = about[about.minutes_before_end > plant["start"]], about[inside(about, plant)]
    assert 2 <= len(before) <= 4
    assert not before.negative.any()
    assert filing.negative.all()
    assert filing.title.str.contains("bankruptcy").all()
    first, second = filing.itertuples()
    assert 60 < first.minutes_before_end <= 120
    assert second.minutes_before_end <= 40
    owner = read.publishers().set_index("publisher").owner
    assert owner[first.publisher] != owner[second.publisher]
    assert SILENT not in (first.publisher, second.publisher)


def test_no_other_bankruptcy_is_in_the_news(told: pd.DataFrame) -> None:
    filings = told[told.title.str.contains("bankrupt|insolven", case=False)]
    assert set(filings.company) == {"demo:holt-maar"}


@pytest.mark.parametrize("name", ["surge_now", "surge_before"])
def test_surges_are_loud_but_no_more_negative(stories: pd.DataFrame, plants: dict[str, Any], name: str) -> None:
    plant = plants[name]
    about = stories[stories.company == plant["company"]]
    days = (plant["start"] - plant["end"]) / DAY
    surge = about[inside(about, plant)]
    usual = about[~inside(about, plant)]
    ratio = (len(surge) / days) / (len(usual) / (75 - days))
    assert days <= 1
    assert 8 <= ratio <= 11.5
    assert surge.negative.mean() == pytest.approx(usual.negative.mean(), abs=0.06)


def test_the_steady_feed_falls_silent(told: pd.DataFrame, plants: dict[str, Any]) -> None:
    plant = plants["silence"]
    feed = told[told.publisher == plant["publisher"]].minutes_before_end
    assert feed.min() == plant["last_article"]
    assert SILENCE <= feed.min() < SILENCE + 45
    before = feed[feed > SILENCE + 60]
    assert len(before) / 74.6 >= 25
    per_nine_hours = ((before - SILENCE) // SILENCE).value_counts()
    assert per_nine_hours.min() >= 2, "nine hours without a word never happened before"


def test_all_other_feeds_go_on_to_the_end(told: pd.DataFrame) -> None:
    last = told.groupby("publisher").minutes_before_end.min().drop(SILENT)
    assert (last < 180).all()
