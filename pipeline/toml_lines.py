"""On which line of a TOML file each table and key stands, so that a message can name it; `tomllib` keeps no lines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = ["Table", "place", "tables"]

# What a value over several lines can end with; only after such a line is it worth asking whether it has ended.
_CLOSING = ("]", "}", '"""', "'''")


@dataclass
class Table:
    """One table as it stands in the file: `path` of its header (() before the first), first line, text, keys.

    `array`: the header is [[…]]. `keys`: the path of each key, from the table on, to its line (from 1).
    """

    path: tuple[str, ...]
    line: int
    array: bool
    text: str = ""
    keys: dict[tuple[str, ...], int] = field(default_factory=dict)

    def line_of(self, *path: str) -> int:
        """The line of a key of this table, or of the header where the key is not there by itself."""
        return self.keys.get(path, self.line)


def tables(text: str) -> list[Table]:
    """The tables of a valid TOML text in the order of the file; a sub-table is a table of its own.

    Comments and empty lines above a header belong to neither table.
    """
    found, between = [Table((), 1, False)], ""
    for line, part in _statements(text):
        path = _path(tomllib.loads(part))
        if not path:
            between += part
            continue
        if (head := part.lstrip()).startswith("["):
            found.append(Table(path, line, head.startswith("[[")))
        else:
            found[-1].text += between
            for end in range(1, len(path) + 1):
                found[-1].keys.setdefault(path[:end], line)
        found[-1].text += part
        between = ""
    return found


def place(parts: Sequence[Table], *path: str) -> int:
    """The first line of the key or table at `path` from the top of the file; of what holds it, if it is not there."""
    while path:
        lines = [part.line for part in parts if part.path[: len(path)] == path]
        for part in parts:
            at = len(part.path)
            if part.path == path[:at] and path[at:] in part.keys:
                lines.append(part.keys[path[at:]])
        if lines:
            return min(lines)
        path = path[:-1]
    return 1


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each header, key with its value, comment and empty line.

    A statement ends where TOML says so: at the first line end up to which it reads as TOML by itself.
    """
    open_, began = "", 1
    for line, part in enumerate(text.splitlines(keepends=True), 1):
        if not open_:
            began = line
        elif not any(mark in part for mark in _CLOSING):
            open_ += part
            continue
        open_ += part
        try:
            tomllib.loads(open_)
        except tomllib.TOMLDecodeError:
            continue
        yield began, open_
        open_ = ""


def _path(value: object) -> tuple[str, ...]:
    """The one path that a statement names."""
    path: list[str] = []
    while isinstance(value, dict | list) and len(value) == 1:
        if isinstance(value, dict):
            key, value = next(iter(value.items()))
            path.append(str(key))
        else:
            value = value[0]
    return tuple(path)
