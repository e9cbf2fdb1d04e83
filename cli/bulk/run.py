"""One file through the model: chunk by chunk into parts beside the output, so that a killed run goes on from them."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from cli.bulk.answers import ANSWERS, Asked, Known
from cli.bulk.read import Chunk, Format, Reject, Rows, Stamp, format_of, opened, stamp
from cli.bulk.write import REJECTS, joined, replaced, schema_of, write_part, write_rejects
from models import Item
from models.errors import DataInvalid

__all__ = ["CHUNK", "Job", "Summary", "check", "classify_file", "parts_of", "rejects_of"]

CHUNK = 4_096
_LAYOUT = 1
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """One call. `columns`: our field (text, entity) to the file's column; `entity`: for rows that name none."""

    source: Path
    out: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    entity: str | None = None
    chunk: int = CHUNK


@dataclass
class Summary:
    """What came out. `statuses`: rows by status; `resumed`: chunks that an earlier run had done."""

    rows: int = 0
    rejected: int = 0
    resumed: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


def parts_of(out: Path) -> Path:
    """Return the folder that keeps what is done, until all is."""
    return out.with_name(out.name + ".parts")


def rejects_of(out: Path) -> Path:
    """Return the file for the rows that could not be used."""
    return out.with_name(out.name + ".rejects.csv")


def classify_file(job: Job, scorer: Asked, progress: Progress = lambda done, total: None) -> Summary:
    """Write each row of a file with its answer; rows that cannot be used go to the rejects file.

    Goes on from what an earlier, interrupted call with the same file and settings has left. `progress` hears rows done
    and about how many there are. Raises DataInvalid where the file or its columns cannot be used, or where another
    call's work is in the way.
    """
    check(job)
    found = stamp(job.source)
    with _folder(job, scorer, found) as folder, Known(folder / "known.sqlite") as known:
        work = _Work(job, scorer, known, folder, found, progress)
        work.run()
    _remove(folder)
    return work.summary


def check(job: Job) -> None:
    """Raise DataInvalid where the paths of a job cannot be used."""
    for path in (job.source, job.out):
        format_of(path)
    with opened(job.source, False):
        pass
    if not job.out.parent.is_dir():
        raise DataInvalid(f"the folder {job.out.parent} is not there; make it, or choose another --out")
    if job.out.exists() and job.out.samefile(job.source):
        raise DataInvalid(f"{job.out.name} is the file that is read; choose another --out")


