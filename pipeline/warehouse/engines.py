"""The two engines behind one door: a DuckDB file, and DuckLake with its catalogue in PostgreSQL or in a DuckDB file."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from pipeline.errors import StoreBusy, StoreConflict, StoreError

__all__ = ["DuckDBFile", "DuckLake", "Engine", "engine_for", "quoted", "translated"]

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
# A commit that cannot be written ends like one that lost a race (TransactionException): only its words tell.
_FULL = ("could not write file", "no space left on device", "file too large", "disk quota exceeded")
# A connection string as libpq reads it: words (a value may be quoted, in SQL twice) or an address.
_PASSWORD = re.compile(r"(password\s*=\s*)(?:''(?:\\''|\\.|[^'\\])+''|'(?:\\.|[^'\\])*'|[^\s&]+)", re.IGNORECASE)
_USERINFO = re.compile(r"(\w+://)[^/\s]*@")
_BUSY = ("could not set lock on file", "different configuration", "unique file handle conflict")
_LAKES = ("ducklake:postgres:", "ducklake:duckdb:")
# DuckDB hashes 70 MB of extensions to check their signatures, half a second of computing, for each instance. Once this
# process has had a file checked, its next instances take that very file unchecked, and no other than those we name.
_CHECKED: set[tuple[Path, int, int, int]] = set()
_Config = dict[str, str | bool | int | float | list[str]]
_KNOWN: _Config = {
    "allow_unsigned_extensions": "true",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


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
        before = self._inode()
        con = duckdb.connect(str(self.path), read_only=read_only)
        # Opened, but locked only after compaction had put another file in its place: what we wrote would be lost.
        if before not in (None, self._inode()):
            con.close()
            raise StoreBusy(f"{self} was written anew just now. Run again.")
        con.execute("SET TimeZone = 'UTC'")
        return con

    def attach(self, con: duckdb.DuckDBPyConnection, name: str, *, read_only: bool) -> None:
        """Attach the file to a session beside others, as `name`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        con.execute(f"ATTACH {quoted(str(self.path))} AS {name}{' (READ_ONLY)' if read_only else ''}")

    def close(self, con: duckdb.DuckDBPyConnection) -> None:
        """Close a connection; what it did not commit is undone."""
        con.close()

    def _inode(self) -> int | None:
        return self.path.stat().st_ino if self.path.exists() else None

    def __str__(self) -> str:
        return f"duckdb:{self.path}"


