"""`Warehouse.read()` and `.write()`: short visits to the store that wait a bounded time and then say who holds it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import tenacity

from pipeline.errors import SchemaTooNew, StoreBusy, StoreConflict, StoreError
from pipeline.warehouse import schema
from pipeline.warehouse.engines import Engine, engine_for, translated

__all__ = ["Transaction", "Warehouse"]

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Transaction:
    """One write transaction. `recorded_at` was taken after the guard, so commits and clocks agree in order."""

    con: duckdb.DuckDBPyConnection
    recorded_at: datetime

    def insert_new(self, table: str, rows: pa.Table, keys: Sequence[str]) -> int:
        """Insert the rows whose `keys` are not in `table` yet; answers how many.

        Both clocks are stamped here: `recorded_at` always, `known_at` where a row brings none (what is computed from
        an archive brings the one it inherits).
        Rows may not repeat a key among themselves.
        """
        return self._merge(table, rows, keys, update=False)

    def upsert(self, table: str, rows: pa.Table, keys: Sequence[str]) -> int:
        """Insert or replace, by `keys`: for state and derived tables only."""
        return self._merge(table, rows, keys, update=True)

    def _merge(self, table: str, rows: pa.Table, keys: Sequence[str], *, update: bool) -> int:
        if rows.num_rows == 0:
            return 0
        columns = {row[0] for row in self.con.execute(f"DESCRIBE {table}").fetchall()}
        stamp = pa.array([self.recorded_at] * rows.num_rows, pa.timestamp("us", tz="UTC"))
        for clock in ("recorded_at", "known_at"):
            if clock not in columns:
                continue
            if clock in rows.column_names:
                if clock == "recorded_at":
                    raise StoreError(f"{table}: recorded_at is the store's to give")
                place = rows.column_names.index(clock)
                ours = pa.scalar(self.recorded_at, stamp.type)
                rows = rows.set_column(place, clock, pc.fill_null(rows[clock].cast(stamp.type), ours))
                continue
            rows = rows.append_column(clock, stamp)
        on = " AND ".join(f't."{k}" = b."{k}"' for k in keys)
        matched = "WHEN MATCHED THEN UPDATE BY NAME" if update else ""
        self.con.register("batch", rows)
        try:
            done = self.con.execute(
                f"MERGE INTO {table} AS t USING batch AS b ON ({on}) {matched} WHEN NOT MATCHED THEN INSERT BY NAME"
            ).fetchone()
        finally:
            self.con.unregister("batch")
        return int(done[0]) if done else 0


class Warehouse:
    """The store that `[store] warehouse` names.

    Handles are never kept: a stage reads and closes, computes with none open, then writes one transaction.
    """

    def __init__(self, setting: str, clock: Callable[[], datetime], lock_timeout_s: float = 60.0) -> None:
        self.engine: Engine = engine_for(setting)
        self.clock = clock
        self.lock_timeout_s = lock_timeout_s

    def prepare(self) -> list[schema.Migration]:
        """Make the store if there is none and run the migrations it lacks; answers what ran.

        Another process may be doing the same: then it is tried again, and finds what the other has made.
        """
        if self._is_newest():
            return []
        ran: list[schema.Migration] = self._retrying()(self._migrate)
        return ran

    def _migrate(self) -> list[schema.Migration]:
        with self._connection(read_only=False) as con:
            # Of those who find the same store at once, the later need not go through every migration.
            return [] if _is_newest(con) else schema.migrate(con, self.clock())

    def _is_newest(self) -> bool:
        """Whether the store lacks no migration; asked without keeping others from it, since every command asks."""
        if not self.engine.exists:
            return False
        try:
            with self._connection(read_only=True) as con:
                return _is_newest(con)
        except (StoreBusy, SchemaTooNew):
            raise
        except StoreError as error:
            # A catalogue without a lake, for one: whoever opens it to write makes it, or says what is wrong.
            logger.debug("%s cannot be read yet: %s", self.engine, error)
            return False

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in one consistent snapshot, for reading.

        Raises:
            StoreBusy: somebody else held the store for longer than `lock_timeout_s`.
        """
        with self._connection(read_only=True) as con:
            con.begin()
            yield con

    @contextmanager
    def write(self, group: str) -> Iterator[Transaction]:
        """One transaction on a table group (a row of `guards`); committed at the end of the block, else rolled back.

        Raises:
            StoreBusy: somebody else held the store for longer than `lock_timeout_s`.
            StoreConflict: another writer of the group (in a lake, of any) committed first; nothing was written, repeat
                from the read.
        """
        with self._connection(read_only=False) as con:
            con.begin()
            touched = con.execute("UPDATE guards SET n = n + 1 WHERE name = ?", [group]).fetchone()
            if not touched or not touched[0]:
                raise StoreError(f"no guard is named {group}")
            yield Transaction(con, self.clock())
            self._commit(con, group)

    @contextmanager
    def exclusive(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection outside any transaction, for what rewrites the store itself; of a file nobody else has one.

        Raises:
            StoreBusy: somebody else held the store for longer than `lock_timeout_s`.
        """
        with self._connection(read_only=False) as con:
            yield con

    def transact(self, group: str, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a write transaction, again from the start when another writer came first.

        `work` must read what it decides on inside the transaction. Waits between tries with jitter.
        """
        for attempt in self._retrying():
            with attempt, self.write(group) as transaction:
                result = work(transaction)
        return result

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreConflict),
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=2.0),
            stop=tenacity.stop_after_delay(self.lock_timeout_s),
            reraise=True,
        )

    def _commit(self, con: duckdb.DuckDBPyConnection, group: str) -> None:
        """The one place where a transaction becomes true (a seam for the tests that kill us here)."""
        con.commit()

    @contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        con = self._open(read_only=read_only)
        try:
            yield con
        except duckdb.Error as error:
            raise translated(error, self.engine) from error
        finally:
            self.engine.close(con)

    def _open(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        if read_only and not self.engine.exists:
            raise StoreError(f"{self.engine} does not exist yet. `barograph run` or `barograph import` makes it.")
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StoreBusy),
            wait=tenacity.wait_random(0.02, 0.25),
            stop=tenacity.stop_after_delay(self.lock_timeout_s),
            reraise=True,
        )
        return retrying(self._connect_once, read_only)

    def _connect_once(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        try:
            return self.engine.connect(read_only=read_only)
        except duckdb.Error as error:
            raise translated(error, self.engine) from error


def _is_newest(con: duckdb.DuckDBPyConnection) -> bool:
    return schema.current_version(con) >= schema.migrations()[-1].version
