"""Archives in every wrapping, what is left out and why, death in the middle, and memory that does not grow."""

from __future__ import annotations

import csv
import gzip
import io
import json
import multiprocessing
import signal
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.ingest import archive, tables
from pipeline.ingest.archive import import_archive, import_frame
from pipeline.ingest.tables import Fault, tables_of
from pipeline.warehouse import Warehouse
from tests.pipeline.ingest.conftest import rows
from tests.support.killed import DyingWarehouse

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
TABLE = pd.DataFrame(
    {
        "title": [f"Brightwater opens branch {i}" for i in range(6)],
        "published_at": [f"2020-01-0{i + 1}T08:00:00Z" for i in range(6)],
        "url": [f"https://gazette.example/{i}" for i in range(6)],
    }
)


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def as_jsonl(frame: pd.DataFrame) -> bytes:
    return frame.to_json(orient="records", lines=True).encode()


def as_parquet(frame: pd.DataFrame) -> bytes:
    return bytes(frame.to_parquet(index=False))


FORMS: dict[str, Callable[[pd.DataFrame], bytes]] = {"csv": as_csv, "jsonl": as_jsonl, "parquet": as_parquet}


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return packed.getvalue()


def rejected(path: Path) -> list[tuple[str, str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["file"], row["row"], row["reason"]) for row in csv.DictReader(file)]


def stored(context: Context) -> list[tuple[object, ...]]:
    return rows(context, "SELECT * EXCLUDE (recorded_at, known_at, first_seen_at) FROM articles ORDER BY ALL")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapping", ["plain", "gz", "zip", "gz in zip"])
def test_every_form_in_every_wrapping_gives_the_same_rows(
    form: str, wrapping: str, context: Context, tmp_path: Path
) -> None:
    data = FORMS[form](TABLE)
    name, data = {
        "plain": (f"a.{form}", data),
        "gz": (f"a.{form}.gz", gzip.compress(data)),
        "zip": ("a.zip", zipped({f"folder/a.{form}": data})),
        "gz in zip": ("a.zip", zipped({f"a.{form}.gz": gzip.compress(data)})),
    }[wrapping]
    (tmp_path / name).write_bytes(data)
    report = import_archive(context, tmp_path / name, "Harbour Gazette")
    assert (report.counts["rows"], report.counts["new_articles"]) == (6, 6)
    assert rows(context, "SELECT title, published_at, url FROM articles ORDER BY title") == [
        (row.title, datetime.fromisoformat(row.published_at), row.url) for row in TABLE.itertuples()
    ]


