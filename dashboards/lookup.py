"""Rows of the published tables by what they are sorted by, found in copies of the parts mapped into memory."""

from __future__ import annotations

import errno
import logging
import mmap
import resource
import shutil
import tempfile
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Lookup"]

logger = logging.getLogger(__name__)

_BATCH = 1 << 16
# A copy is up to eight times its part; so much of the disk stays free for others.
_TIMES, _FREE = 8, 0.1
# A look into a copy maps some two megabytes of it; after so many looks they are given back.
_TOUCHED = 150


@dataclass(frozen=True)
class _Copy:
    rows: pa.Table
    held: mmap.mmap


class Lookup:
    """Copies of Parquet parts as plain Arrow. One per server; safe for its threads.

    Opening a column of a Parquet part takes a tenth of a millisecond however few rows are wanted, and a series has
    rows in dozens of parts; in a copy they are found by bisection and nothing else is touched. Parts never change, so
    a copy stays right. Its file has no name: it ends with the server, however that ends.
    """

    def __init__(self) -> None:
        self._copies: dict[Path, _Copy] = {}
        self._lock = threading.Lock()
        self._left: set[Path] = set()
        self._full = False
        self._touched = 0

    def missing(self, files: Collection[Path]) -> list[Path]:
        """Those of `files` that could still be copied; none once the disk is too full for more."""
        return [] if self._full else [one for one in files if one not in self._copies and one not in self._left]

    def copy(self, file: Path) -> None:
        """Copy a part, if there is room for it and it is still there; else it goes on being read as it is."""
        if self._full:
            return
        try:
            with pq.ParquetFile(file) as part:
                self._see_room(file.stat().st_size)
                made = _copied(part)
        except (OSError, pa.ArrowException, MemoryError) as error:
            if isinstance(error, FileNotFoundError) or getattr(error, "errno", None) is None:
                # Gone with its snapshot, or damaged: who asks for it is told so.
                self._left.add(file)
                return
            self._full = True
            logger.warning("pages come slower: no room to copy the published parts (%s); point TMPDIR elsewhere", error)
            return
        with self._lock:
            self._copies[file] = made

    def _see_room(self, size: int) -> None:
        """Raise OSError where a copy of so many bytes of Parquet would take what others need."""
        try:
            folder = tempfile.gettempdir()
        except FileNotFoundError as error:
            raise OSError(errno.EACCES, str(error)) from error
        usage = shutil.disk_usage(folder)
        if usage.free - _TIMES * size < _FREE * usage.total:
            raise OSError(errno.ENOSPC, "less than a tenth would stay free", folder)
        # Each map holds a file open.
        if len(self._copies) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2:
            raise OSError(errno.EMFILE, "half of the files that may be open", folder)

    def keep(self, files: Collection[Path]) -> None:
        """Forget the copies of all others."""
        wanted = frozenset(files)
        with self._lock:
            kept = {file: copy for file, copy in self._copies.items() if file in wanted}
            # There may be room again.
            self._full = self._full and len(kept) == len(self._copies)
            self._copies = kept
            self._left &= wanted

    def find(
        self, files: Sequence[Path], order: Sequence[str], values: Sequence[Any], start: Any = None, end: Any = None
    ) -> pa.Table | None:
        """The rows whose first columns of `order` are `values`, and whose next one lies in `[start, end)`.

        None where one of the files has no copy, or there is no file. Rows come in the order of the files.
        """
        copies = [self._copies.get(file) for file in files]
        there = [copy for copy in copies if copy is not None]
        if not there or len(there) < len(copies):
            return None
        self._touched += len(there)
        if self._touched > _TOUCHED:
            self.rest()
        found = [_stretch(copy.rows, order, values, start, end) for copy in there]
        return pa.concat_tables([rows for rows in found if rows.num_rows] or found[:1], promote_options="default")

    def rest(self) -> None:
        """Give the memory of what was looked at back to the system, which keeps what it has room for."""
        self._touched = 0
        for copy in tuple(self._copies.values()):
            copy.held.madvise(mmap.MADV_DONTNEED)


def _copied(part: pq.ParquetFile) -> _Copy:
    with (
        tempfile.TemporaryFile(prefix="barograph-") as raw,
        pa.PythonFile(raw, "w") as sink,
        pa.ipc.new_file(sink, part.schema_arrow) as writer,
    ):
        for batch in part.iter_batches(_BATCH, use_threads=False):
            writer.write_batch(batch)
        writer.close()
        raw.flush()
        held = mmap.mmap(raw.fileno(), 0, prot=mmap.PROT_READ)
    return _Copy(pa.ipc.open_file(pa.py_buffer(held)).read_all(), held)


def _stretch(rows: pa.Table, order: Sequence[str], values: Sequence[Any], start: Any, end: Any) -> pa.Table:
    """Those asked for among `rows`, which are sorted by `order`."""
    first, last = 0, rows.num_rows
    for name, value in zip(order, values, strict=False):
        of = _reader(rows, name)
        first = bisect_left(range(rows.num_rows), (False, value), first, last, key=of)
        last = bisect_right(range(rows.num_rows), (False, value), first, last, key=of)
    if start is not None or end is not None:
        of = _reader(rows, order[len(values)])
        if start is not None:
            first = bisect_left(range(rows.num_rows), (False, start), first, last, key=of)
        # A null lies in no time, and they come last.
        beyond = (True,) if end is None else (False, end)
        last = bisect_left(range(rows.num_rows), beyond, first, last, key=of)
    return rows.slice(first, last - first)


def _reader(rows: pa.Table, name: str) -> Callable[[int], tuple[bool, Any]]:
    """What a row holds in a column, as it is sorted by: nulls come last."""
    column = rows.column(name)

    def of(at: int) -> tuple[bool, Any]:
        value = column[at].as_py()
        return value is None, value

    return of
