"""`migrate`: a store moved to another engine, month by month of each table, held equal by counts and digests.

What is already equal is left alone, so one that was killed goes on where it stopped, and one that is run again brings
over what has come since. Until all is equal the new store has no version, and nothing else opens it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipeline.context import Progress, silent
from pipeline.errors import StoreError, UsageError
from pipeline.warehouse import schema
from pipeline.warehouse.content import NOTHING, Digest, months, same, shape
from pipeline.warehouse.engines import DuckLake, Engine, engine_for, translated

__all__ = ["Moved", "Piece", "missing", "move"]

logger = logging.getLogger(__name__)

_VERSION = "schema_version"
Content = Mapping[str, Mapping[datetime | None, Digest]]
Shapes = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Piece:
    """The rows of a table that were recorded in a month; None: those of a table that does not say when."""

    table: str
    month: datetime | None
    rows: int


@dataclass(frozen=True)
class Moved:
    """What there is in both stores now, and how much of it this call brought over."""

    tables: int
    rows: int
    rows_copied: int


def missing(source: Content, target: Content) -> list[Piece]:
    """What must be copied so that `target` is `source`; a piece of no rows is one that must go."""
    return [
        Piece(table, month, source.get(table, {}).get(month, NOTHING).rows)
        for table in sorted({*source, *target})
        for month in sorted({*source.get(table, {}), *target.get(table, {})}, key=lambda at: (at is not None, at))
        if source.get(table, {}).get(month) != target.get(table, {}).get(month)
    ]


def move(source: str, target: str, *, replace: bool = False, progress: Progress = silent) -> Moved:
    """Bring the store that `source` names (as `[store] warehouse` does) to `target`; `source` is only read.

    Of a file, writers wait until it is done; of a lake the state of the beginning is moved, whatever is written since.
    `replace`: also where a whole store stands at `target`, which then becomes that of `source`.

    Raises:
        UsageError: both are the same.
        StoreError: there is no store at `source`, one at `target`, or what arrived is not what was sent.
        StoreBusy: somebody else holds one of the files.
    """
    from_, to = engine_for(source), engine_for(target)
    if from_ == to:
        raise UsageError(f"{from_} is both FROM and TO. Name another place to move it to.")
    if not from_.exists:
        raise StoreError(f"{from_} does not exist. Name the store as `[store] warehouse` does.")
    with closing(duckdb.connect()) as con:
        con.execute("SET TimeZone = 'UTC'")
        _attach(con, from_, "source")
        _attach(con, to, "target")
        with _blaming(from_):
            con.execute("USE source")
            version = schema.current_version(con)
            if not version:
                raise StoreError(f"{from_} holds no store. Name the store as `[store] warehouse` does.")
            shapes = shape(con, "source")
            wanted = _content(con, "source", shapes, "read FROM", progress)
        with _blaming(to):
            return _fill(con, shapes, version, wanted, from_, to, replace=replace, progress=progress)


def _fill(
    con: duckdb.DuckDBPyConnection, shapes: Shapes, version: int, content: Content, from_: Engine, to: Engine, *,
    replace: bool, progress: Progress,
) -> Moved:  # fmt: skip
    """Make `to` hold the `content` of `from_`, which has just been read whole: what fails now, fails at `to`."""
    wanted = dict(content)
    fresh = _prepare(con, shapes, version, from_, to, replace=replace)
    # The version is what makes it a store: last.
    last, rest = {_VERSION: wanted.pop(_VERSION)}, {table: shapes[table] for table in shapes if table != _VERSION}
    there: Content = {"guards": {None: NOTHING}} if fresh else _content(con, "target", rest, "read TO", progress)
    copied = _copy(con, missing(wanted, there), shapes, progress)
    arrived = _content(con, "target", rest, "verify", progress)
    same(_totals(arrived), _totals(wanted), f"{to}: what arrived")
    copied += _copy(con, missing(last, {}), shapes, progress)
    logger.info("moved %s to %s: schema %s, %s rows copied", from_, to, version, copied)
    return Moved(len(shapes), sum(one.rows for one in _totals({**wanted, **last}).values()), copied)


def _prepare(
    con: duckdb.DuckDBPyConnection, shapes: Shapes, version: int, from_: Engine, to: Engine, *, replace: bool
) -> bool:
    """The tables at `to` made, or as a move that did not end left them, without a version; answers if they are new."""
    con.execute("USE target")
    con.begin()
    there = shape(con, "target")
    whole = _VERSION in there and con.execute(f"SELECT 1 FROM {_VERSION} LIMIT 1").fetchone() is not None
    if whole and not replace:
        raise StoreError(f"{to} holds a store already. Give --replace to make it that of {from_}, or name another.")
    fresh = there != shapes
    if fresh:
        if there and not replace:
            raise StoreError(f"{to} holds other tables. Name an empty place, or give --replace to lose them.")
        for table in there:
            con.execute(f'DROP TABLE "{table}"')
        schema.create(con, version)
        if shape(con, "target") != shapes:
            raise StoreError(f"{from_} has other tables than schema {version}. Restore it from a backup first.")
    con.execute(f"DELETE FROM {_VERSION}")
    con.commit()
    return fresh


def _copy(con: duckdb.DuckDBPyConnection, pieces: Sequence[Piece], shapes: Shapes, progress: Progress) -> int:
    """Copy each piece in a transaction of its own; answers how many rows."""
    total, done = sum(piece.rows for piece in pieces), 0
    for piece in pieces:
        progress("copy rows", done, total)
        columns, table = shapes[piece.table], f'"{piece.table}"'
        names = ", ".join(f'"{name}"' for name in columns)
        here, bound = (
            ("date_trunc('month', recorded_at) = $month", {"month": piece.month})
            if piece.month
            else (("recorded_at IS NULL" if "recorded_at" in columns else "true"), None)
        )
        con.begin()
        con.execute(f"DELETE FROM target.{table} WHERE {here}", bound)
        con.execute(f"INSERT INTO target.{table} ({names}) SELECT {names} FROM source.{table} WHERE {here}", bound)
        con.commit()
        done += piece.rows
    progress("copy rows", done, total)
    return done


def _content(con: duckdb.DuckDBPyConnection, database: str, shapes: Shapes, what: str, progress: Progress) -> Content:
    found = {}
    for n, (table, columns) in enumerate(shapes.items()):
        progress(what, n, len(shapes))
        found[table] = months(con, database, table, columns)
    progress(what, len(shapes), len(shapes))
    return found


def _totals(content: Content) -> dict[str, Digest]:
    return {table: sum(found.values(), start=NOTHING) for table, found in content.items()}


def _attach(con: duckdb.DuckDBPyConnection, engine: Engine, name: str) -> None:
    with _blaming(engine):
        if name == "source" and isinstance(engine, DuckLake):
            engine.attach(con, name, read_only=True, pinned=True)
        else:
            engine.attach(con, name, read_only=name == "source")


@contextmanager
def _blaming(engine: Engine) -> Iterator[None]:
    """What the database says within is told of this store."""
    try:
        yield
    except duckdb.Error as error:
        raise translated(error, engine) from error
