"""The two engines behind one door: a DuckDB file, and DuckLake on a PostgreSQL catalogue."""

from __future__ import annotations

import importlib.util
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline.errors import StoreBusy, StoreConflict, StoreError

__all__ = ["DuckDBFile", "DuckLake", "Engine", "engine_for", "translated"]

logger = logging.getLogger(__name__)

# DuckDB names the holder of the lock in its message, and nowhere else.
_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_CONFLICT = (
    "transaction conflict",
    "conflict on tuple",
    "conflict on update",
    "could not serialize access",
    "deadlock detected",
)
# A connection string as libpq reads it: words (a value may be quoted) or an address.
_PASSWORD = re.compile(r"(password\s*=\s*)(?:'(?:\\.|[^'\\])*'|[^\s&]+)", re.IGNORECASE)
_USERINFO = re.compile(r"(\w+://)[^/\s]*@")
_BUSY = ("could not set lock on file", "different configuration", "unique file handle conflict")


@dataclass(frozen=True)
class DuckDBFile:
    """One file; while one process holds it read-write, nobody else can open it."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether there is a file to open; a read-only handle cannot make one."""
        return self.path.exists()

    def connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection whose session speaks UTC.

        Raises:
            StoreBusy: another process, or this one in the other mode, holds the file.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        con = duckdb.connect(str(self.path), read_only=read_only)
        con.execute("SET TimeZone = 'UTC'")
        return con

    def __str__(self) -> str:
        return f"duckdb:{self.path}"


@dataclass(frozen=True)
class DuckLake:
    """Parquet under `data_path`, catalogue in PostgreSQL: several processes write."""

    dsn: str
    data_path: str

    exists = True

    def connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection to an in-memory DuckDB with the lake attached and in use.

        Raises:
            StoreError: an extension wheel is missing, or PostgreSQL cannot be reached.
        """
        con = duckdb.connect()
        for name in ("postgres_scanner", "ducklake"):
            con.execute(f"LOAD '{_extension(name)}'")
        con.execute("SET TimeZone = 'UTC'")
        options = [f"DATA_PATH {_quoted(self.data_path)}"] + (["READ_ONLY"] if read_only else [])
        try:
            con.execute(f"ATTACH {_quoted('ducklake:postgres:' + self.dsn)} AS lake ({', '.join(options)})")
            con.execute("USE lake")
        except BaseException:
            con.close()
            raise
        return con

    def __str__(self) -> str:
        return "ducklake:postgres:" + _masked(self.dsn)


Engine = DuckDBFile | DuckLake


def engine_for(setting: str) -> Engine:
    """The engine that `[store] warehouse` names: `duckdb:PATH` or `ducklake:postgres:DSN?data_path=PATH`."""
    if setting.startswith("duckdb:"):
        return DuckDBFile(Path(setting.removeprefix("duckdb:")))
    dsn, mark, data_path = setting.removeprefix("ducklake:postgres:").partition("?data_path=")
    if not mark or not data_path:
        raise StoreError(f"ducklake:postgres:{_masked(dsn)}: say where the Parquet goes: …?data_path=/shared/barograph")
    if "://" not in data_path:
        Path(data_path).mkdir(parents=True, exist_ok=True)
    return DuckLake(dsn, data_path)


def translated(error: duckdb.Error, engine: Engine) -> StoreError:
    """Our error for one of DuckDB's: busy, conflict, or what it says, each with what to do."""
    text = str(error)
    lower = text.lower()
    if any(mark in lower for mark in _BUSY):
        held = _HOLDER.search(text)
        holder = f"{held['program']} (PID {held['pid']})" if held else "this process, in another mode"
        return StoreBusy(f"{engine} is held by {holder}. Wait for it to end, or stop it, and run again.")
    if isinstance(error, duckdb.TransactionException) or any(mark in lower for mark in _CONFLICT):
        return StoreConflict(f"{engine}: another writer committed first: {text.splitlines()[0]}")
    if "unable to connect to postgres" in lower or "connection to server" in lower:
        return StoreError(f"{engine}: PostgreSQL does not answer. Is it running, and is the address right?")
    return StoreError(f"{engine}: {text.splitlines()[0]}")


def _extension(name: str) -> Path:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        file = Path(root) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    wheel = f"duckdb-extension-{name.replace('_', '-')}"
    raise StoreError(f"DuckDB's extension {name} for {duckdb.__version__} is missing: install {wheel}.")


def _masked(dsn: str) -> str:
    return _USERINFO.sub(r"\1***@", _PASSWORD.sub(r"\1***", dsn))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
