"""`barograph warehouse`: the store upgraded, maintained, backed up, restored, and moved to another engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, bars, opened, out, settings_of
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.warehouse import Warehouse

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add `warehouse` with its five commands."""
    group = typer.Typer(no_args_is_help=True, help="The store: upgrade, maintain, back up, restore, move.")
    for name, command in (
        ("upgrade", _upgrade),
        ("maintain", _maintain),
        ("backup", _backup),
        ("restore", _restore),
        ("migrate", _migrate),
    ):
        group.command(name)(command)
    app.add_typer(group, name="warehouse")


def _upgrade(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Bring the store to the schema of this version: forward only, each step a transaction, killed or not.

    Every command but `backup`, `restore` and `migrate` does it first; this one says what it did. A store of a later
    version is refused. Back it up before.

    Example: barograph warehouse upgrade
    """
    warehouse = _store(settings_of(config))
    ran = warehouse.prepare()
    with warehouse.read() as con:
        row = con.execute("SELECT max(version) FROM schema_version").fetchone()
    schema, names = row[0] if row else 0, [f"{one.version:04}_{one.name}" for one in ran]
    _say({"schema": schema, "ran": names}, f"schema {schema}: {', '.join(names) or 'nothing to do'}", as_json=as_json)


def _maintain(
    backup: Annotated[
        bool, typer.Option("--backup/--no-backup", help="Whether to back up where `\\[maintain] backups` says.")
    ] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove what was kept long enough, compact the store, back it up, and prove the backup by restoring it.

    How long what is kept stands in `\\[maintain]`; nothing that an incident cites is removed while the incident is
    kept. It may run beside the stages, and be killed and run again. While a file is compacted or
    backed up, writers wait.

    Example: barograph warehouse maintain
    """
    from pipeline.warehouse.maintain import maintain

    with opened(config) as context:
        report = maintain(context, backup=backup)
    counts = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in report.counts.items())
    told = {**report.counts, "notes": report.notes, "seconds": round(report.seconds, 3)}
    _say(told, "\n".join([f"maintained: {counts}", *(f"  {note}" for note in report.notes)]), as_json=as_json)


def _backup(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The folder, else `\\[maintain] backups`. None is ever replaced."),
    ] = None,
    test: Annotated[bool, typer.Option("--test/--no-test", help="Restore it into a scratch folder.")] = True,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every table as Parquet, in one consistent state, with a manifest of counts and hashes.

    Writers of a file wait until it is written; those of a DuckLake go on. It holds all that the store holds: guard it
    alike. Raw answers and the published snapshot are files of their own (`\\[store] raw`, `published`).

    Example: barograph warehouse backup --to /mnt/backups
    """
    from pipeline.warehouse import backup

    settings = settings_of(config)
    folder = to or settings.maintain.backups
    if folder is None:
        raise UsageError("say where: --to FOLDER, or a folder in `[maintain] backups`.")
    with bars() as progress:
        made = backup.back_up(_store(settings), folder, progress)
        held = backup.prove(made, progress) if test else backup.manifest(made)
    told = {"backup": str(made), "schema": held.schema, "tables": len(held.tables), "rows": held.rows, "tested": test}
    tested = "restored and compared" if test else "not tested"
    _say(told, f"{made}: {len(held.tables)} tables, {held.rows:,} rows, {tested}", as_json=as_json)


def _restore(
    backup_folder: Annotated[Path, typer.Argument(metavar="BACKUP", help="A folder that `warehouse backup` made.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Another store than `\\[store] warehouse`, named in the same way.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Over the store that is there, which is lost.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the store from a backup, on either engine; every file and table is held against the manifest.

    One transaction: until it is verified nothing is there, and a store that is there stays as it was. Stop the stages
    first; `--replace` is needed where there is a store.

    Example: barograph warehouse restore /mnt/backups/20260303T020000Z
    """
    from pipeline.warehouse import backup

    warehouse = _store(settings_of(config), to)
    with bars() as progress:
        held = backup.restore(backup_folder, warehouse, replace=replace, progress=progress)
    told = {"store": str(warehouse.engine), "schema": held.schema, "tables": len(held.tables), "rows": held.rows}
    _say(told, f"{warehouse.engine}: {len(held.tables)} tables, {held.rows:,} rows, all equal", as_json=as_json)


def _migrate(
    source: Annotated[str, typer.Argument(metavar="FROM", help="As `\\[store] warehouse` names a store; only read.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="In the same way: where it goes.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where a store stands at TO: it becomes that of FROM.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Move a store to another engine, verified by counts and hashes of every table.

    Killed, it is run again and goes on: what is equal already is left alone. Stop what writes first (of a file writers
    wait, of a DuckLake what is written meanwhile is left behind), then put TO into `\\[store] warehouse`.

    Example: barograph warehouse migrate duckdb:data/barograph.duckdb "ducklake:postgres:dbname=lake?data_path=s3://news"
    """
    from pipeline.warehouse.move import move

    with bars() as progress:
        moved = move(source, target, replace=replace, progress=progress)
    told = {"tables": moved.tables, "rows": moved.rows, "rows_copied": moved.rows_copied}
    text = f"{moved.tables} tables, {moved.rows:,} rows equal ({moved.rows_copied:,} copied now)"
    _say(told, text + "\nput TO into `[store] warehouse` to work with it", as_json=as_json)


def _store(settings: Settings, named: str | None = None) -> Warehouse:
    """The store of the settings, or the one that was named, as it stands: not opened, and so not upgraded."""
    from pipeline.context import utc_now
    from pipeline.warehouse import Warehouse

    return Warehouse(named or settings.store.warehouse, utc_now, settings.store.lock_timeout_s)


def _say(told: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(dict(told), ensure_ascii=False, indent=2) + "\n")
    else:
        out.print(text)
