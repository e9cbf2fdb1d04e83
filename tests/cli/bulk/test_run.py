"""A file of any length: bad rows set aside, equal texts asked once, and after any kill the very same output."""

from __future__ import annotations

import csv
import gzip
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.bulk.run import Job, classify_file, parts_of, rejects_of
from models.errors import DataInvalid
from tests.cli.bulk.fakes import CountingScorer

FORK = multiprocessing.get_context("fork")
HEADLINES = [f"Velmont shares fall {n % 17} percent after profit warning" for n in range(40)]


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def write_csv(path: Path, rows: list[str], header: str = "id,text") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = [f'{n},"{text}"' for n, text in enumerate(HEADLINES)]
    return write_csv(tmp_path / "in.csv", [*rows[:7], "7,too,many", *rows[8:]])


def test_rows_keep_their_order_and_columns(source: Path, tmp_path: Path) -> None:
    scorer, heard = CountingScorer(), list[tuple[int, int]]()
    summary = classify_file(
        Job(source, tmp_path / "out.csv", chunk=10), scorer, lambda done, total: heard.append((done, total))
    )
    assert (summary.rows, summary.rejected, summary.resumed) == (39, 1, 0)
    rows = lines_of(tmp_path / "out.csv")
    assert [int(row["id"]) for row in rows] == [n for n in range(40) if n != 7]
    assert {row["status"] for row in rows} == {"scored"}
    assert [row["reason"] for row in lines_of(rejects_of(tmp_path / "out.csv"))] == ["has 3 fields, the header 2"]
    assert [row["line"] for row in lines_of(rejects_of(tmp_path / "out.csv"))] == ["9"]
    assert heard[-1] == (40, 40)
    assert heard == sorted(heard)
    assert not parts_of(tmp_path / "out.csv").exists()


def test_equal_texts_are_asked_once_in_the_whole_file(source: Path, tmp_path: Path) -> None:
    scorer = CountingScorer()
    classify_file(Job(source, tmp_path / "out.csv", chunk=10), scorer)
    asked = [item.text for call in scorer.calls for item in call]
    assert len(asked) == len(set(asked)) == 17
    answers = {row["text"]: row["p_negative"] for row in lines_of(tmp_path / "out.csv")}
    assert all(row["p_negative"] == answers[row["text"]] for row in lines_of(tmp_path / "out.csv"))


def test_an_entity_makes_another_question(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ["Velmont sues Orrin,Velmont", "Velmont sues Orrin,"], "text,entity")
    scorer = CountingScorer()
    classify_file(Job(source, tmp_path / "out.csv", entity="Orrin"), scorer)
    assert {(item.text, item.entity) for item in scorer.calls[0]} == {
        ("Velmont sues Orrin", "Velmont"),
        ("Velmont sues Orrin", "Orrin"),
    }


def _die(job: Job, at_rename: int, at_call: int) -> None:
    seen = 0

    def count(event: str, _: Any) -> None:
        nonlocal seen
        # The signal is an event too.
        if event == "os.rename":
            seen += 1
            if seen == at_rename:
                os.kill(os.getpid(), signal.SIGKILL)

    if at_rename:
        sys.addaudithook(count)
    classify_file(job, CountingScorer(at_call))


def killed(job: Job, at_rename: int = 0, at_call: int = 0) -> bool:
    """Run a job in a process that kills itself; True where it came to that point."""
    process = FORK.Process(target=_die, args=(job, at_rename, at_call))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_kill_before_any_file_is_put_in_place_changes_nothing(source: Path, tmp_path: Path, suffix: str) -> None:
    calm = tmp_path / f"calm{suffix}"
    classify_file(Job(source, calm, chunk=20), CountingScorer())
    # Two chunks of three files each, the call before them, and two files and the folder after them.
    points = range(1, 1 + 1 + 2 * 3 + 3)
    for at in points:
        out = tmp_path / f"out{at}{suffix}"
        assert killed(Job(source, out, chunk=20), at_rename=at)
        again = classify_file(Job(source, out, chunk=20), CountingScorer())
        assert out.read_bytes() == calm.read_bytes()
        assert rejects_of(out).read_bytes() == rejects_of(calm).read_bytes()
        assert (again.rows, again.rejected) == (39, 1)
        assert not parts_of(out).exists()
    assert not killed(Job(source, tmp_path / f"last{suffix}", chunk=20), at_rename=points[-1] + 1)