def test_a_zip_of_several_tables_is_one_archive_and_says_what_is_none(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(
        zipped(
            {
                "readme.txt": b"not a table",
                "__MACOSX/2019.csv": b"nonsense",
                "2019.csv": as_csv(TABLE[:2]),
                "2020.jsonl": as_jsonl(TABLE[2:4]) + b"{broken\n",
                "2021.parquet": as_parquet(TABLE[3:]),
            }
        )
    )
    report = import_archive(context, path, "Harbour Gazette", rejects=tmp_path / "left.csv")
    assert (report.counts["rows"], report.counts["new_articles"], report.counts["repeated"]) == (7, 6, 1)
    assert rejected(tmp_path / "left.csv") == [("2020.jsonl", "3", "unreadable")]
    assert any("no table: readme.txt" in note for note in report.notes)


def test_each_row_that_is_left_out_says_where_it_stood_and_why(context: Context, tmp_path: Path) -> None:
    path, left = tmp_path / "odd.csv", tmp_path / "odd.rejects.csv"
    path.write_text(
        "publisher,title,published_at\n"
        'Gazette,"Harbour\nshut",2020-01-01\n'
        "Gazette,,2020-01-02\n"
        "Gazette,one cell too many,2020-01-03,x\n"
        "\n"
        ",=HYPERLINK(nobody),2020-01-04\n",
        encoding="utf-8",
    )
    report = import_archive(context, path, rejects=left)
    assert report.counts["new_articles"] == 1
    assert rejected(left) == [
        ("odd.csv", "4", "without_title"),
        ("odd.csv", "5", "unreadable"),
        ("odd.csv", "7", "without_publisher"),
    ]
    text = left.read_text(encoding="utf-8")
    assert "4 cells where the header has 3" in text
    assert not any(cell[:1] in "=+-@" for line in csv.reader(io.StringIO(text)) for cell in line)
    again = import_archive(context, path, rejects=left)
    assert (again.counts["new_articles"], left.read_text(encoding="utf-8")) == (0, text)


def test_without_rejects_there_is_no_file_and_a_file_of_others_is_not_overwritten(
    context: Context, tmp_path: Path
) -> None:
    path, left = tmp_path / "a.csv", tmp_path / "left.csv"
    path.write_bytes(as_csv(TABLE))
    import_archive(context, path, "Harbour Gazette", rejects=left)
    assert not left.exists()
    left.write_text("my notes\n", encoding="utf-8")
    with pytest.raises(InputError, match="no file of rejects"):
        import_archive(context, path, "Harbour Gazette", rejects=left)
    assert left.read_text(encoding="utf-8") == "my notes\n"
    with pytest.raises(InputError, match="cannot be written"):
        path.write_text("title,published_at\n,2020-01-01\n", encoding="utf-8")
        import_archive(context, path, "Harbour Gazette", rejects=tmp_path / "no" / "left.csv")


def _import_and_die(context: Context, path: Path, left: Path, nth: int, when: str) -> None:
    warehouse = DyingWarehouse(context.settings.store.warehouse, lambda: NOW).die(nth, when)
    archive._BATCH_ROWS = 10  # type: ignore[misc]
    import_archive(Context(context.settings, warehouse, lambda: NOW), path, "Harbour Gazette", rejects=left)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_undisturbed(
    when: str, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_BATCH_ROWS", 10)
    many = pd.DataFrame(
        {
            "title": ["" if i % 7 == 3 else f"Brightwater opens branch {i % 31}" for i in range(45)],
            "published_at": "2020-01-01",
        }
    )
    path, left = tmp_path / "many.csv", tmp_path / "left.csv"
    path.write_bytes(as_csv(many))
    whole = import_archive(context, path, "Harbour Gazette", rejects=left)
    expected = (stored(context), left.read_bytes(), whole.counts)
    store = Path(context.settings.store.warehouse.removeprefix("duckdb:"))
    store.unlink()
    left.unlink()
    context.warehouse.prepare()

    spawn = multiprocessing.get_context("fork")
    plain = Context(context.settings, None, lambda: NOW)  # type: ignore[arg-type]
    child = spawn.Process(target=_import_and_die, args=(plain, path, left, 3, when))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert rows(context, "SELECT status, rows_done FROM imports") == [("running", 20 if when == "before" else 30)]

    report = import_archive(context, path, "Harbour Gazette", rejects=left)
    assert (stored(context), left.read_bytes(), report.counts) == expected
    assert any("went on after row" in note for note in report.notes)
    assert rows(context, "SELECT status, rows_done FROM imports") == [("done", 45)]

    again = import_archive(context, path, "Harbour Gazette", rejects=left)
    assert (again.counts["new_articles"], stored(context), left.read_bytes()) == (0, *expected[:2])


def test_rejects_that_were_removed_meanwhile_are_written_anew(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_BATCH_ROWS", 2)
    path, left = tmp_path / "a.csv", tmp_path / "left.csv"
    path.write_text("title,published_at\n" + ",2020-01-01\nNews,2020-01-01\n" * 3, encoding="utf-8")
    import_archive(context, path, "Harbour Gazette", rejects=left)
    with context.warehouse.write("articles") as tx:
        tx.con.execute("UPDATE imports SET status = 'running', rows_done = 4")
    whole = left.read_bytes()
    left.unlink()
    import_archive(context, path, "Harbour Gazette", rejects=left)
    assert left.read_bytes() == whole


def test_progress_goes_from_nothing_to_all_and_never_back(context: Context, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(as_csv(pd.concat([TABLE] * 800))))
    watched = Context(
        context.settings, context.warehouse, context.clock, lambda what, done, total: told.append((what, done, total))
    )
    import_archive(watched, path, "Harbour Gazette")
    done = [n for what, n, _ in told if what == "import"]
    assert done == sorted(done)
    assert len(done) > 3
    assert told[-1] == ("import", path.stat().st_size, path.stat().st_size)


def test_memory_stays_flat_however_long_the_archive(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_BATCH_ROWS", 1_000)
    peaks = []
    for n in (4_000, 16_000):
        path = tmp_path / f"{n}.csv.gz"
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            file.write("title,published_at\n")
            file.writelines(f"Company {i} opens a branch {'x' * 300},2020-01-01\n" for i in range(n))
        tracemalloc.start()
        report = import_archive(context, path, "Harbour Gazette")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.counts["rows"] == n
    assert peaks[1] < 2 * peaks[0]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv.gz", gzip.compress(as_csv(TABLE))[:-20], "cannot be read as csv"),
        ("a.csv.gz", b"\x1f\x8bnonsense", "gzip is broken"),
        ("a.zip", zipped({"a.csv": as_csv(TABLE)})[:-30], "cannot be read"),
        ("a.zip", zipped({"readme.txt": b"x"}), "no .csv, .jsonl or .parquet file is in it"),
        ("a.zip", zipped({"a.csv": as_csv(TABLE), "b.csv": b"x,y\n1,2\n"}), "b.csv: no column for title"),
        ("a.parquet", as_parquet(TABLE)[:-9], "cannot be read as parquet"),
        ("a.jsonl", b"[1]\n", "no column for title"),
    ],
)
def test_an_archive_that_is_broken_is_one_line_that_says_what_to_do(
    name: str, data: bytes, words: str, context: Context, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=words):
        import_archive(context, tmp_path / name, "Harbour Gazette")
    assert rows(context, "SELECT count(*) FROM articles") == [(0,)]


def test_an_archive_may_be_old_but_knows_nothing_of_what_is_to_come(context: Context) -> None:
    dates = ["0001-01-01", "1923-10-01", "1969-07-20T20:17:00Z", "2030-01-01", "9999-12", "2026-03-03T12:05:00Z"]
    frame = pd.DataFrame({"title": dates, "published_at": dates})
    import_frame(context, frame, "Harbour Gazette")
    found = rows(context, "SELECT title, date_flag, known_at > published_at FROM articles ORDER BY published_at")
    assert found == [
        ("0001-01-01", "", True),
        ("1923-10-01", "", True),
        ("1969-07-20T20:17:00Z", "", True),
        ("2026-03-03T12:05:00Z", "", True),
        ("2030-01-01", "future", False),
        ("9999-12", "future", False),
    ]
    assert rows(context, "SELECT DISTINCT known_at FROM articles WHERE date_flag = 'future'") == [(NOW,)]


def test_a_parquet_moment_that_no_clock_can_show_is_a_bad_date_and_no_end(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "far.parquet"
    duckdb.execute(
        "COPY (SELECT 'Far' AS title, TIMESTAMP '294246-01-01 00:00:00' AS published_at"
        f" UNION ALL SELECT 'Near', TIMESTAMP '2020-01-01 10:00:00') TO '{path}' (FORMAT parquet)"
    )
    report = import_archive(context, path, "Harbour Gazette", tz="America/New_York")
    assert report.counts["new_articles"] == 2
    assert rows(context, "SELECT title, published_at, date_flag FROM articles ORDER BY title") == [
        ("Far", None, "unparsable"),
        ("Near", datetime(2020, 1, 1, 15, tzinfo=UTC), ""),
    ]


def test_an_unclosed_quote_costs_its_own_part_of_the_file_only(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "quote.csv"
    lines = [f"Company {i} opens a branch,2020-01-01" for i in range(60_000)]
    lines[10] = '"Company 10 opens,2020-01-01'
    path.write_text("\n".join(["title,published_at", *lines]), encoding="utf-8")
    report = import_archive(context, path, "Harbour Gazette")
    assert report.counts["unreadable"] >= 1
    assert report.counts["new_articles"] > 25_000


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_other_signs_between_cells_are_seen(mark: str, context: Context, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(TABLE.to_csv(index=False, sep=mark), encoding="utf-16")
    assert import_archive(context, path, "Harbour Gazette").counts["new_articles"] == 6


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(cells, cells), min_size=1, max_size=20))
def test_whatever_a_csv_holds_is_read_back_as_it_was_written(table: list[tuple[str, str]], tmp_path: Path) -> None:
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["title", "published_at"])
        writer.writerows(table)
    (found,) = tables_of(path)
    read = [row for _, row in found.rows(found.columns, lambda _: None)]
    assert read == [{"title": a, "published_at": b} for a, b in table]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), kind=st.sampled_from(["csv", "jsonl"]))
