"""How new an article is in its story, how many owners tell it, and whom a wire's copy counts for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.context import Context
from pipeline.series import stories
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, insert, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
def anywhere(settings: Settings, warehouse_setting: str, clock: MovableClock) -> Context:
    """A store on each engine in turn."""
    warehouse = Warehouse(warehouse_setting, clock, 10)
    warehouse.prepare()
    return Context(settings, warehouse, clock)


def piece(name: str, hours: float, publisher: str = "Wire", story: str = "s") -> Piece:
    when = NOON + timedelta(hours=hours)
    return Piece(name, when, when, story, publisher, imported=True)


def told(context: Context, as_of: datetime | None = None, **chosen: Any) -> list[dict[str, Any]]:
    with context.warehouse.read() as con:
        rows: list[dict[str, Any]] = stories.told(con, as_of=as_of, clock_column="known_at", **chosen).to_pylist()
    return rows


def own(context: Context, owners: dict[str, str]) -> None:
    rows = [{"publisher": publisher, "owner": owner, "timezone": ""} for publisher, owner in owners.items()]
    insert(context.warehouse, "articles", "publishers", rows, ["publisher"])


def moved(context: Context, article: str, story: str, when: datetime, **more: str) -> None:
    row = {"article_id": article, "story_id": story, "how": "merged", "known_at": when, **more}
    insert(context.warehouse, "stories", "story_members", [row], ["article_id", "story_id"])


def test_novelty_falls_by_a_quarter_and_is_whole_again_after_a_day(anywhere: Context) -> None:
    put(
        anywhere.warehouse, [piece("a", 0), piece("b", 1), piece("c", 1), piece("d", 2), piece("e", 27), piece("f", 60)]
    )
    assert [row["novelty"] for row in told(anywhere)] == [100, 75, 56, 42, 100, 100]


def test_two_stories_do_not_wear_each_other_out(anywhere: Context) -> None:
    put(anywhere.warehouse, [piece("a", 0), piece("b", 1, story="t")])
    assert {row["article_id"]: row["novelty"] for row in told(anywhere)} == {"a": 100, "b": 100}
    assert [row["article_id"] for row in told(anywhere, stories=["t"])] == ["b"]


def test_corroboration_counts_owners_not_publishers(anywhere: Context) -> None:
    own(anywhere, {"Morning Post": "House", "Evening Post": "House", "Ledger": ""})
    put(anywhere.warehouse, [piece("a", 0, "Morning Post"), piece("b", 1, "Evening Post"), piece("c", 2, "Ledger")])
    rows = told(anywhere)
    assert [row["owner"] for row in rows] == ["House", "House", "Ledger"]
    assert {(row["articles"], row["corroboration"]) for row in rows} == {(3, 2)}


def test_copies_of_a_wire_count_for_its_owner(anywhere: Context) -> None:
    own(anywhere, {"Associated Press": "The members"})
    put(anywhere.warehouse, [piece("own", 3, "Morning Post")])
    for number, (wire, publisher) in enumerate(
        [("Reuters", "Morning Post"), ("Reuters", "Ledger"), ("Associated Press", "Ledger"), ("Unheard", "Courier")]
    ):
        made = piece(f"w{number}", number / 10, publisher, story=f"other-{number}")
        put(anywhere.warehouse, [made])
        moved(anywhere, made.article_id, "s", made.known_at, wire=wire)
    rows = {row["article_id"]: row["owner"] for row in told(anywhere, stories=["s"])}
    # The owner a store names for a wire holds before the one that ships; an unknown wire is no wire.
    assert rows == {
        "w0": "Thomson Reuters", "w1": "Thomson Reuters", "w2": "The members", "w3": "Courier", "own": "Morning Post"
    }  # fmt: skip
    assert told(anywhere, stories=["s"])[0]["corroboration"] == 4


def test_the_past_stays_as_it_was_known(anywhere: Context) -> None:
    put(anywhere.warehouse, [piece("a", 0), piece("b", 1, "Ledger", story="t")])
    merge = NOON + timedelta(hours=5)
    moved(anywhere, "b", "s", merge)
    assert [row["corroboration"] for row in told(anywhere, merge - timedelta(seconds=1))] == [1, 1]
    assert [row["corroboration"] for row in told(anywhere, merge)] == [2, 2]
    assert [row["story_id"] for row in told(anywhere)] == ["s", "s"]


def test_follows_names_the_story_as_it_stands(anywhere: Context) -> None:
    put(anywhere.warehouse, [piece("a", 0), piece("b", 1, story="t")])
    when = NOON + timedelta(hours=2)
    put(anywhere.warehouse, [Piece("u", when, when, "elsewhere", imported=True)])
    moved(anywhere, "u", "new", when, follows="t")
    assert [row["follows"] for row in told(anywhere)] == [None, None, "t"]
    moved(anywhere, "b", "s", NOON + timedelta(hours=3))
    assert [row["follows"] for row in told(anywhere)] == [None, None, "s"]
