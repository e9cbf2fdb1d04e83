"""`barograph gazetteer`: build the list of names we can recognise, and look into it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cli.common import ConfigOption, JsonOption, emit, err, out, settings_of
from pipeline.link import open_linker
from pipeline.link.sources import CONSTITUENTS, FILERS, LISTINGS

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the group `gazetteer`."""
    group = typer.Typer(no_args_is_help=True, help="The names we recognise: companies, institutions, instruments.")
    group.command("build")(_build)
    group.command("find")(_find)
    group.command("try")(_try)
    app.add_typer(group, name="gazetteer")


def _build(
    target: Annotated[Path | None, typer.Option("--out", help="Where to; by default the file that ships.")] = None,
    filers: Annotated[str, typer.Option(help="The SEC's company_tickers.json: a path, an address, or '' for none.")] = (
        FILERS
    ),
    constituents: Annotated[str, typer.Option(help="Members of the S&P 500, CSV, likewise.")] = CONSTITUENTS,
    listings: Annotated[str, typer.Option(help="Symbols listed on Nasdaq, CSV, likewise.")] = LISTINGS,
    as_json: JsonOption = False,
) -> None:
    """Build companies.csv from public lists of companies and our own additions; the same inputs give the same bytes.

    The next `barograph link` sees the changed names and links every article again.

    Example: barograph gazetteer build --filers company_tickers.json --constituents sp500.csv --listings nasdaq.csv
    """
    from pipeline.link.build import Sources, build

    built = build(target, Sources(filers, constituents, listings), err.print)
    if as_json:
        values = {"path": str(built.path), "companies": built.companies, "added_by": built.by_source}
        typer.echo(json.dumps(values | {"sha256": built.sha256}))
    else:
        out.print(f"{built.companies} companies written to {built.path}")


def _find(
    name: Annotated[str, typer.Argument(help="Part of a name, alias, ticker or id.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Find entities by name: their ids go into watchlists.toml and rules.toml.

    Example: barograph gazetteer find barclays
    """
    wanted = name.casefold()
    gazetteer = open_linker(settings_of(config).link.entities).gazetteer
    rows = [
        {"entity_id": e.entity_id, "name": e.name, "kind": e.kind, "sector": e.sector, "country": e.country,
         "parent": e.parent, "tickers": " ".join(e.tickers), "aliases": " | ".join(e.aliases)}
        for e in gazetteer.entities.values()
        if any(wanted in text.casefold() for text in (e.entity_id, e.name, *e.tickers, *e.aliases))
    ]  # fmt: skip
    columns = ("entity_id", "name", "kind", "sector", "country", "parent", "tickers", "aliases")
    emit(rows, columns, as_json=as_json, empty=f"no entity has {name} in its name; add it to a file of [link] entities")


def _try(
    text: Annotated[str, typer.Argument(help="A headline.")],
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Its day: former names count in their time.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show which entities and themes a headline has.

    Example: barograph gazetteer try "Regulator fines HSBC over money laundering"
    """
    linker = open_linker(settings_of(config).link.entities)
    linked = linker.link(text, when=day.date() if day else None)
    themes: dict[str, list[str]] = {}
    for entity_id, theme in linked.themes:
        themes.setdefault(entity_id, []).append(theme)
    rows = [
        {"entity_id": m.entity_id, "surface": m.surface, "start": m.start, "end": m.end, "relevance": m.relevance,
         "themes": ", ".join(themes.get(m.entity_id, []))}
        for m in linked.mentions
    ]  # fmt: skip
    emit(rows, ("entity_id", "surface", "relevance", "themes"), as_json=as_json)
