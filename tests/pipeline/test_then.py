"""A store of the past is what the store was then, to the byte of what is published of it, whatever happened since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cli.then import detect_then, publish_then
from pipeline import aggregate, then
from pipeline.context import Context
from pipeline.errors import UsageError
from pipeline.publish.snapshot import Snapshot
from pipeline.warehouse import Transaction
from tests.conftest import MovableClock
from tests.pipeline.after import LATER, before, later
from tests.pipeline.seeds import Piece, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DERIVED = ("trends", "fits", "limits", "rebuilds", "guards", "schema_version")


def contents(context: Context) -> dict[str, list[tuple[object, ...]]]:
    with context.warehouse.read() as con:
        names = [name for name in then.both_clocks(con) if name not in DERIVED]
        return {name: con.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in names}


def severe(context: Context, clock: MovableClock) -> None:
    """A company that we watch is reported bankrupt."""
    rules = '[[rule]]\nname = "ruin"\nkind = "event"\nwatchlists = ["*"]\nthemes = ["bankruptcy"]\np_negative = 0.1\n'
    lists = '[watchlists.book]\nowner = "risk"\ntier1 = ["co:a"]\n'
    context.settings.detect.rules.write_text(rules, encoding="utf-8")
    context.settings.detect.watchlists.write_text(lists, encoding="utf-8")
    piece = Piece(
        "ruin", clock.now, clock.now, "ruin", p_negative=0.95, p_positive=0.0, entities={"co:a": (1.0, 0.95, 0.0)},
        themes=(("co:a", "bankruptcy"),),
    )  # fmt: skip
    put(context.warehouse, [piece])


def test_the_store_of_now_is_the_store(context: Context, clock: MovableClock) -> None:
    before(context, clock, NOON)
    now = contents(context)
    with then.store(context, clock.now) as past:
        was = contents(past)
        assert past.clock() == clock.now
    assert {name for name in now if now[name] != was[name]} <= {"feeds"}
    assert [row[0] for row in now["feeds"]] == [row[0] for row in was["feeds"]]


def test_what_is_published_of_the_past_stays_the_same_to_the_byte(context: Context, clock: MovableClock) -> None:
    folder = context.settings.store.published.parent
    before(context, clock, NOON)
    publish_then(context, NOON, folder / "was")
    with then.store(context, NOON) as past:
        was = contents(past)
    for kind in LATER:
        clock.now += HOUR
        later(context, clock, kind)
        with then.store(context, NOON) as past:
            assert contents(past) == was, kind
    publish_then(context, NOON, folder / "is")
    first, second = Snapshot.open(folder / "was"), Snapshot.open(folder / "is")
    assert first.manifest.tables == second.manifest.tables
    assert first.snapshot_id == second.snapshot_id
    assert len(second.table("stories")) == 108
    assert second.table("trends")["bucket_start"].max() <= NOON
    assert not context.settings.store.published.exists(), "the live snapshot is left alone"


def test_detect_as_of_then_finds_what_was_there_and_keeps_nothing(context: Context, clock: MovableClock) -> None:
    before(context, clock, NOON)
    clock.now += HOUR
    severe(context, clock)
    aggregate.run(context)
    at = clock.now
    kept = contents(context)
    reports, found = detect_then(context, at)
    assert [(row["rule"], row["state"], row["key"]) for row in found] == [("ruin", "firing", "co:a")]
    assert reports[-1].counts["fired"] == 1
    assert detect_then(context, NOON)[1] == []
    assert contents(context) == kept
    for kind in LATER:
        clock.now += HOUR
        later(context, clock, kind)
    assert detect_then(context, at)[1] == found


def test_rules_are_those_that_were_in_force(context: Context, clock: MovableClock) -> None:
    before(context, clock, NOON)

    def keep(tx: Transaction) -> None:
        for at, text in ((NOON, "# old"), (NOON + HOUR, "# new")):
            tx.con.execute(
                "INSERT INTO configurations BY NAME SELECT 'rules' AS kind, '' AS name, 'x' AS sha256, ? AS content,"
                " ? AS recorded_at, ? AS known_at",
                [text, at, at],
            )

    context.warehouse.transact("incidents", keep)
    clock.now += 2 * HOUR
    with then.store(context, NOON) as past:
        assert past.settings.detect.rules.read_text(encoding="utf-8") == "# old"
    assert not past.settings.detect.rules.exists()


def test_what_cannot_be_asked_is_said(context: Context, clock: MovableClock) -> None:
    with pytest.raises(UsageError, match="has not come yet"), then.store(context, clock.now + HOUR):
        pass
    with pytest.raises(UsageError, match="beside the present"):
        publish_then(context, clock.now, None)
    with pytest.raises(UsageError, match="beside the present"):
        publish_then(context, clock.now, context.settings.store.published)
