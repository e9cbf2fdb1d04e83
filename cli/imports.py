"""`barograph import`: an archive of articles (CSV, JSONL, Parquet, packed or not) into the store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, opened, out
from pipeline.errors import InputError

__all__ = ["parse_map", "register"]


def register(app: typer.Typer) -> None:
    """Add the command `import`."""
    app.command("import")(import_)


def import_(
    file: Annotated[Path, typer.Argument(help=".csv, .jsonl or .parquet; or one in a .gz, or several in a .zip.")],
    publisher: Annotated[str, typer.Option(help="Who published it, where no column says so.")] = "",
    columns: Annotated[
        str, typer.Option("--map", help="Our fields and the file's columns: title=Headlines,published_at=Time")
    ] = "",
    tz: Annotated[str, typer.Option(help="The zone of times that name none: an IANA name.")] = "UTC",
    rejects: Annotated[
        Path | None,
        typer.Option(help="Where to write the rows that were left out, and why.", show_default="FILE.rejects.csv"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import an archive of articles; importing it again adds nothing, and one that was stopped goes on.

    Fields: title and published_at are needed; summary, url, language and publisher are taken where there are columns
    of that name or --map says which. Dates may be ISO 8601, "31-Dec-19", "6:51 PM ET Tue, 31 Dec 2019", "Jul-18".

    Example: barograph import headlines.csv --publisher "The Guardian" --map title=Headlines,published_at=Time
    """
    from pipeline.ingest.archive import import_archive

    if not file.is_file():
        raise InputError(f"{file}: there is no such file. Name a CSV, JSONL or Parquet file, or a gzip or zip of one.")
    with opened(config) as context:
        left_out = rejects or file.with_name(f"{file.name}.rejects.csv")
        report = import_archive(context, file, publisher or None, parse_map(columns), tz, rejects=left_out)
    if as_json:
        sys.stdout.write(json.dumps({**report.counts, "notes": report.notes, "seconds": report.seconds}) + "\n")
        return
    counts = report.counts
    out.print(f"{counts['new_articles']:,} new of {counts['rows']:,} rows in {report.seconds:.1f} s")
    if counts["known"]:
        out.print(f"  {counts['known']:,} rows were in the store already")
    for note in report.notes:
        out.print(f"  {note}", markup=False)


def parse_map(text: str) -> dict[str, str]:
    """`title=Headlines,published_at=Time` as a mapping.

    Raises:
        InputError: a part is not FIELD=COLUMN.
    """
    pairs = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        field, mark, column = part.partition("=")
        if not mark or not field.strip() or not column.strip():
            raise InputError(f"--map {part}: write FIELD=COLUMN, as in title=Headlines,published_at=Time")
        pairs[field.strip()] = column.strip()
    return pairs
