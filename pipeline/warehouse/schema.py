"""Which migrations there are, which have run, and running the rest: forward only, one transaction each."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import duckdb

from pipeline.errors import SchemaTooNew, StoreError

__all__ = ["Migration", "create", "current_version", "held_to", "migrate", "migrations"]

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True)
class Migration:
    """One numbered SQL file."""

    version: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """All that ship with this version, oldest first."""
    found = []
    for file in files("pipeline.warehouse").joinpath("migrations").iterdir():
        if match := _NAME.fullmatch(file.name):
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return sorted(found, key=lambda m: m.version)


def current_version(con: duckdb.DuckDBPyConnection) -> int:
    """The newest migration that ran in this store; 0 for an empty one.

    Raises:
        SchemaTooNew: the store is of a later version than this program.
        StoreError: `warehouse migrate` began to fill it and did not come to its end.
    """
    known = con.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE table_name = 'schema_version' AND table_catalog = current_database()"
    ).fetchone()
    if not known or not known[0]:
        return 0
    row = con.execute("SELECT max(version) FROM schema_version").fetchone()
    if row is None or row[0] is None:
        raise StoreError("the store is half moved here. Run `barograph warehouse migrate` again: it goes on.")
    return held_to(int(row[0]), "the store")


def held_to(version: int, what: str) -> int:
    """`version`, which `what` has, if this program knows it.

    Raises:
        SchemaTooNew: it is of a later one.
    """
    newest = migrations()[-1].version
    if version > newest:
        raise SchemaTooNew(f"{what} has schema {version}, this program knows {newest}. Upgrade barograph.")
    return version


def create(con: duckdb.DuckDBPyConnection, version: int) -> None:
    """The tables of schema `version` in an empty store, within the caller's transaction; no version is written down."""
    for migration in migrations():
        if migration.version <= version:
            con.execute(migration.sql)


def migrate(con: duckdb.DuckDBPyConnection, now: datetime) -> list[Migration]:
    """Run what has not run yet; answers what ran."""
    ran = []
    for migration in migrations():
        con.begin()
        try:
            # Read inside the transaction: another process may be upgrading too, and one of the two begins anew.
            if migration.version <= current_version(con):
                con.rollback()
                continue
            con.execute(migration.sql)
            con.execute("INSERT INTO schema_version VALUES (?, ?, ?)", [migration.version, migration.name, now])
            con.commit()
        except BaseException:
            # A commit that failed has ended the transaction: what it said must come out, not that none is active.
            with suppress(duckdb.Error):
                con.rollback()
            raise
        ran.append(migration)
    return ran
