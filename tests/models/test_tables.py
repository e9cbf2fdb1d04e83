"""Files of texts are tables of strings, whatever their kind, and every row knows its line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.data import Source, read
from models.errors import DataInvalid, LabelsUnknown
from models.tables import kind_of, lines
from models.tables import read as read_table


def test_lines_of_csv_count_those_inside_quotes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,sentiment\nA,negative\n\n"two\nlines",neutral\nB,positive\n', "utf-8")
    assert lines(path, 3) == [2, 4, 6]


def test_jsonl_keeps_numbers_as_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "A", "sentiment": 0}\n\n{"text": "B", "sentiment": 1.0, "topic": null}\n', "utf-8")
    table = read_table(path)
    assert table["sentiment"].tolist() == ["0", "1"]
    assert table["topic"].tolist() == ["", ""]
    assert lines(path, 2) == [1, 3]


def test_parquet_with_numbers_gaps_and_categories(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    columns = {
        "text": ["A", "B"],
        "sentiment": pa.array([0, None], pa.int64()),
        "topic": pa.array(["Macro", "Macro"]).dictionary_encode(),
        "score": pa.array([1.0, float("nan")]),
        "tags": pa.array([["x"], []]),
    }
    pq.write_table(pa.table(columns), path)
    table = read_table(path)
    assert table.to_dict("list") == {
        "text": ["A", "B"], "sentiment": ["0", ""], "topic": ["Macro", "Macro"], "score": ["1", ""],
    }  # fmt: skip
    assert lines(path, 2) == [1, 2]


def test_every_kind_of_file_gives_the_same_rows(sample: Path, tmp_path: Path) -> None:
    table = pd.read_csv(sample, dtype=str, keep_default_na=False)
    table.to_json(tmp_path / "labelled.jsonl", orient="records", lines=True)
    table.to_parquet(tmp_path / "labelled.parquet")
    with gzip.open(tmp_path / "labelled.csv.gz", "wb") as stream:
        stream.write(sample.read_bytes())
    expected = read(Source(sample, name="labelled"))
    for name in ("labelled.jsonl", "labelled.parquet", "labelled.csv.gz"):
        assert read(Source(tmp_path / name, name="labelled")) == expected


def test_the_ending_says_the_kind() -> None:
    names = ("a.csv", "a.JSONL", "a.ndjson.gz", "b.parquet", "b", "c.txt")
    assert [kind_of(Path(name)) for name in names] == ["csv", "jsonl", "jsonl", "parquet", "csv", "csv"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "A"}\n{"text": \n', "line 2 is not JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.jsonl", b"\n", "no rows"),
        ("a.parquet", b"PAR1 but no more", "as Parquet"),
        ("a.csv.gz", b"not zipped", "as CSV"),
        ("a.csv", b"text,sentiment\n\xff\xfe,negative\n", "UTF-8"),
    ],
)
def test_what_cannot_be_read_is_said(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataInvalid, match=says) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_unknown_label_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,sentiment\n"A\nB",negative\nC,bearish\n', "utf-8")
    with pytest.raises(LabelsUnknown, match=r"'bearish' \(line 4\)"):
        read(Source(path))
