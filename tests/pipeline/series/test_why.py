"""The split of a change adds up, its worked example holds, and each cause lands in its own part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.series.index import with_index
from pipeline.series.moves import Known, Move, move
from pipeline.series.why import PARTS, Standing, Why, explain
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, activate_model, insert, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
MIDNIGHT = NOON.replace(hour=0)
DAY = timedelta(days=1)


def standing(at: datetime, *stories: tuple[str, float, float, str], **more: object) -> Standing:
    """Of (story, weight, polarity, owner)."""
    frame = pd.DataFrame(list(stories), columns=["story_id", "weight", "polarity", "owner"])
    frame = frame.assign(negative=frame["polarity"] < -0.5, article_id=frame["story_id"], bucket_start=at)
    told = {"usual": 0.1, "deviation": 0.2, **more}
    return Standing(at, "day", str(told.pop("model_version", MODEL)), frame, **told)  # type: ignore[arg-type]


def parts(why: Why) -> dict[str, float]:
    return {part.name: part.value for part in why.parts}


def test_the_worked_example_of_the_definitions() -> None:
    """Half-life one day; 8 old stories, then 12 new ones a day later, 6 of them from a paper that was always gloomy."""
    before = standing(MIDNIGHT, ("s", 6.0, 0.2, "Post"), ("t", 2.0, -0.2, "Mirror"))
    after = standing(
        MIDNIGHT + DAY, ("s", 3.0, 0.2, "Post"), ("t", 1.0, -0.2, "Mirror"), ("u", 6.0, 0.0, "Post"),
        ("v", 6.0, -0.6, "Mirror"),
    )  # fmt: skip
    why = explain(before, after, half_life_hours=24)
    assert (before.ratio, after.ratio) == pytest.approx((0.1, -0.2))
    assert (why.value_before, why.value_after) == pytest.approx((0.0, -1.5))
    expected = {
        "new_stories": -0.75, "volume": -0.5, "publishers": -0.25, "changed_polarity": 0, "restated": 0,
        "yardstick": 0, "model": 0,
    }  # fmt: skip
    assert parts(why) == pytest.approx(expected)
    assert [(one.story_id, round(one.value, 4)) for one in why.stories] == [("v", -1.3125), ("u", -0.1875)]
    assert (why.new, why.new_negative) == (2, 1)


NUMBERS = st.floats(-1, 1).map(lambda x: round(x, 3))


@st.composite
def standings(draw: st.DrawFn, at: datetime) -> Standing:
    stories = [
        (f"s{n}", draw(st.floats(0.01, 3)), draw(NUMBERS), draw(st.sampled_from("ABC")))
        for n in sorted(draw(st.sets(st.integers(0, 9), min_size=1)))
    ]
    rest = (draw(st.floats(0.01, 2)), draw(NUMBERS)) if draw(st.booleans()) else (0.0, 0.0)
    deviation = draw(st.floats(0.05, 0.5))
    return standing(at, *stories, usual=draw(NUMBERS), deviation=deviation, rest=rest)


@settings(max_examples=200, deadline=None)
@given(standings(MIDNIGHT), standings(MIDNIGHT + 3 * DAY), st.none() | standings(MIDNIGHT))
def test_the_parts_add_up_to_the_change(before: Standing, after: Standing, switched: Standing | None) -> None:
    why = explain(before, after, switched)
    assert list(parts(why)) == list(PARTS)
    assert sum(parts(why).values()) == pytest.approx(after.index - before.index, abs=1e-9)
    bare = explain(replace(before, deviation=float("nan")), after, switched)
    assert bare.unit == "ratio"
    assert sum(parts(bare).values()) == pytest.approx(after.ratio - before.ratio, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(standings(MIDNIGHT), standings(MIDNIGHT + DAY))
def test_the_stories_carry_what_they_brought(before: Standing, after: Standing) -> None:
    why = explain(before, after, most=100)
    told = parts(why)
    brought = told["new_stories"] + told["volume"] + told["publishers"]
    assert sum(one.value for one in why.stories if one.kind == "new") == pytest.approx(brought, abs=1e-9)
    changed = sum(one.value for one in why.stories if one.kind == "changed")
    assert changed == pytest.approx(told["changed_polarity"], abs=1e-9)


def ordinary(warehouse: Warehouse, clock: MovableClock, days: int = 30, model: str = MODEL) -> None:
    """Three stories a day, known when they appeared."""
    rng = np.random.default_rng(1)
    for ago in range(days, 0, -1):
        clock.now = NOON - ago * DAY
        put(
            warehouse,
            [
                Piece(f"d{ago}-{n}", clock.now, clock.now, publisher=f"P{n}", p_negative=float(rng.integers(0, 8)) / 16,
                      p_positive=0.25, inherited=True)
                for n in range(3)
            ],
            model,
        )  # fmt: skip
    clock.now = NOON


def activated(context: Context, clock: MovableClock) -> None:
    """Before there was news."""
    clock.now = NOON - 40 * DAY
    activate_model(context.warehouse)
    clock.now = NOON


def moved(context: Context, start: datetime, end: datetime, known: Known = Known.THEN) -> Move | None:
    with context.warehouse.read() as con:
        return move(con, ("market", "all"), "day", start, end, known)


def test_the_ends_are_those_of_the_index_as_it_was_read(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    ordinary(context.warehouse, clock)
    found = moved(context, NOON - 3 * DAY, NOON, Known.NOW)
    assert found is not None
    from pipeline.series import buckets

    with context.warehouse.read() as con:
        rows = buckets.rebuild(con, MODEL, 0.5).to_pandas()
    read = with_index(rows[(rows["scope"] == "market") & (rows["grain"] == "day")], "day")
    at = {row.bucket_start: row.sentiment_index for row in read.itertuples()}
    assert found.why.value_before == pytest.approx(at[pd.Timestamp(MIDNIGHT - 3 * DAY)], abs=1e-7)
    assert found.why.value_after == pytest.approx(at[pd.Timestamp(MIDNIGHT - DAY)], abs=1e-7)
    assert sum(parts(found.why).values()) == pytest.approx(found.why.change, abs=1e-9)
    assert parts(found.why)["changed_polarity"] == parts(found.why)["model"] == 0


def test_a_revision_and_a_merge_are_told_apart_from_news(context: Context, clock: MovableClock) -> None:
    activated(context, clock)
    ordinary(context.warehouse, clock)
    start = clock.now
    clock.now += timedelta(hours=14)
    revised = Piece("d1-0", NOON - DAY, clock.now, publisher="P0", p_negative=0.9, revision=2, inherited=True)
    put(context.warehouse, [revised])
    member = {"article_id": "d2-1", "story_id": "story-d2-2", "how": "merged"}
    insert(context.warehouse, "stories", "story_members", [member], ["article_id", "story_id"])
    found = moved(context, start, clock.now)
    assert found is not None
    told = parts(found.why)
    assert told["changed_polarity"] < -0.05
    assert told["restated"] != 0
    assert told["new_stories"] == told["volume"] == told["publishers"] == told["model"] == 0
    assert sum(told.values()) == pytest.approx(found.why.change, abs=1e-9)
    assert "story-d1-0" in {one.story_id for one in found.why.stories if one.kind == "changed"}
    assert found.titles["d1-0"].publisher == "P0"


def test_another_model_is_its_own_part(context: Context, clock: MovableClock) -> None:
    activated(context, clock)
    ordinary(context.warehouse, clock)
    start = clock.now
    clock.now += timedelta(hours=1)
    rng = np.random.default_rng(2)
    again = []
    for ago in range(30, 0, -1):
        at = NOON - ago * DAY
        again += [Piece(f"d{ago}-{n}", at, at, p_negative=float(rng.integers(16)) / 16, p_positive=0) for n in range(3)]
    put(context.warehouse, again, "words@2")
    activate_model(context.warehouse, "words@2")
    clock.now += timedelta(hours=1)
    found = moved(context, start, clock.now)
    assert found is not None
    assert found.models == (MODEL, "words@2")
    told = parts(found.why)
    assert abs(told["model"]) > 0.01
    assert told["model"] == pytest.approx(found.why.change, abs=1e-9), "nothing else happened"


def test_what_cannot_be_told_is_said(context: Context, clock: MovableClock) -> None:
    assert moved(context, NOON - DAY, NOON) is None
    activated(context, clock)
    assert moved(context, NOON - DAY, NOON) is None
    with context.warehouse.read() as con:
        with pytest.raises(InputError, match="no scope is named"):
            move(con, ("country", "uk"), "day", NOON - DAY, NOON)
        with pytest.raises(InputError, match="swap them"):
            move(con, ("market", "all"), "day", NOON, NOON - DAY)
