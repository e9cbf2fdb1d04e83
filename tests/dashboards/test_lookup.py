"""Looking rows up in copies of the parts: the same as SQL says, whatever is missing, and nothing is left behind."""

from __future__ import annotations

import logging
from collections import namedtuple
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboards import lookup
from dashboards.data import LOOKED_UP, Reader, View, stories_of
from dashboards.lookup import Lookup
from pipeline.publish.manifest import switch
from pipeline.publish.snapshot import Snapshot
from tests.dashboards import sample

ORDER = ("kind", "n", "at")
TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([("kind", pa.string()), ("n", pa.int64()), ("at", TIME), ("value", pa.int64())])
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def copied(published: Path) -> View:
    view = View(Snapshot.open(published), Lookup())
    view.copy()
    assert view.to_copy == []
    return view


@pytest.fixture
def plain(published: Path) -> View:
    return View(Snapshot.open(published))


@pytest.mark.parametrize("grain", ["hour", "day"])
def test_every_series_is_what_sql_says_of_it(copied: View, plain: View, grain: str) -> None:
    seen = 0
    for scope, key in copied.table("labels")[["scope", "key"]].itertuples(index=False):
        one, other = (view.series(scope, key, grain) for view in (copied, plain))
        assert copied.looked_up("trends", grain, scope, key) is not None
        assert plain.looked_up("trends", grain, scope, key) is None
        same(one.rows, other.rows)
        seen += len(one.rows)
    assert seen > 500


def test_lists_of_stories_are_what_sql_says(copied: View, plain: View) -> None:
    end = copied.last_story() + pd.Timedelta(hours=1)
    seen = 0
    for scope, key in copied.table("labels")[["scope", "key"]].itertuples(index=False):
        for start, most in ((end - timedelta(days=90), 7), (end - timedelta(days=1), 40)):
            one, other = (stories_of(view, scope, key, start, end, most) for view in (copied, plain))
            same(one, other)
            seen += len(one)
    assert seen > 100


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from(["a", "b", "é", None]), st.integers(0, 3), st.integers(0, 5) | st.none()), max_size=60
    ),
    parts=st.integers(1, 3),
    wanted=st.tuples(st.sampled_from(["a", "b", "é", "z"]), st.integers(-1, 4)),
    bounds=st.tuples(st.integers(-1, 6) | st.none(), st.integers(-1, 6) | st.none()),
)
def test_rows_are_those_a_filter_finds(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str | None, int, int | None]],
    parts: int,
    wanted: tuple[str, int],
    bounds: tuple[int | None, int | None],
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(lookup, "_BATCH", 4)
    at = [None if hours is None else START + timedelta(hours=hours) for *_, hours in rows]
    table = pa.table([[r[0] for r in rows], [r[1] for r in rows], at, range(len(rows))], schema=SCHEMA)
    files, shelf = [], Lookup()
    for n in range(parts):
        files.append(folder / f"{n}.parquet")
        of = table.take(pa.array(range(n, len(rows), parts), pa.int64()))
        pq.write_table(of.sort_by([(name, "ascending") for name in ORDER]), files[-1], row_group_size=4)
        assert shelf.missing(files) == files[-1:]
        shelf.copy(files[-1])
    monkeypatch.undo()
    start, end = (None if hours is None else START + timedelta(hours=hours) for hours in bounds)
    found = shelf.find(files, ORDER, wanted, start, end)
    assert found is not None
    holds = pc.and_(pc.equal(table["kind"], wanted[0]), pc.equal(table["n"], wanted[1]))
    for bound, compare in ((start, pc.greater_equal), (end, pc.less)):
        if bound is not None:
            holds = pc.and_(holds, compare(table["at"], pa.scalar(bound, TIME)))
    assert sorted(found["value"].to_pylist()) == table.filter(holds)["value"].to_pylist()


