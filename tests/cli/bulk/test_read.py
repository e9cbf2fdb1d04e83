"""Reading rows: what is bad is set aside with its line and reason, what is no such file is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.bulk import read
from cli.bulk.read import Reject, Rows, format_of, stamp
from cli.bulk.run import Job, classify_file
from models.errors import DataInvalid
from tests.cli.bulk.fakes import CountingScorer


def rows_of(path: Path, size: int = 100) -> tuple[list[dict[str, Any]], list[Reject]]:
    chunks = list(Rows(path, size).chunks())
    return [row for chunk in chunks for _, row in chunk.rows], [bad for chunk in chunks for bad in chunk.rejects]


def test_bad_rows_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(
        b"\xef\xbb\xbfid,text\r\n1,good\r\n2\r\n\r\n3,caf\xe9\r\n4,a\x00b\r\n"
        b'5,"two\r\nlines"\r\n6,"broken" quote\r\n7,"said ""so"""\r\n8,last'
    )
    rows, rejects = rows_of(path)
    assert [(row["id"], row["text"]) for row in rows] == [
        ("1", "good"),
        ("4", "a\x00b"),
        ("5", "two\r\nlines"),
        ("7", 'said "so"'),
        ("8", "last"),
    ]
    assert [(bad.line, bad.reason.split(":")[0]) for bad in rejects] == [
        (3, "has 1 fields, the header 2"),
        (5, "is not UTF-8"),
        (9, "lines 9 to 9 are not CSV"),
    ]


def test_an_unclosed_quote_takes_only_what_it_spans(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('text\n"never closed\nnext\n', "utf-8")
    rows, rejects = rows_of(path)
    assert rows == []
    assert [bad.line for bad in rejects] == [2]


def test_bad_rows_of_a_jsonl_file(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines = [
        json.dumps({"text": "good"}).encode(),
        b"{broken",
        b"[1]",
        b"",
        b'{"text": "\\ud800"}',
        b'{"text": "caf\xe9"}',
        b'{"text": ' + b"[" * 100_000,
    ]
    path.write_bytes(b"\n".join(lines) + b"\n")
    rows, rejects = rows_of(path)
    assert rows == [{"text": "good"}]
    assert [bad.line for bad in rejects] == [2, 3, 5, 6, 7]
    assert "surrogate" in rejects[2].reason
    assert all("\n" not in bad.reason for bad in rejects)


def test_a_field_that_comes_late_and_a_text_that_is_none_are_set_aside(tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.csv"
    rows = [{"text": "a profit"}, {"text": "b profit"}, {"text": "c profit", "extra": 1}, {"text": 5}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    summary = classify_file(Job(path, out, chunk=2), CountingScorer())
    assert (summary.rows, summary.rejected) == (2, 2)
    rejects = (tmp_path / "out.csv.rejects.csv").read_text("utf-8")
    assert "3,\"has the field 'extra'" in rejects
    assert "4,its text or entity is no string" in rejects


def test_rows_are_counted_for_the_bar(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text\na\nb", "utf-8")
    assert stamp(path).rows == 2
    pq.write_table(pa.table({"text": ["a", "b", "c"]}), tmp_path / "in.parquet")
    assert stamp(tmp_path / "in.parquet").rows == 3


@pytest.mark.parametrize("name", ["in", "in.txt", "in.gz", "in.parquet.gz", "in.csv.zip"])
def test_a_name_that_tells_no_format(name: str) -> None:
    with pytest.raises(DataInvalid, match="must end in"):
        format_of(Path(name))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv", b"headline\nx\n", "--map text=COLUMN"),
        ("in.csv", b"text,text\na,b\n", "two columns 'text'"),
        ("in.csv.gz", b"text\na\n", "no gzip"),
        ("in.jsonl.gz", b"\x1f\x8b\x08\x00cut", "no gzip"),
        ("in.parquet", b"PAR1 but no more", "no Parquet"),
        ("in.jsonl", b'{"title": "x"}\n', "--map text=COLUMN"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataInvalid, match=says) as caught:
        classify_file(Job(tmp_path / name, tmp_path / "out.csv"), CountingScorer())
    assert "\n" not in str(caught.value)


def test_a_column_of_numbers_is_no_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "in.parquet")
    with pytest.raises(DataInvalid, match="not text"):
        classify_file(Job(tmp_path / "in.parquet", tmp_path / "out.csv"), CountingScorer())


def test_a_file_without_line_ends_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "LONGEST_LINE", 1_000)
    for name in ("in.csv", "in.jsonl"):
        (tmp_path / name).write_bytes(b"text\n" + b"x" * 5_000)
        with pytest.raises(DataInvalid, match="longer than"):
            rows_of(tmp_path / name)
