"""`barograph dashboard` and `barograph export`: what was published, as pages and as files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, config_path, out
from pipeline import settings as settings_file
from pipeline.errors import InputError, UsageError
from pipeline.settings import Settings

__all__ = ["register"]

TableArgument = Annotated[str, typer.Argument(metavar="TABLE", help="Such as stories, trends, incidents, feeds.")]
ToOption = Annotated[Path | None, typer.Option("--to", help="The file; TABLE.csv or TABLE.parquet here, if left out.")]
HostOption = Annotated[str | None, typer.Option(help="Listen here instead of \\[dashboard] host.")]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="Listen here instead of \\[dashboard] port.")]


class Format(StrEnum):
    """What --format takes."""

    csv = "csv"
    parquet = "parquet"


def register(app: typer.Typer) -> None:
    """Add `dashboard` and `export`."""
    app.command("dashboard")(_dashboard)
    app.command("export")(_export)


def _dashboard(host: HostOption = None, port: PortOption = None, config: ConfigOption = None) -> None:
    """Serve the dashboard from the published snapshot, until stopped. Example: barograph dashboard --port 8051"""
    from dashboards.serve import serve

    settings = _settings(config)
    asked = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update=asked)})
    serve(settings, on_ready=lambda address: out.print(f"the dashboard is at {address} (stop with Ctrl-C)"))


def _export(
    table: TableArgument,
    to: ToOption = None,
    format_: Annotated[
        Format, typer.Option("--format", help="csv for spreadsheets, parquet for programs.")
    ] = Format.csv,
    config: ConfigOption = None,
) -> None:
    """Write one table of the published snapshot to a file. Example: barograph export stories --to stories.csv

    In CSV no cell is a formula: text that a spreadsheet could run starts with an apostrophe.
    """
    import pyarrow.parquet as pq

    from dashboards.export import spreadsheet_safe
    from pipeline.publish.snapshot import Snapshot

    snapshot = Snapshot.open(_settings(config).store.published)
    rows = snapshot.arrow(table)
    path = to or Path(f"{table}.{format_}")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder. Make it, or name another with --to.")
    try:
        if format_ is Format.parquet:
            pq.write_table(rows, path, compression="zstd")
        else:
            spreadsheet_safe(rows.to_pandas()).to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}). Name another file with --to.") from error
    demo = ", DEMO data" if snapshot.demo else ""
    out.print(f"{rows.num_rows:,} rows of {table} → {path} (snapshot {snapshot.snapshot_id}{demo})")


def _settings(config: Path | None) -> Settings:
    """The settings alone: pages and exports never open the store."""
    return settings_file.load(config_path(config) or settings_file.DEFAULT_CONFIG)
