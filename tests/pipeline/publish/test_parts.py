"""Parts are named by their rows: order of arrival and time of writing do not matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.publish.parts import write_parts
from pipeline.publish.tables import Published

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TABLE = Published(
    "points", pa.schema([("at", pa.timestamp("us", tz="UTC")), ("name", pa.string()), ("n", pa.int64())]),
    ("at", "name", "n"), "at",
)  # fmt: skip
ROW = st.tuples(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 4), timezones=st.just(UTC)),
    st.text(max_size=5),
    st.none() | st.integers(-5, 5),
)


def _rows(rows: list[tuple[datetime, str, int | None]]) -> pa.Table:
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(("at", "name", "n"))}, TABLE.schema)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(ROW, max_size=20), seed=st.randoms())
def test_the_same_rows_in_any_order_are_the_same_parts(
    tmp_path_factory: object, rows: list[tuple[datetime, str, int | None]], seed: object
) -> None:
    root = tmp_path_factory.mktemp("parts")  # type: ignore[attr-defined]
    first = write_parts(root, TABLE, _rows(rows), NOW)
    seed.shuffle(rows)  # type: ignore[attr-defined]
    second = write_parts(root, TABLE, _rows(rows), NOW)
    assert [part.file for part in first] == [part.file for part in second]
    assert not any(part.written for part in second)
    assert sum(part.rows for part in first) == len(rows)
    assert [part.day for part in first] == (sorted({f"{row[0]:%Y-%m-%d}" for row in rows}) or ["all"])


def test_the_days_of_a_month_that_is_over_are_one_part(tmp_path: Path) -> None:
    long = replace(TABLE, months=True)
    rows = [(datetime(2026, *day, tzinfo=UTC), "x", 1) for day in ((1, 5), (1, 31), (2, 1), (2, 27), (3, 2))]
    assert [part.day for part in write_parts(tmp_path, long, _rows(rows), NOW)] == [
        "2026-01", "2026-02-01", "2026-02-27", "2026-03-02"
    ]  # fmt: skip
    assert [part.day for part in write_parts(tmp_path, long, _rows(rows), NOW + timedelta(days=1))] == [
        "2026-01", "2026-02", "2026-03-02"
    ]  # fmt: skip
    assert [part.rows for part in write_parts(tmp_path, long, _rows(rows), NOW + timedelta(days=1))] == [2, 2, 1]


def test_one_more_row_changes_the_part_of_its_day_only(tmp_path: Path) -> None:
    rows = [(datetime(2026, 1, day, tzinfo=UTC), "x", 1) for day in (1, 2)]
    before = write_parts(tmp_path, TABLE, _rows(rows), NOW)
    after = write_parts(tmp_path, TABLE, _rows([*rows, (datetime(2026, 1, 2, 5, tzinfo=UTC), "y", 2)]), NOW)
    assert before[0].file == after[0].file
    assert before[1].file != after[1].file
    assert [part.written for part in after] == [False, True]
