"""A snapshot answers why an index moved as the store does when it is asked with what it knows now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline import aggregate, publish
from pipeline.context import Context
from pipeline.publish.moves import move
from pipeline.publish.snapshot import Snapshot
from pipeline.series import moves
from pipeline.series.moves import Known
from pipeline.series.why import Why
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, activate_model, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def snapshot(context: Context, clock: MovableClock) -> Snapshot:
    """Seventy days, of which the snapshot lists the stories of five weeks one by one."""
    activate_model(context.warehouse)
    pieces = []
    for ago in range(70, -1, -1):
        at = NOON - ago * DAY
        pieces += [
            Piece(f"d{ago}-{n}", at, at, publisher=f"P{n}", p_negative=(ago * 5 + n * 3) % 16 / 16, p_positive=0.0,
                  imported=True, entities={"co:a": (0.8, (ago + n) % 8 / 8, 0.1)} if n else {})
            for n in range(3)
        ]  # fmt: skip
    put(context.warehouse, pieces)
    aggregate.run(context)
    publish.run(context)
    return Snapshot.open(context.settings.store.published)


@pytest.mark.parametrize("series", [("market", "all"), ("entity", "co:a"), ("publisher", "P1")])
@pytest.mark.parametrize(("grain", "days"), [("day", (10, 2)), ("hour", (3, 1))])
def test_the_snapshot_answers_as_the_store(
    context: Context, snapshot: Snapshot, series: tuple[str, str], grain: str, days: tuple[int, int]
) -> None:
    start, end = (NOON - ago * DAY for ago in days)
    with context.warehouse.read() as con:
        asked = moves.move(con, series, grain, start, end, Known.NOW)
    found = move(snapshot, series, grain, start, end)
    assert asked is not None
    assert found is not None
    assert [one.story_id for one in found.stories] == [one.story_id for one in asked.why.stories]

    def rounded(why: Why) -> dict[str, float]:
        # The mix of publishers of five weeks ago is one lump in the snapshot; what is left of it weighs a thirtieth.
        return {part.name: part.value for part in why.parts}

    expected = rounded(asked.why)
    told = rounded(found)
    assert sum(told.values()) == pytest.approx(found.change, abs=1e-9)
    assert found.change == pytest.approx(asked.why.change, abs=1e-5)
    assert told["volume"] == pytest.approx(expected["volume"], abs=1e-5)
    assert told["new_stories"] == pytest.approx(expected["new_stories"], abs=0.05)


def test_what_the_snapshot_does_not_hold_is_no_answer(snapshot: Snapshot) -> None:
    assert move(snapshot, ("market", "all"), "day", NOON - 50 * DAY, NOON) is None
    assert move(snapshot, ("market", "all"), "day", NOON, NOON - DAY) is None
    assert move(snapshot, ("entity", "co:nobody"), "day", NOON - DAY, NOON) is None
