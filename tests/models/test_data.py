"""Labelled files: what is read, what is refused with a line that helps, and a split without leaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.data import UNLABELLED, Example, Source, article_rows, file_sha256, read, split, unique
from models.errors import DataInvalid, LabelsUnknown
from models.text import twin_key


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_reads_words_numbers_and_mapped_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", 'headline,label,topic,who\n"Velmont falls, again",0,Earnings,Velmont\nCalm,2,4,\n,1,1,\n'
    )
    source = Source(
        path,
        columns={"text": "headline", "sentiment": "label", "entity": "who"},
        labels={"0": "negative", "1": "positive", "2": "neutral"},
    )
    assert [(row.text, row.entity, row.sentiment, row.topic) for row in read(source)] == [
        ("Velmont falls, again", "Velmont", 0, 5),
        ("Calm", None, 1, 4),
    ]


def test_a_row_without_any_label_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,sentiment,topic\nA fell,negative,\nB,,\nC,,Earnings\n")
    rows = read(Source(path))
    assert [(row.text, row.sentiment, row.topic) for row in rows] == [("A fell", 0, UNLABELLED), ("C", UNLABELLED, 5)]


@pytest.mark.parametrize(
    ("content", "columns", "error", "says"),
    [
        ("title,sentiment\nA,negative\n", {}, DataInvalid, "--map text=COLUMN"),
        ("text,mood\nA,negative\n", {}, DataInvalid, "--map sentiment=COLUMN"),
        ("text,mood\nA,negative\n", {"sentiment": "feeling"}, DataInvalid, "no column 'feeling'"),
        ("text,sentiment\nA,bearish\n", {}, LabelsUnknown, "--labels bearish=negative"),
        ("text,topic\nA,Weather\n", {}, LabelsUnknown, "taxonomy.toml"),
        ("text,topic\nA,20\n", {}, LabelsUnknown, "'20'"),
        ("text,sentiment\n", {}, DataInvalid, "no row"),
        ("", {}, DataInvalid, "cannot be read as CSV"),
    ],
)
def test_refuses_with_a_line_that_helps(
    tmp_path: Path, content: str, columns: dict[str, str], error: type[DataInvalid], says: str
) -> None:
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(error, match=says.replace("(", r"\(")) as caught:
        read(Source(path, columns=columns))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_refuses_a_missing_a_binary_and_an_altered_file(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="is not there"):
        read(Source(tmp_path / "none.csv"))
    (tmp_path / "b.csv").write_bytes(b"text,sentiment\n\xff\xfe,negative\n")
    with pytest.raises(DataInvalid, match="UTF-8"):
        read(Source(tmp_path / "b.csv"))
    path = write(tmp_path / "a.csv", "text,sentiment\nA,negative\n")
    assert len(read(Source(path, sha256=file_sha256(path)))) == 1
    with pytest.raises(DataInvalid, match="sha256 differs"):
        read(Source(path, sha256="0" * 64))


def test_article_rows_only_where_all_entities_agree() -> None:
    rows = [
        Example("A and B fall", "A", 0),
        Example("A and B fall", "B", 0),
        Example("C gains on D", "C", 2),
        Example("C gains on D", "D", 0),
        Example("no entity", None, 1),
    ]
    assert article_rows(rows) == [Example("A and B fall", None, 0)]


def test_unique_keeps_different_labels_and_entities() -> None:
    rows = [
        Example("A  falls", None, 0),
        Example("A falls", None, 0),
        Example("A falls", "A", 0),
        Example("A falls", None, 2),
    ]
    assert [(row.entity, row.sentiment) for row in unique(rows)] == [(None, 0), ("A", 0), (None, 2)]


def test_split_has_no_near_twin_on_both_sides() -> None:
    words = ("falls", "rises", "cuts", "opens", "sues", "hires", "sells")
    rows = [
        Example(f"${'XYZ'[n % 3]}Q Firm{chr(97 + n % 26)}{chr(97 + n % 19)} {word} {n}% https://t.co/{n}", None, 0)
        for word in words
        for n in range(120)
    ]
    train, dev = split(rows, 0.2)
    assert len(train) + len(dev) == len(rows)
    assert 0.1 < len(dev) / len(rows) < 0.3
    assert not {twin_key(row.text) for row in train} & {twin_key(row.text) for row in dev}
