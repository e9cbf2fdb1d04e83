"""Archives: what becomes a row, what is told, and that a second import adds nothing."""

from __future__ import annotations

import gzip
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest.archive import import_archive, import_frame
from tests.conftest import ROOT
from tests.pipeline.ingest.conftest import rows

SAMPLES = ROOT / "tests" / "samples" / "archives"
MAP = {"title": "Headlines", "published_at": "Time", "summary": "Description"}
NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)


def test_a_csv_with_every_kind_of_row(context: Context) -> None:
    report = import_archive(context, SAMPLES / "gazette.csv", "Harbour Gazette", MAP)
    assert {name: n for name, n in report.counts.items() if n} == {
        "rows": 7, "new_articles": 5, "repeated": 1, "without_title": 1, "undated": 2, "unreadable": 1,
    }  # fmt: skip
    assert any("1 rows have no title" in note for note in report.notes)
    found = rows(
        context, "SELECT title, published_at, known_at, date_precision, date_flag FROM articles ORDER BY title"
    )
    day, late = datetime(2019, 12, 31, tzinfo=UTC), datetime(2019, 12, 31, 23, 51, tzinfo=UTC)
    assert found == [
        ("Brightwater raises its dividend", day, day + timedelta(days=1), "day", ""),
        ("Ferry line cuts 200 jobs", datetime(2018, 7, 1, tzinfo=UTC), datetime(2018, 8, 1, tzinfo=UTC), "month", ""),
        ("Ferry line denies talks", None, NOW, "none", "missing"),
        ("Market steady", None, NOW, "none", "unparsable"),
        ("Storm closes the harbour", late, late + timedelta(minutes=15), "second", ""),
    ]
    assert rows(context, "SELECT DISTINCT imported, feed_id, first_seen_at, revision FROM articles") == [
        (True, "archive:harbour-gazette", NOW, 1)
    ]
    assert rows(context, "SELECT feed_id, kind, publisher FROM feeds") == [
        ("archive:harbour-gazette", "archive", "Harbour Gazette")
    ]
    assert rows(context, "SELECT publisher, owner FROM publishers") == [("Harbour Gazette", "Harbour Gazette")]


def test_a_second_import_adds_nothing(context: Context) -> None:
    import_archive(context, SAMPLES / "gazette.csv", "Harbour Gazette", MAP)
    before = rows(context, "SELECT * FROM articles ORDER BY ALL")
    again = import_archive(context, SAMPLES / "gazette.csv", "Harbour Gazette", MAP)
    assert (again.counts["new_articles"], again.counts["known"]) == (0, 5)
    assert rows(context, "SELECT * FROM articles ORDER BY ALL") == before


