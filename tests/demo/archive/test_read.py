"""Reading the archive: its end placed at a given moment, and what goes with it."""

import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from demo.archive import read

NOW = datetime(2026, 3, 4, 15, 30, 12, 345678, tzinfo=UTC)


def test_articles_end_at_now_in_whole_seconds() -> None:
    articles = read.articles(NOW)
    assert list(articles.columns) == ["published_at", "publisher", "title", "summary", "link", "section"]
    assert str(articles.published_at.dt.tz) == "UTC"
    assert (articles.published_at == articles.published_at.dt.floor("s")).all()
    assert articles.published_at.is_monotonic_increasing
    assert articles.published_at.max() <= NOW
    assert NOW - articles.published_at.max() < timedelta(minutes=30)
    assert NOW - articles.published_at.min() < timedelta(days=75, minutes=1)
    assert not articles.isna().any(axis=None)


def test_articles_move_with_now_whatever_its_zone() -> None:
    later = NOW.astimezone(timezone(timedelta(hours=-5))) + timedelta(hours=3)
    shift = read.articles(later).published_at - read.articles(NOW).published_at
    assert (shift == pd.Timedelta(hours=3)).all()


def test_now_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        read.articles(datetime(2026, 3, 4))


def test_entities_are_complete_and_unambiguous() -> None:
    entities = pd.read_csv(read.ENTITIES, keep_default_na=False)
    assert list(entities.columns) == [
        "entity_id", "name", "kind", "sector", "parent", "tickers", "aliases", "country"
    ]  # fmt: skip
    assert entities.entity_id.is_unique
    assert entities.entity_id.str.fullmatch(r"demo:[a-z0-9-]+").all()
    assert entities.kind.value_counts().to_dict() == {"company": 62, "central_bank": 1, "index": 1}
    assert set(entities.parent) - {""} <= set(entities.entity_id)
    names = [n for row in entities.itertuples() for n in (row.name, *row.aliases.split("|")) if n]
    assert len(names) == len(set(names))
    tickers = entities.tickers[entities.tickers != ""]
    assert tickers.is_unique


def test_watchlist_has_twenty_known_names_in_two_tiers() -> None:
    lists = tomllib.loads(read.WATCHLISTS.read_text(encoding="utf-8"))["watchlists"]
    core = lists["core"]
    known = set(pd.read_csv(read.ENTITIES).entity_id)
    names = [*core["tier1"], *core["tier2"]]
    assert len(names) == len(set(names)) == 20
    assert set(names) <= known
    assert {"demo:holt-maar", "demo:larkmere-insurance"} <= set(core["tier2"])
    assert core["owner"] == "Demo desk"
