"""As of a time nothing is seen that was not known then: whatever happens later, the same rows come out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import aggregate
from pipeline.context import Context
from pipeline.export import batches, tables, unload
from pipeline.incidents import Action, Detection, Severity, by_person, fold, step
from pipeline.series.moves import move
from tests.conftest import MovableClock
from tests.pipeline.after import LATER, before, later
from tests.pipeline.seeds import insert

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Patience:
    """A rule that fires at once."""

    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = HOUR
    cooldown: timedelta = HOUR


def everything(context: Context, folder: Path, as_of: datetime, without: Collection[str] = ()) -> dict[str, pa.Table]:
    """Each table that can be told as of a time, in an order of its own."""
    found = {}
    with context.warehouse.read() as con:
        for name in [name for name, clocks in tables(con).items() if clocks and name not in without]:
            unload(con, name, folder / "rows.parquet", as_of)
            rows = pq.read_table(folder / "rows.parquet")
            found[name] = rows.sort_by([(column, "ascending") for column in rows.column_names])
    return found


@pytest.fixture
def past(context: Context, clock: MovableClock) -> Context:
    before(context, clock, NOON)
    aggregate.run(context)
    return context


def test_whatever_happens_later_the_past_is_as_it_was(past: Context, clock: MovableClock, tmp_path: Path) -> None:
    was = everything(past, tmp_path, NOON)
    assert {"articles", "scores", "trends", "series", "incidents", "feeds", "models"} <= set(was)
    assert was["trends"].num_rows > 500
    for kind in LATER:
        clock.now += HOUR
        later(past, clock, kind)
        # The series follow from the trends.
        for name, rows in everything(past, tmp_path, NOON, without=["series"]).items():
            assert rows.equals(was[name]), f"{name} as of then has changed by: {kind}"
    now = everything(past, tmp_path, NOON)
    assert all(now[name].equals(rows) for name, rows in was.items())
    aggregate.run(past, full=True)
    today = everything(past, tmp_path, clock.now)
    for name in ("articles", "story_members", "mentions", "themes", "scores", "models", "trends", "fetches", "feeds"):
        assert not today[name].equals(now[name]), f"{name}: nothing happened to it, so the test shows nothing"


def test_why_as_of_then_stays_the_same_answer(past: Context, clock: MovableClock) -> None:
    times = (NOON - timedelta(days=4), NOON)

    def answers() -> list[object]:
        with past.warehouse.read() as con:
            found = [move(con, series, "day", *times) for series in (("market", "all"), ("entity", "co:a"))]
        return [(one.why.parts, one.why.stories, one.titles) for one in found if one is not None]

    was = answers()
    assert len(was) == 2
    for kind in LATER:
        clock.now += HOUR
        later(past, clock, kind)
        assert answers() == was, kind


def test_as_of_now_the_counts_are_those_of_the_table(past: Context, clock: MovableClock, tmp_path: Path) -> None:
    clock.now += HOUR
    with past.warehouse.read() as con:
        unload(con, "trends", tmp_path / "a.parquet", NOON)
        unload(con, "trends", tmp_path / "b.parquet")
    then = pq.read_table(tmp_path / "a.parquet").to_pylist()
    table = pq.read_table(tmp_path / "b.parquet").to_pylist()
    for row in table:
        row.pop("recorded_at")
    assert sorted(map(repr, then)) == sorted(map(repr, table))


def test_an_incident_as_of_then_is_the_fold_of_its_events(
    context: Context, clock: MovableClock, tmp_path: Path
) -> None:
    found = Detection(
        rule="r", kind="event", scope="entity", key="co:a", label="Ferncliff", severity=Severity.WARNING, summary="s",
        bucket_start=NOON, seen_until=NOON + HOUR, model_version="m", size=3, owners=2, single_source=False,
    )  # fmt: skip
    events = step(None, found, NOON, Patience())
    acknowledged = by_person(fold(events), Action.ACKNOWLEDGE, "ada", NOON + HOUR)
    for batch in (events, acknowledged):
        rows = [
            {"event_id": e.event_id, "incident_id": e.incident_id, "seq": e.seq, "happened_at": e.happened_at,
             "action": e.action.value, "reason": e.reason.value, "severity": e.severity.value, "actor": e.actor,
             "detail": e.detail}
            for e in batch
        ]  # fmt: skip
        insert(context.warehouse, "incidents", "incident_events", rows, ["event_id"])
        clock.now += HOUR
    with context.warehouse.read() as con:
        for as_of, state in ((NOON, "firing"), (NOON + HOUR, "acknowledged")):
            unload(con, "incidents", tmp_path / "i.parquet", as_of)
            rows = pq.read_table(tmp_path / "i.parquet").to_pylist()
            assert [(row["state"], row["label"]) for row in rows] == [(state, "Ferncliff")]


def test_rows_come_some_at_a_time_in_the_order_of_the_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": list(range(120_000))}), tmp_path / "n.parquet")
    told: list[tuple[int, int | None]] = []
    parts = list(batches(tmp_path / "n.parquet", lambda what, done, total: told.append((done, total))))
    assert [part.num_rows for part in parts] == [50_000, 50_000, 20_000]
    assert told[-1] == (120_000, 120_000)