def test_a_line_separator_inside_a_json_text_cuts_no_row(context: Context, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text('{"title": "Harbour\u2028shut", "published_at": "2026-03-01T08:00:00Z"}\r\n', encoding="utf-8")
    report = import_archive(context, file, "Harbour Gazette")
    assert (report.counts["new_articles"], report.counts.get("unreadable", 0)) == (1, 0)


def test_jsonl_in_a_zone_and_gzipped(context: Context, tmp_path: Path) -> None:
    packed = tmp_path / "gazette.jsonl.gz"
    packed.write_bytes(gzip.compress((SAMPLES / "gazette.jsonl").read_bytes()))
    report = import_archive(context, packed, "Harbour Gazette", tz="Europe/Berlin")
    assert (report.counts["new_articles"], report.counts["unreadable"]) == (2, 2)
    assert rows(context, "SELECT title, published_at, url FROM articles ORDER BY title") == [
        ("Brightwater raises its dividend", datetime(2019, 12, 31, 18, tzinfo=UTC), "https://gazette.example/1"),
        ("Storm closes the harbour", datetime(2019, 12, 31, 17, 30, tzinfo=UTC), None),
    ]


def test_parquet_and_frame_agree_and_each_publisher_has_a_feed(context: Context, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "publisher": ["Harbour Gazette", "Küste & Meer", None],
            "title": ["One", "Two", "Three"],
            "link": ["https://g.example/1", None, "https://g.example/3"],
            "summary": ["first", float("nan"), ""],
            "published_at": pd.to_datetime(["2026-03-01 10:00", "2026-03-01 11:00", "2026-03-01 12:00"], utc=True),
        }
    )
    report = import_frame(context, frame)
    assert (report.counts["new_articles"], report.counts["without_publisher"]) == (2, 1)
    assert rows(context, "SELECT feed_id, summary, url FROM articles ORDER BY title") == [
        ("archive:harbour-gazette", "first", "https://g.example/1"),
        ("archive:kuste-meer", "", None),
    ]
    frame.to_parquet(tmp_path / "archive.parquet")
    again = import_archive(context, tmp_path / "archive.parquet")
    assert (again.counts["new_articles"], again.counts["known"]) == (0, 2)


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [
        ("gazette.csv", {}, r"no column for title, published_at. It has: Headlines, Time, Description. .*--map title="),
        ("gazette.csv", {"title": "Headline", "published_at": "Time"}, r"no column for title\b"),
        ("gazette.csv", {"headline": "Headlines"}, "headline is not a field of ours"),
        ("missing.csv", {}, "cannot be read"),
        ("gazette.txt", {}, "give a .csv, .jsonl or .parquet"),
        ("gazette.parquet", {}, "cannot be read as parquet"),
        ("empty.csv", {}, "cannot be read as csv"),
    ],
)
def test_what_cannot_be_imported_says_what_to_do(
    name: str, columns: dict[str, str], words: str, context: Context, tmp_path: Path
) -> None:
    shutil.copyfile(SAMPLES / "gazette.csv", tmp_path / "gazette.csv")
    shutil.copyfile(SAMPLES / "gazette.csv", tmp_path / "gazette.parquet")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(InputError, match=words):
        import_archive(context, tmp_path / name, "Harbour Gazette", columns)
    assert rows(context, "SELECT count(*) FROM articles") == [(0,)]


def test_a_publisher_and_a_real_zone_are_needed(context: Context) -> None:
    with pytest.raises(InputError, match="--publisher NAME"):
        import_archive(context, SAMPLES / "gazette.csv", None, MAP)
    with pytest.raises(InputError, match="IANA name"):
        import_archive(context, SAMPLES / "gazette.csv", "Harbour Gazette", MAP, tz="Mars/Olympus")


def test_windows_1252_is_read_and_told(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("title,published_at\nSociété Marée – profit,2019-12-31\n".encode("cp1252"))
    report = import_archive(context, path, "Harbour Gazette")
    assert rows(context, "SELECT title FROM articles") == [("Société Marée – profit",)]
    assert any("Windows-1252" in note for note in report.notes)


def test_the_real_archives(context: Context, shared_data: Path) -> None:
    folder = shared_data / "headlines_2017_2019"
    guardian = import_archive(
        context, folder / "guardian_headlines.csv", "The Guardian", MAP | {"summary": "Headlines"}
    )
    cnbc = import_archive(context, folder / "cnbc_headlines.csv", "CNBC", MAP)
    found = rows(context, "SELECT publisher, date_precision, count(*) FROM articles GROUP BY ALL ORDER BY ALL")
    assert sum(n for _, _, n in found) == guardian.counts["new_articles"] + cnbc.counts["new_articles"] > 15_000
    assert "unreadable" not in guardian.counts | cnbc.counts


def test_a_column_that_stands_there_twice_is_refused(context: Context, tmp_path: Path) -> None:
    (tmp_path / "twice.csv").write_text("title,title,published_at\na,b,2020-01-01\n", encoding="utf-8")
    with pytest.raises(InputError, match="title stands there twice"):
        import_archive(context, tmp_path / "twice.csv", "Harbour Gazette")