def test_a_kill_while_scoring_costs_one_chunk(source: Path, tmp_path: Path) -> None:
    calm, out = tmp_path / "calm.csv", tmp_path / "out.csv"
    classify_file(Job(source, calm, chunk=5), CountingScorer())
    assert killed(Job(source, out, chunk=5), at_call=3)
    assert not out.exists()
    scorer = CountingScorer()
    assert classify_file(Job(source, out, chunk=5), scorer).resumed == 2
    assert sum(len(call) for call in scorer.calls) == 17 - 9
    assert out.read_bytes() == calm.read_bytes()


def test_what_another_call_has_left_is_not_mixed_in(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert killed(Job(source, out, chunk=10), at_call=2)
    for other in (Job(source, out, entity="Velmont", chunk=10), Job(source, out, {"text": "id"}, chunk=10)):
        with pytest.raises(DataInvalid, match="remove that folder"):
            classify_file(other, CountingScorer())
    write_csv(source, ["1,Oil"])
    with pytest.raises(DataInvalid, match="another file"):
        classify_file(Job(source, out, chunk=10), CountingScorer())


def test_two_calls_at_once_do_not_write_one_file(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"

    class Meanwhile(CountingScorer):
        def score(self, *arguments: Any) -> Any:
            with pytest.raises(DataInvalid, match="another classify"):
                classify_file(Job(source, out), CountingScorer())
            return super().score(*arguments)

    assert classify_file(Job(source, out), Meanwhile()).rows == 39


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz", "in.jsonl", "in.jsonl.gz", "in.parquet"])
@pytest.mark.parametrize("target", ["out.csv", "out.csv.gz", "out.jsonl", "out.jsonl.gz", "out.parquet"])
def test_every_format_into_every_other(tmp_path: Path, name: str, target: str) -> None:
    rows = [{"id": str(n), "text": text} for n, text in enumerate(HEADLINES[:5])]
    source, out = tmp_path / name, tmp_path / target
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        text = (
            "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows)
            if ".csv" in name
            else "".join(json.dumps(row) + "\n" for row in rows)
        )
        source.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    classify_file(Job(source, out, chunk=2), CountingScorer())
    if target.endswith(".parquet"):
        found = pq.read_table(out).to_pylist()
        assert isinstance(found[0]["p_negative"], float)
    else:
        raw = gzip.decompress(out.read_bytes()) if target.endswith(".gz") else out.read_bytes()
        lines = raw.decode().splitlines()
        found = list(csv.DictReader(lines)) if ".csv" in target else [json.loads(line) for line in lines]
    assert [(row["id"], row["text"]) for row in found] == [(row["id"], row["text"]) for row in rows]
    assert {row["sentiment"] for row in found} == {"negative"}


def test_types_of_a_parquet_file_stay_and_row_groups_do_not_matter(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array(range(40), pa.int32()), "text": HEADLINES})
    outs = []
    for size in (3, 40):
        source, out = tmp_path / f"in{size}.parquet", tmp_path / f"out{size}.parquet"
        pq.write_table(table, source, row_group_size=size)
        classify_file(Job(source, out, chunk=10), CountingScorer())
        outs.append(pq.read_table(out))
    assert outs[0].schema.field("n").type == pa.int32()
    assert outs[0].equals(outs[1])


def test_what_cannot_be_scored_is_said_and_never_asked(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    texts = ["", None, "   ", "🎉🎉", "8-K - VELMONT INC (0000000001) (Filer)", HEADLINES[0]]
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    scorer = CountingScorer()
    summary = classify_file(Job(source, tmp_path / "out.jsonl"), scorer)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [row["status"] for row in rows] == ["empty"] * 4 + ["filing", "scored"]
    assert [row["p_negative"] is None for row in rows] == [True] * 5 + [False]
    assert [item.text for call in scorer.calls for item in call] == [HEADLINES[0]]
    assert summary.statuses == {"empty": 4, "filing": 1, "scored": 1}


@pytest.mark.parametrize("content", ["text\n", ""])
def test_a_file_without_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "in.csv").write_text(content, "utf-8")
    if not content:
        with pytest.raises(DataInvalid, match="header"):
            classify_file(Job(tmp_path / "in.csv", tmp_path / "out.csv"), CountingScorer())
        return
    assert classify_file(Job(tmp_path / "in.csv", tmp_path / "out.csv"), CountingScorer()).rows == 0
    assert (tmp_path / "out.csv").read_text("utf-8").startswith("text,status,sentiment,")


def test_the_file_that_is_read_is_not_written(source: Path) -> None:
    before = source.read_bytes()
    with pytest.raises(DataInvalid, match="choose another --out"):
        classify_file(Job(source, source), CountingScorer())
    assert source.read_bytes() == before
