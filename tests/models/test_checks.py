"""The checks find what is wrong with labelled files, and where; errors stop a training, warnings do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from models.checks import Checked, Finding, Kind, Part, check
from models.data import Example, Source, parse

HEAD = "text,entity,sentiment,topic\n"


def part(folder: Path, role: str, content: str, name: str = "") -> Part:
    path = folder / (name or f"{role}.csv")
    path.write_text(HEAD + content, "utf-8")
    return Part(role, path.name, parse(Source(path)))


def only(found: Checked, kind: Kind) -> Finding:
    findings = [finding for finding in found.findings if finding.kind is kind]
    assert len(findings) == 1, found.findings
    return findings[0]


def test_unknown_labels_are_errors_with_every_line(tmp_path: Path) -> None:
    found = check([part(tmp_path, "train", "A,,bearish,\nB,,negative,Weather\nC,,bearish,\nD,,bullish,\n")])
    sentiments = [finding for finding in found.findings if finding.kind is Kind.SENTIMENT]
    assert [(finding.count, finding.lines) for finding in sentiments] == [(2, (2, 4)), (1, (5,))]
    assert "--labels" in sentiments[0].says
    assert only(found, Kind.TOPIC).lines == (3,)
    assert only(found, Kind.NOTHING).severity == "error"
    assert {finding.kind for finding in found.errors} == {Kind.SENTIMENT, Kind.TOPIC, Kind.NOTHING}


def test_rows_left_out_are_warnings(tmp_path: Path) -> None:
    found = check([part(tmp_path, "train", "A falls,,negative,\n https://t.co/x ,,neutral,\nB,,,\n")])
    assert only(found, Kind.EMPTY).lines == (3,)
    assert only(found, Kind.UNLABELLED).lines == (4,)
    assert found.errors == ()
    assert found.files[0].rows == 1


def test_duplicates_and_contradictions_across_files(tmp_path: Path) -> None:
    first = part(tmp_path, "train", "Velmont falls,,negative,\nVelmont falls,Velmont,negative,\n", "a.csv")
    rest = "Velmont  falls https://t.co/a,,negative,\nVelmont falls,Velmont,positive,\nVelmont falls,,,Markets\n"
    found = check([first, part(tmp_path, "train", rest, "b.csv")])
    assert (only(found, Kind.DUPLICATE).file, only(found, Kind.DUPLICATE).lines) == ("b.csv", (2, 4))
    assert only(found, Kind.CONTRADICTION).lines == (3,)


def test_near_twins_leak_between_train_dev_and_test(tmp_path: Path) -> None:
    parts = [
        part(tmp_path, "train", "$VLM Velmont falls 12%,,negative,\nOrrin rises,,positive,\n$AB 12%,,neutral,\n"),
        part(tmp_path, "dev", "Velmont FALLS 3%!,,negative,\nTidewell opens,,neutral,\n"),
        part(tmp_path, "test", "tidewell opens,,neutral,\nOrrin rises 4%,,positive,\n$CD 13%,,neutral,\n"),
        part(tmp_path, "replay", "Orrin rises,,positive,\n"),
    ]
    leaks = [finding for finding in check(parts).findings if finding.kind is Kind.LEAKAGE]
    assert [(leak.file, leak.lines) for leak in leaks] == [("dev.csv", (2,)), ("test.csv", (3,)), ("test.csv", (2,))]
    assert ["train" in leak.says for leak in leaks] == [True, True, False]


def test_rare_classes_are_counted(tmp_path: Path) -> None:
    content = "".join(f"text {'x' * n},,{'neutral' if n else 'negative'},\n" for n in range(60))
    says = only(check([part(tmp_path, "train", content)]), Kind.BALANCE).says
    assert "negative 1" in says
    assert "positive 0" in says
    assert "neutral" not in says


def test_too_long_is_asked_of_the_tokenizer(tmp_path: Path) -> None:
    def longer_than_3(rows: Sequence[Example]) -> list[bool]:
        return [len(row.text.split()) > 3 for row in rows]

    train = part(tmp_path, "train", "a b c d,,negative,\na b,,neutral,\n")
    assert only(check([train], longer_than_3), Kind.TOO_LONG).lines == (2,)


def test_nothing_is_found_in_a_sound_file_and_json_says_all(tmp_path: Path) -> None:
    words = [f"{chr(97 + a)}{chr(97 + b)} moves" for a in range(10) for b in range(6)]
    labels = ("negative", "neutral", "positive")
    sound = "".join(f"{text},,{labels[n % 3]},\n" for n, text in enumerate(words))
    found = check([part(tmp_path, "train", sound), part(tmp_path, "test", "zz stays,,neutral,\n")])
    assert found.findings == ()
    told = found.to_json()
    assert told["files"][0] == {
        "file": "train.csv", "role": "train", "rows": 60, "sentiment": dict.fromkeys(labels, 20), "topic": {},
    }  # fmt: skip
    bad = check([part(tmp_path, "train", "A,,bearish,\n")]).to_json()["findings"][0]
    assert (bad["kind"], bad["severity"], bad["count"]) == ("unknown sentiment", "error", 1)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_severity(kind: Kind) -> None:
    assert Finding(kind, "a.csv", 1, "").severity == (
        "error" if kind in (Kind.SENTIMENT, Kind.TOPIC, Kind.NOTHING) else "warning"
    )