def test_what_was_found_stays_when_its_copy_is_forgotten(copied: View, published: Path) -> None:
    files = Snapshot.open(published).files("trends")
    shelf = Lookup()
    for file in files:
        shelf.copy(file)
    found = shelf.find(files, ("grain", "scope"), ("day", "market"))
    assert found is not None
    before = found.to_pydict()
    shelf.rest()
    shelf.keep([])
    assert found.to_pydict() == before
    assert shelf.find(files, ("grain", "scope"), ("day", "market")) is None
    assert shelf.missing(files) == files


def test_a_copy_has_no_name_to_be_left_behind(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup.tempfile, "tempdir", str(tmp_path))
    shelf = Lookup()
    shelf.copy(Snapshot.open(published).files("labels")[0])
    assert shelf.missing(Snapshot.open(published).files("labels")) == []
    assert list(tmp_path.iterdir()) == []


def test_without_room_pages_are_read_as_they_are(
    published: Path, plain: View, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(lookup.shutil, "disk_usage", lambda folder: usage(1000, 950, 50))
    view = View(Snapshot.open(published), Lookup())
    with caplog.at_level(logging.WARNING):
        view.copy()
        view.copy()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["pages come slower"]
    assert view.to_copy == []
    same(view.series("market", "all", "day").rows, plain.series("market", "all", "day").rows)


def test_a_part_that_is_gone_or_damaged_is_left_and_the_others_copied(tmp_path: Path) -> None:
    root = tmp_path / "published"
    sample.write(root)
    view = View(Snapshot.open(root), Lookup())
    gone, torn = view.snapshot.files("members")[:2]
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-9])
    view.copy()
    assert view.to_copy == []
    assert view.looked_up("members", "market", "all") is None
    assert view.looked_up("trends", "day", "market", "all") is not None


def test_a_newer_snapshot_is_copied_beside_the_one_that_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "published"
    sample.write(root)
    reader = Reader(root)
    old = reader.view()
    assert len(old.to_copy) == sum(len(old.snapshot.files(table)) for table in LOOKED_UP)
    old.copy(most=2)
    assert len(old.to_copy) == sum(len(old.snapshot.files(table)) for table in LOOKED_UP) - 2
    old.copy()
    gone = published_again(root, old)
    with reader.held():
        newer = reader.newest()
        assert [file.parent.name for file in newer.to_copy] == ["trends"]
        newer.copy()
        for view in (old, newer):
            assert view.looked_up("trends", "day", "market", "all", view.model_version) is not None
        reader.show(newer)
        newer.forget_others()
    assert old.to_copy == [gone]
    assert newer.to_copy == []


def published_again(root: Path, old: View) -> Path:
    """Another snapshot with one part of `trends` written otherwise; the part that only the old one has."""
    manifest = old.snapshot.manifest
    gone = old.snapshot.files("trends")[-1]
    again = gone.with_name(f"{gone.name.rsplit('-', 1)[0]}-{'0' * 16}.parquet")
    again.write_bytes(gone.read_bytes())
    files = (*manifest.tables["trends"][:-1], f"trends/{again.name}")
    newer = replace(manifest, snapshot_id=f"{manifest.snapshot_id[:-1]}x", tables={**manifest.tables, "trends": files})
    switch(root, newer)
    return gone


def test_room_that_comes_back_is_used(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(Snapshot.open(published), Lookup())
    view.copy(most=3)
    with monkeypatch.context() as full:
        full.setattr(lookup.resource, "getrlimit", lambda which: (4, 4))
        view.copy()
        assert view.to_copy == []
        assert view.looked_up("stories") is None
    view.forget_others()
    assert view.to_copy == [], "nothing was forgotten, so there is no more room than before"
    View(replace(view.snapshot, manifest=replace(view.snapshot.manifest, tables={})), view._lookup).forget_others()
    view.copy()
    assert view.looked_up("trends", "day", "market", "all", view.model_version) is not None


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """Equal but for the name of the zone: DuckDB calls UTC Etc/UTC."""
    pd.testing.assert_frame_equal(*(_in_utc(frame) for frame in (one, other)))


def _in_utc(frame: pd.DataFrame) -> pd.DataFrame:
    zoned = frame.select_dtypes("datetimetz").columns
    return frame.assign(**{name: frame[name].dt.tz_convert("UTC") for name in zoned})