class _Work:
    def __init__(self, job: Job, scorer: Asked, known: Known, folder: Path, found: Stamp, progress: Progress) -> None:
        self.summary = Summary()
        self._job, self._scorer, self._known, self._folder = job, scorer, known, folder
        self._total, self._progress = found.rows, progress
        self._format, self._zipped = format_of(job.out)
        self._rows = Rows(job.source, job.chunk)
        self._columns: dict[str, str] = {}

    def run(self) -> None:
        count = 0
        for count, chunk in enumerate(self._rows.chunks(), 1):
            if count == 1:
                self._columns = _columns(self._job, self._rows.columns, self._rows.schema)
            self._chunk(count, chunk)
        if not count:
            # A file without rows still has to have the right columns.
            self._columns = _columns(self._job, self._rows.columns, self._rows.schema) if self._rows.columns else {}
        schema = self._schema()
        parts = [self._part(number) for number in range(1, count + 1)]
        _put_rejects(rejects_of(self._job.out), [part.with_suffix(".rejects") for part in parts])
        joined(self._job.out, self._format, self._zipped, parts, schema.names, schema)

    def _schema(self) -> pa.Schema:
        kept = [name for name in self._rows.columns if name not in ANSWERS]
        return schema_of(kept, self._rows.schema, ANSWERS)

    def _part(self, number: int) -> Path:
        return self._folder / f"{number:08}.part"

    def _chunk(self, number: int, chunk: Chunk) -> None:
        part, before = self._part(number), self.summary.rows + self.summary.rejected
        tally = part.with_suffix(".json")
        if part.exists():
            kept = json.loads(tally.read_text("utf-8"))
            self.summary.resumed += 1
        else:
            items, rows, rejects = self._items(chunk)

            def heard(done: int) -> None:
                self._progress(before + done, max(self._total, before + len(chunk)))

            answered = self._known.answers(self._scorer, items, heard)
            write_rejects(part.with_suffix(".rejects"), rejects)
            kept = {"rejected": len(rejects), "statuses": Counter(answer["status"] for answer in answered)}
            with replaced(tally) as draft:
                draft.write_text(json.dumps(kept), "utf-8")
            # Last: where it is, the whole chunk is done.
            full = [{**row, **answer} for row, answer in zip(rows, answered, strict=True)]
            write_part(part, self._format, full, self._schema())
        self.summary.rows += sum(kept["statuses"].values())
        self.summary.rejected += kept["rejected"]
        self.summary.statuses.update(kept["statuses"])
        done = self.summary.rows + self.summary.rejected
        self._progress(done, max(self._total, done))

    def _items(self, chunk: Chunk) -> tuple[list[Item], list[dict[str, Any]], list[Reject]]:
        items: list[Item] = []
        rows: list[dict[str, Any]] = []
        rejects = list(chunk.rejects)
        for line, row in chunk.rows:
            text, entity = (row.get(self._columns.get(name, "")) for name in ("text", "entity"))
            if isinstance(text, str | None) and isinstance(entity, str | None):
                items.append(Item(text or "", (entity or "").strip() or self._job.entity))
                rows.append(row)
            else:
                rejects.append(Reject(line, "its text or entity is no string", str(row)[:200]))
        return items, rows, sorted(rejects, key=lambda reject: reject.line)


def _columns(job: Job, present: Sequence[str], schema: pa.Schema | None) -> dict[str, str]:
    """Our field to the file's column, for text (a must) and entity."""
    wanted = {name: job.columns.get(name, name) for name in ("text", "entity")}
    for name, column in wanted.items():
        if column not in present and (name == "text" or name in job.columns):
            raise DataInvalid(
                f"{job.source.name} has no column {column!r}; it has {', '.join(present)}: use --map {name}=COLUMN"
            )
        kind = schema.field(column).type if schema is not None and column in present else pa.string()
        if not any(is_(kind) for is_ in (pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary)):
            raise DataInvalid(f"the column {column!r} of {job.source.name} holds {kind}, not text; name another one")
    return {name: column for name, column in wanted.items() if column in present}


@contextmanager
def _folder(job: Job, scorer: Asked, found: Stamp) -> Iterator[Path]:
    """The folder of the parts, held by this process alone, once what is in it is of this very call."""
    folder, call = (
        parts_of(job.out),
        {
            "layout": _LAYOUT,
            "sha256": found.sha256,
            "columns": dict(sorted(job.columns.items())),
            "entity": job.entity,
            "chunk": job.chunk,
            "model_version": scorer.model_version,
            "format": job.out.name,
        },
    )
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataInvalid(
                f"another classify is writing {job.out.name}; wait for it, or choose another --out"
            ) from None
        kept = folder / "call.json"
        if not kept.exists():
            with replaced(kept) as draft:
                draft.write_text(json.dumps(call), "utf-8")
        elif json.loads(kept.read_text("utf-8")) != call:
            raise DataInvalid(
                f"{folder.name} is what another file or other settings have left of {job.out.name}; "
                "remove that folder, or choose another --out"
            )
        yield folder


def _put_rejects(path: Path, parts: Sequence[Path]) -> None:
    if not any(part.stat().st_size for part in parts):
        path.unlink(missing_ok=True)
        return
    joined(path, Format.CSV, False, parts, REJECTS)


def _remove(folder: Path) -> None:
    # First out of the way as a whole: half a folder must never be gone on with.
    done = folder.with_name(folder.name + ".done")
    shutil.rmtree(done, ignore_errors=True)
    folder.rename(done)
    shutil.rmtree(done)
