"""Which migrations there are, which have run, and running the rest: forward only, one transaction each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import duckdb

from pipeline.errors import SchemaTooNew

__all__ = ["Migration", "current_version", "migrate", "migrations"]

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
    """
    known = con.execute(
        "SELECT count(*) FROM information_schema.tables"
        " WHERE table_name = 'schema_version' AND table_catalog = current_database()"
    ).fetchone()
    if not known or not known[0]:
        return 0
    row = con.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    version = int(row[0]) if row else 0
    newest = migrations()[-1].version
    if version > newest:
        raise SchemaTooNew(f"the store has schema {version}, this program knows {newest}. Upgrade barograph.")
    return version


def migrate(con: duckdb.DuckDBPyConnection, now: datetime) -> list[Migration]:
    """Run what has not run yet; answers what ran."""
    ran = []
    for migration in migrations():
        if migration.version <= current_version(con):
            continue
        con.begin()
        try:
            con.execute(migration.sql)
            con.execute("INSERT INTO schema_version VALUES (?, ?, ?)", [migration.version, migration.name, now])
            con.commit()
        except BaseException:
            con.rollback()
            raise
        ran.append(migration)
    return ran
