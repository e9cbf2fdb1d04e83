"""Why an index moved, from a published snapshot: the same parts as the command finds in the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.data import Reader, View
from dashboards.moves import moved, why_panel
from pipeline import aggregate, publish
from pipeline.context import Context
from pipeline.series.moves import Known, move
from tests.dashboards import sample
from tests.dashboards.test_pages import _text
from tests.pipeline.seeds import Piece, activate_model, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def _store(context: Context) -> View:
    activate_model(context.warehouse, negative_limit=0.6)
    pieces = []
    for day in range(40):
        for n in range(3):
            at = NOON - timedelta(days=39 - day, hours=n)
            bad = 0.9 if (day + n) % 5 == 0 or day > 36 else 0.1
            about = {"co:ash": (0.9, bad, 0.95 - bad)} if n == 0 else {}
            pieces.append(
                Piece(
                    f"a{day}-{n}", at, at + timedelta(minutes=5), story_id=f"s{day}-{n}", publisher=f"House {n}",
                    p_negative=bad, p_positive=0.95 - bad, entities=about,
                )
            )  # fmt: skip
    put(context.warehouse, pieces)
    aggregate.run(context)
    publish.run(context)
    return Reader(context.settings.store.published).view()


@pytest.mark.parametrize(("scope", "key"), [("market", "all"), ("entity", "co:ash"), ("publisher", "House 1")])
def test_the_page_says_what_the_command_says(context: Context, scope: str, key: str) -> None:
    view = _store(context)
    start, end = NOON - timedelta(days=6), NOON
    found = moved(view, scope, key, "day", start, end)
    with context.warehouse.read() as con:
        asked = move(con, (scope, key), "day", start, end, Known.NOW)
    assert found is not None
    assert asked is not None
    why = found[0]
    assert why.change == pytest.approx(asked.why.change, abs=1e-6)
    assert sum(part.value for part in why.parts) == pytest.approx(why.change, abs=1e-9)
    told = {part.name: part.value for part in why.parts}
    assert told == pytest.approx({part.name: part.value for part in asked.why.parts}, abs=1e-6)
    assert [one.story_id for one in why.stories] == [one.story_id for one in asked.why.stories][: len(why.stories)]


def test_the_panel_asks_for_two_clicks_and_says_where_there_is_nothing(view: View) -> None:
    a, b = sample.NOW - timedelta(days=10), sample.NOW
    assert "Click two points" in _text(why_panel(view, ("market", "all"), "day", None, None))
    assert "other point" in _text(why_panel(view, ("market", "all"), "day", a, None))
    said = _text(why_panel(view, ("market", "all"), "day", b, a))
    assert "new stories" in said
    assert "together" in said
    assert "Choose others" in _text(why_panel(view, ("entity", "none"), "day", a, b))
