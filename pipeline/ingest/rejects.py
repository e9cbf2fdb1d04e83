"""The rows of an archive that were left out, each with the reason, in a CSV beside the work: mend it and import it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

__all__ = ["Reject", "Rejects"]

_HEADER = ("file", "row", "reason", "says", "values")
_FIRST_LINE = ",".join(f'"{name}"' for name in _HEADER)
_VALUES_LIMIT = 4_000


class Reject(StrEnum):
    """Why a row was left out; also the name under which it is counted."""

    UNREADABLE = "unreadable"
    WITHOUT_TITLE = "without_title"
    WITHOUT_PUBLISHER = "without_publisher"


_SAYS = {
    Reject.UNREADABLE: "It could not be read",
    Reject.WITHOUT_TITLE: "It has no title",
    Reject.WITHOUT_PUBLISHER: "It names no publisher; give --publisher for such rows",
}


@dataclass
class Rejects:
    """The file `path` (None: nothing is kept). Rows wait until `flush`, which a batch calls before its commit."""

    path: Path | None
    _waiting: list[tuple[str, ...]] = field(default_factory=list)

    def begin(self, size: int) -> bool:
        """Go on after `size` bytes, those of the batches that were committed; False if they are not there any more.

        Raises:
            InputError: the file cannot be written, or is somebody's who would miss it.
        """
        if self.path is None:
            return True
        try:
            if self.path.exists() and self.path.stat().st_size and not self._ours():
                raise InputError(f"{self.path}: is there, and is no file of rejects. Name another with --rejects.")
            if not size:
                self.path.unlink(missing_ok=True)
                return True
            if not self.path.exists() or self.path.stat().st_size < size:
                return False
            os.truncate(self.path, size)
        except OSError as error:
            raise self._cannot(error) from error
        return True

    def add(self, file: str, row: int, reason: Reject, says: str, values: Mapping[str, Any] | str) -> None:
        """Keep one row that is left out."""
        if self.path is None:
            return
        # As JSON no cell begins with a sign that a spreadsheet takes for a formula; a file's name may.
        text = json.dumps(values, ensure_ascii=False, default=str)[:_VALUES_LIMIT]
        name = f"'{file}" if file[:1] in "=+-@\t\r＝＋－＠" else file
        self._waiting.append((name, str(row), str(reason), says or _SAYS[reason], text))

    def flush(self) -> int:
        """Write what waits, surely; answers the size of the file.

        Raises:
            InputError: the file cannot be written.
        """
        if self.path is None:
            return 0
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            if not self._waiting:
                return size
            text = io.StringIO()
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
            if not size:
                writer.writerow(_HEADER)
            writer.writerows(self._waiting)
            with self.path.open("ab") as file:
                file.write(text.getvalue().encode("utf-8", "replace"))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
        except OSError as error:
            raise self._cannot(error) from error
        self._waiting.clear()
        return size

    def _ours(self) -> bool:
        assert self.path is not None
        with self.path.open("rb") as file:
            return file.readline(200).decode("utf-8", "replace").strip() == _FIRST_LINE

    def _cannot(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be written ({error.strerror}). Name another file with --rejects.")
