"""Why an index moved, on the page: what the command finds in the store."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from dashboards.data import Reader, View
from dashboards.moves import why_panel
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


def test_the_panel_says_what_the_command_says(context: Context) -> None:
    view = _store(context)
    start, end = NOON - timedelta(days=6), NOON
    with context.warehouse.read() as con:
        asked = move(con, ("entity", "co:ash"), "day", start, end, Known.NOW)
    assert asked is not None
    said = _text(why_panel(view, ("entity", "co:ash"), "day", end, start))
    assert f"({asked.why.change:+.2f}); {asked.why.new} new stories, {asked.why.new_negative} of them negative" in said
    assert f"together {asked.why.change:+.3f}" in said
    # The snapshot's sums are rounded, the store's are not.
    shown = [float(number) for number in re.findall(r"[+-]\d\.\d{3}", said)]
    for part in asked.why.parts:
        if abs(part.value) >= 0.01:
            assert min(abs(number - part.value) for number in shown) < 0.005
    assert asked.titles[asked.why.stories[0].article_id].title in said


def test_the_panel_asks_for_two_clicks_and_says_where_there_is_nothing(view: View) -> None:
    a, b = sample.NOW - timedelta(days=10), sample.NOW
    assert "Click two points" in _text(why_panel(view, ("market", "all"), "day", None, None))
    assert "other point" in _text(why_panel(view, ("market", "all"), "day", a, None))
    assert "Choose others" in _text(why_panel(view, ("entity", "none"), "day", a, b))