@dataclass(frozen=True)
class DuckLake:
    """Parquet under `data_path`; `catalogue` is `postgres:DSN` (several processes write) or `duckdb:PATH` (one)."""

    catalogue: str
    data_path: str

    @property
    def exists(self) -> bool:
        """Whether there is something to open; a catalogue in PostgreSQL is made by opening it."""
        kind, _, rest = self.catalogue.partition(":")
        return kind == "postgres" or Path(rest).exists()

    def connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection to an in-memory DuckDB with the lake attached and in use.

        Raises:
            StoreError: an extension wheel is missing, or PostgreSQL cannot be reached.
        """
        # Stamped before they are loaded: what somebody puts there meanwhile is not what was checked.
        stamps = {_stamp(_extension(name)) for name in self._extensions()}
        config: _Config = _KNOWN if stamps <= _CHECKED else {}
        con = duckdb.connect(config=config)
        try:
            self.attach(con, "lake", read_only=read_only)
            _CHECKED.update(stamps)
            con.execute("USE lake")
        except BaseException:
            con.close()
            raise
        return con

    def close(self, con: duckdb.DuckDBPyConnection) -> None:
        """Close a connection; what it did not commit is undone.

        After a commit that failed, closing alone keeps the instance in memory: the extension (of DuckDB 1.5.5) drops
        such a transaction only when the lake is detached.
        """
        with suppress(duckdb.Error):  # none was open
            con.rollback()
        try:
            con.execute("USE memory")
            con.execute("DETACH lake")
        except duckdb.Error as error:
            logger.debug("%s was not detached: %s", self, error)
        con.close()

    def attach(self, con: duckdb.DuckDBPyConnection, name: str, *, read_only: bool, pinned: bool = False) -> None:
        """Attach the lake to a session as `name`; `pinned`: as it stands now, whatever others commit meanwhile."""
        kind, _, rest = self.catalogue.partition(":")
        if not read_only:
            folders = [Path(rest).parent] if kind == "duckdb" else []
            for folder in folders if "://" in self.data_path else [*folders, Path(self.data_path)]:
                folder.mkdir(parents=True, exist_ok=True)
        for extension in self._extensions():
            con.execute(f"LOAD '{_extension(extension)}'")
        con.execute("SET TimeZone = 'UTC'")
        if self.data_path.startswith("s3://"):
            _open_s3(con, self.data_path)
        address = quoted("ducklake:" + (rest if kind == "duckdb" else self.catalogue))
        options = [f"DATA_PATH {quoted(self.data_path)}"] + (["READ_ONLY"] if read_only else [])
        con.execute(f"ATTACH {address} AS {name} ({', '.join(options)})")
        if pinned:
            now = con.execute(f"SELECT id FROM ducklake_current_snapshot('{name}')").fetchone()
            con.execute(f"DETACH {name}")
            options.append(f"SNAPSHOT_VERSION {now[0] if now else 0}")
            con.execute(f"ATTACH {address} AS {name} ({', '.join(options)})")

    def _extensions(self) -> list[str]:
        postgres = ["postgres_scanner"] if self.catalogue.startswith("postgres:") else []
        return ["ducklake", *postgres, *(["httpfs", "aws"] if self.data_path.startswith("s3://") else [])]

    def __str__(self) -> str:
        return "ducklake:" + _masked(self.catalogue)


Engine = DuckDBFile | DuckLake


def engine_for(setting: str) -> Engine:
    """The engine that `[store] warehouse` names: `duckdb:PATH` or `ducklake:CATALOGUE?data_path=PATH`.

    CATALOGUE is `postgres:DSN` or `duckdb:PATH`; the data path a folder or an address such as `s3://bucket/prefix`.

    Raises:
        StoreError: it is neither, or says not where the Parquet goes.
    """
    if setting.startswith("duckdb:") and setting != "duckdb:":
        return DuckDBFile(Path(setting.removeprefix("duckdb:")))
    if not setting.startswith(_LAKES):
        raise StoreError(f"{_masked(setting)}: must start with duckdb:, ducklake:postgres: or ducklake:duckdb:")
    catalogue, mark, data_path = setting.removeprefix("ducklake:").partition("?data_path=")
    if not mark or not data_path:
        raise StoreError(f"ducklake:{_masked(catalogue)}: say where the Parquet goes: …?data_path=/shared/barograph")
    return DuckLake(catalogue, data_path)


def translated(error: duckdb.Error, engine: Engine) -> StoreError:
    """Our error for one of DuckDB's: busy, conflict, or what it says, each with what to do."""
    # DuckDB repeats the address that it was given, password included.
    text = _masked(str(error))
    said, lower = text.partition("\n")[0], text.lower()
    if any(mark in lower for mark in _BUSY):
        held = _HOLDER.search(text)
        holder = f"{held['program']} (PID {held['pid']})" if held else "this process, in another mode"
        return StoreBusy(f"{engine} is held by {holder}. Wait for it to end, or stop it, and run again.")
    if any(mark in lower for mark in _FULL):
        return StoreError(f"{engine} cannot be written: {said}. Nothing of this was kept; make room, and run again.")
    made_meanwhile = "failed to initialize ducklake" in lower and "already exists" in lower
    if made_meanwhile or isinstance(error, duckdb.TransactionException) or any(mark in lower for mark in _CONFLICT):
        return StoreConflict(f"{engine}: another writer committed first: {said}")
    if "unable to connect to postgres" in lower or "connection to server" in lower:
        return StoreError(f"{engine}: PostgreSQL does not answer. Is it running, and is the address right?")
    if "replaying wal" in lower:
        return StoreError(
            f"{engine}: its write-ahead log is damaged, and DuckDB opens neither. Move the log (its name ends in .wal)"
            " aside and run again: `barograph ingest` then says which days are missing and how to take them in again."
            " The published snapshot serves on meanwhile."
        )
    if isinstance(error, duckdb.HTTPException):
        return StoreError(
            f"{engine}: the object store does not answer as it should ({said})."
            " Check the bucket, AWS_ENDPOINT_URL and the credentials (AWS_ACCESS_KEY_ID, …)."
        )
    return StoreError(f"{engine}: {said}")


def quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _open_s3(con: duckdb.DuckDBPyConnection, data_path: str) -> None:
    """Credentials as every program of AWS finds them: environment, profile, web identity, role of the machine."""
    options = ["TYPE s3", "PROVIDER credential_chain", f"SCOPE {quoted(data_path)}"]
    # Other servers than Amazon's: the variable by which AWS's own programs know them.
    if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        parts = urlsplit(endpoint)
        secure = "true" if parts.scheme == "https" else "false"
        options += [f"ENDPOINT {quoted(parts.netloc)}", "URL_STYLE 'path'", f"USE_SSL {secure}"]
    con.execute(f"CREATE OR REPLACE SECRET lake_s3 ({', '.join(options)})")


def _extension(name: str) -> Path:
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        file = Path(root) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if file.exists():
            return file
    wheel = f"duckdb-extension-{name.replace('_', '-')}"
    raise StoreError(f"DuckDB's extension {name} for {duckdb.__version__} is missing: install {wheel}.")


def _stamp(file: Path) -> tuple[Path, int, int, int]:
    """What is another as soon as somebody puts other bytes there."""
    found = file.stat()
    return file, found.st_ino, found.st_size, found.st_mtime_ns


def _masked(dsn: str) -> str:
    return _USERINFO.sub(r"\1***@", _PASSWORD.sub(r"\1***", dsn))