def test_no_bytes_end_the_reading_in_any_way_but_an_input_error(data: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"any.{kind}"
    path.write_bytes(data)
    with suppress(InputError):
        (table,) = tables_of(path)
        assert all(isinstance(row, dict | Fault) for _, row in table.rows(table.columns, lambda _: None))


def test_a_zip_with_a_password_says_so(context: Context, tmp_path: Path) -> None:
    plain = tmp_path / "a.csv"
    plain.write_bytes(as_csv(TABLE))
    data = bytearray(zipped({"a.csv": as_csv(TABLE)}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1  # the flag "encrypted"
    (tmp_path / "a.zip").write_bytes(bytes(data))
    with pytest.raises(InputError, match="locked with a password"):
        import_archive(context, tmp_path / "a.zip", "Harbour Gazette")


def test_json_names_that_come_late_are_taken(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "late.jsonl"
    first = [{"title": f"News {i}", "published_at": "2020-01-01"} for i in range(1_001)]
    last = {"title": "Late", "published_at": "2020-01-01", "link": "https://gazette.example/late"}
    path.write_text("\n".join(map(json.dumps, [*first, last])), encoding="utf-8")
    import_archive(context, path, "Harbour Gazette")
    assert rows(context, "SELECT title FROM articles WHERE url IS NOT NULL") == [("Late",)]


def test_on_both_engines_a_second_import_adds_nothing(
    warehouse_setting: str, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_BATCH_ROWS", 2)
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv(TABLE))
    warehouse = Warehouse(warehouse_setting, context.clock, 30)
    warehouse.prepare()
    there = Context(context.settings, warehouse, context.clock)
    counts = [import_archive(there, path, "Harbour Gazette").counts["new_articles"] for _ in range(2)]
    assert counts == [6, 0]
    assert rows(there, "SELECT status, rows_done FROM imports") == [("done", 6)]


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.zip"])
def test_a_packed_parquet_that_would_fill_the_disk_is_refused(
    name: str, context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_UNPACKED_LEAST", 1 << 20)
    bomb = bytes(20 << 20)
    path = tmp_path / name
    path.write_bytes(zipped({"a.parquet": bomb}) if name == "a.zip" else gzip.compress(bomb, 1))
    with pytest.raises(InputError, match=r"a\.parquet.*unpacks to over .* 100 times .* unpack it yourself"):
        import_archive(context, path, "Gazette", {}, "UTC")
    assert rows(context, "SELECT count(*) FROM articles") == [(0,)]


def test_a_large_parquet_that_is_honest_may_be_packed(context: Context, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.parquet": as_parquet(pd.concat([TABLE] * 500))}))
    assert import_archive(context, path, "Gazette", {}, "UTC").counts["new_articles"] == 6
