"""Backups: every table as Parquet in one consistent state with a manifest of hashes, and a restore that checks them.

A backup is a folder `YYYYMMDDTHHMMSSZ`, made under another name and renamed last, so that one of that name is whole.
It does not depend on the engine: what a file held can be restored into a lake.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as release
from pathlib import Path
from typing import Any

import duckdb

from pipeline.context import Progress, silent
from pipeline.durable import sync, write_safely
from pipeline.errors import InputError, StoreBusy, StoreError
from pipeline.warehouse import schema
from pipeline.warehouse.content import Digest, digest, same, shape
from pipeline.warehouse.engines import quoted
from pipeline.warehouse.store import Warehouse

__all__ = ["Manifest", "back_up", "backups", "manifest", "prove", "remove", "restore", "retire"]

logger = logging.getLogger(__name__)

_NAME = re.compile(r"\d{8}T\d{6}Z")
_MANIFEST = "manifest.json"
_PARTIAL = ".partial"
_AT_IT = timedelta(days=1)


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: the schema it has, the digest of each table, the sha256 of each file."""

    schema: int
    made_at: datetime
    tables: Mapping[str, Digest]
    sha256: Mapping[str, str]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(one.rows for one in self.tables.values())


def back_up(warehouse: Warehouse, folder: Path, progress: Progress = silent) -> Path:
    """Write a backup into `folder`; answers where. Of a file, writers wait meanwhile; of a lake they go on.

    Raises:
        StoreBusy: somebody else held the file for longer than `lock_timeout_s`, or made a backup in the same second.
        StoreError: there is no store.
    """
    now = warehouse.clock().astimezone(UTC)
    final = folder / f"{now:%Y%m%dT%H%M%SZ}"
    if final.exists():
        raise StoreBusy(f"{final} is there already. Wait a second and run again, or name another folder with --to.")
    partial = final.with_name(f"{final.name}.{os.getpid()}{_PARTIAL}")
    try:
        _write(warehouse, partial, now, progress)
        partial.replace(final)
    except BaseException:
        # A disk that is full would stay so.
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync(folder)
    logger.info("backed up %s into %s", warehouse.engine, final)
    return final


def _write(warehouse: Warehouse, partial: Path, now: datetime, progress: Progress) -> None:
    """A whole backup, its manifest last, durable before it gets its name."""
    with warehouse.read() as con:
        version = schema.current_version(con)
        if not version:
            raise StoreError(f"{warehouse.engine} holds no store yet. `barograph run` or `barograph import` makes it.")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        database = _database(con)
        names = shape(con, database)
        found = {}
        for n, (table, columns) in enumerate(names.items()):
            progress("back up", n, len(names))
            target = partial / f"{table}.parquet"
            con.execute(f'COPY "{table}" TO {quoted(str(target))} (FORMAT parquet, COMPRESSION zstd)')
            one = digest(con, database, table, columns)
            found[table] = {"rows": one.rows, "digest": str(one)}
    for table, row in found.items():
        sync(partial / f"{table}.parquet")
        row["sha256"] = _sha256(partial / f"{table}.parquet")
    told = {"barograph": release("barograph"), "schema": version, "made_at": now.isoformat(), "tables": found}
    write_safely(partial / _MANIFEST, (json.dumps(told, indent=2, sort_keys=True) + "\n").encode())
    sync(partial)
    progress("back up", len(names), len(names))


def manifest(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        InputError: the folder is no backup, or its manifest cannot be read.
    """
    try:
        told: dict[str, Any] = json.loads((backup / _MANIFEST).read_text(encoding="utf-8"))
        found = {table: Digest(int(row["rows"]), int(row["digest"], 16)) for table, row in told["tables"].items()}
        hashes = {table: str(row["sha256"]) for table, row in told["tables"].items()}
        return Manifest(int(told["schema"]), datetime.fromisoformat(told["made_at"]), found, hashes)
    except FileNotFoundError as error:
        raise InputError(f"{backup} is no backup: it has no {_MANIFEST}. Name one that `backup` made.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{backup / _MANIFEST} is damaged ({error}). Restore from another backup.") from error


def restore(backup: Path, warehouse: Warehouse, *, replace: bool = False, progress: Progress = silent) -> Manifest:
    """Make the store from a backup in one transaction: verified before it is committed, nothing is there until then.

    `replace`: over a store that is there already.

    Raises:
        InputError: the backup is damaged; names the file.
        StoreError: there is a store already, or what was read back is not what the backup says.
        SchemaTooNew: a later version made the backup.
    """
    wanted = manifest(backup)
    schema.held_to(wanted.schema, f"the backup {backup}")
    for n, (table, sha256) in enumerate(wanted.sha256.items()):
        progress("check files", n, len(wanted.sha256))
        file = backup / f"{table}.parquet"
        if not file.is_file() or _sha256(file) != sha256:
            raise InputError(f"{file} is missing or damaged. Restore from another backup.")
    progress("check files", len(wanted.sha256), len(wanted.sha256))
    with warehouse.exclusive() as con:
        database = _database(con)
        con.begin()
        there = shape(con, database)
        if there and not replace:
            raise StoreError(f"{warehouse.engine} holds a store already. Give --replace to lose it, or name another.")
        for table in there:
            con.execute(f'DROP TABLE "{table}"')
        schema.create(con, wanted.schema)
        found = {}
        for n, (table, columns) in enumerate(shape(con, database).items()):
            progress("restore", n, len(wanted.tables))
            source = quoted(str(backup / f"{table}.parquet"))
            con.execute(f'DELETE FROM "{table}"')
            con.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM read_parquet({source})')
            found[table] = digest(con, database, table, columns)
        same(found, wanted.tables, f"what was restored from {backup}")
        con.commit()
    progress("restore", len(wanted.tables), len(wanted.tables))
    return wanted


def prove(backup: Path, progress: Progress = silent) -> Manifest:
    """Restore a backup into a scratch folder and compare counts and digests; nothing is left of it.

    Raises:
        InputError, StoreError: it cannot be restored; says why.
    """
    at = manifest(backup).made_at
    with tempfile.TemporaryDirectory(prefix="restore-test-", dir=backup.parent) as scratch:
        return restore(backup, Warehouse(f"duckdb:{Path(scratch) / 'store.duckdb'}", lambda: at), progress=progress)


def backups(folder: Path) -> list[Path]:
    """The backups in a folder, oldest first."""
    return sorted(path for path in folder.glob("*") if _NAME.fullmatch(path.name)) if folder.is_dir() else []


def retire(folder: Path, keep: int, now: datetime) -> int:
    """Remove all but the newest `keep` backups, and what was left of those that were killed; answers how many."""
    old = backups(folder)[:-keep]
    for path in old:
        remove(path)
    for left in [*folder.glob(f"*{_PARTIAL}"), *folder.glob("restore-test-*")]:
        # A younger one may be another process that is at it, and done with it just now.
        with suppress(FileNotFoundError):
            if left.stat().st_mtime < (now - _AT_IT).timestamp():
                shutil.rmtree(left, ignore_errors=True)
    return len(old)


def remove(backup: Path) -> None:
    """Remove a backup, its manifest first: what is half removed is no backup."""
    (backup / _MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(backup, ignore_errors=True)


def _database(con: duckdb.DuckDBPyConnection) -> str:
    row = con.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
