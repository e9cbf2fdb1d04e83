"""Search over published titles: what a person types, what it finds, and how the index follows the snapshot."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.publish.search import INDEX, expression, find, update

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


def _part(root: Path, day: str, version: str, titles: dict[str, str]) -> str:
    file = f"stories/{day}-{version}.parquet"
    (root / "stories").mkdir(exist_ok=True)
    start = datetime.fromisoformat(f"{day}T00:00:00+00:00")
    moments = [start + timedelta(minutes=n) for n in range(len(titles))]
    table = {
        "story_id": list(titles),
        "first_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "title": list(titles.values()),
    }
    pq.write_table(pa.table(table), root / file)
    return file


def _ids(root: Path, said: str, *, newest: bool = True) -> list[str]:
    return [story for story, _ in find(root, said, newest=newest, most=10)]


def test_only_days_that_changed_are_indexed_again_and_gone_ones_leave(tmp_path: Path) -> None:
    first = _part(tmp_path, "2026-03-01", "aa", {"a": "Velmont profit falls", "b": "Copper steady"})
    second = _part(tmp_path, "2026-03-02", "aa", {"c": "Velmont names a chief"})
    assert update(tmp_path, [first, second]) == 2
    assert update(tmp_path, [first, second]) == 0
    assert _ids(tmp_path, "velmont") == ["c", "a"]
    changed = _part(tmp_path, "2026-03-02", "bb", {"c": "Velmont names a chief", "d": "Velmont cleared"})
    assert update(tmp_path, [first, changed]) == 1
    assert _ids(tmp_path, "velmont") == ["d", "c", "a"]
    assert update(tmp_path, [changed]) == 1
    assert _ids(tmp_path, "velmont") == ["d", "c"]
    assert _ids(tmp_path, "copper") == []


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("velmont profit", {"a"}),
        ("Velmont -profit", {"b"}),
        ('"profit falls"', {"a", "c"}),
        ("prof*", {"a", "c"}),
        ("société", {"d"}),
        ("societe", {"d"}),
        ("AT&T", {"e"}),
        ("nothing", set()),
        ("-velmont", set()),
    ],
)
def test_words_phrases_beginnings_and_what_to_leave_out(tmp_path: Path, said: str, found: set[str]) -> None:
    titles = {
        "a": "Velmont profit falls", "b": "Velmont names a chief", "c": "A profit falls short",
        "d": "Société Harwell rises", "e": "AT&T-like tariffs",
    }  # fmt: skip
    update(tmp_path, [_part(tmp_path, "2026-03-01", "aa", titles)])
    assert set(_ids(tmp_path, said)) == found
    assert set(_ids(tmp_path, said, newest=False)) == found


def test_an_index_of_an_earlier_version_is_made_anew(tmp_path: Path) -> None:
    part = _part(tmp_path, "2026-03-01", "aa", {"a": "Velmont profit falls"})
    update(tmp_path, [part])
    with closing(sqlite3.connect(tmp_path / INDEX)) as con:
        con.executescript("PRAGMA user_version = 0; DROP TABLE words; CREATE VIRTUAL TABLE words USING fts5(title);")
    assert update(tmp_path, [part]) == 1
    assert _ids(tmp_path, "v*") == ["a"]
    assert update(tmp_path, [part]) == 0


@settings(deadline=None)
@given(st.text(max_size=40))
def test_nothing_typed_is_ever_syntax(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    root = tmp_path_factory.getbasetemp() / "search-syntax"
    if not (root / INDEX).exists():
        root.mkdir(exist_ok=True)
        update(root, [_part(root, "2026-03-01", "aa", {"a": "Velmont profit falls"})])
    assert isinstance(find(root, said, newest=True, most=5), list)


def test_a_store_that_published_nothing_finds_nothing(tmp_path: Path) -> None:
    assert find(tmp_path, "velmont", newest=True, most=5) == []
    assert expression(" - * ") == ""
