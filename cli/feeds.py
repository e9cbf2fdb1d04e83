"""`barograph feeds`: which feeds are read and how they are, adding and removing, trying, and OPML in and out."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import ConfigOption, JsonOption, emit, opened, out
from cli.feeds_add import add
from pipeline.errors import InputError

__all__ = ["register"]

app = typer.Typer(no_args_is_help=True, help="The feeds that are read: list, add, remove, check, import, export.")
app.command("add")(add)


def register(main: typer.Typer) -> None:
    """Add the group `feeds`."""
    main.add_typer(app, name="feeds")


@app.command("list")
def list_(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Every feed with its state in words. Example: barograph feeds list"""
    from pipeline.ingest import sync
    from pipeline.ingest.catalogue import read_file
    from pipeline.ingest.identity import feed_id
    from pipeline.ingest.outcomes import masked

    with opened(config) as context:
        sync(context)
        listed = {feed_id(feed.url): feed for feed in read_file(context.settings.ingest.feeds)}
        now = context.clock()
        with context.warehouse.read() as con:
            cursor = con.execute(
                "SELECT feed_id, title, publisher, kind, language, region, url, status, failures, last_outcome,"
                " last_error, last_fetch_at, last_success_at, last_new_at, next_fetch_at, late.summary AS late,"
                " coalesce(identity, 'guid') AS identity, identity_reason, identity_at"
                " FROM feeds LEFT JOIN (SELECT key, any_value(summary) AS summary FROM incidents"
                " WHERE scope = 'feed' AND state IN ('firing', 'acknowledged') GROUP BY key) late ON late.key = feed_id"
                " WHERE status <> 'removed' ORDER BY kind, title"
            )
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        feed = listed.get(row["feed_id"])
        row |= {"url": masked(row["url"]), "state": "; ".join(filter(None, (_state(row, now), _known_by(row))))}
        row |= {"owner": feed.owner if feed else None, "licence": feed.licence if feed else None}
    emit(
        rows,
        ["title", "kind", "last_new_at", "state"],
        as_json=as_json,
        empty="no feeds; add one with `barograph feeds add URL`",
    )


@app.command("remove")
def remove(
    url: Annotated[str, typer.Argument(help="The feed's address or title, as `feeds list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Take a feed out of the OPML file; its articles stay. Example: barograph feeds remove https://news.example/rss"""
    from pipeline.ingest.catalogue import read_file, write_file

    with opened(config) as context:
        feeds = read_file(context.settings.ingest.feeds)
        kept = [feed for feed in feeds if url not in (feed.url, feed.title)]
        if len(kept) == len(feeds):
            raise InputError(f"{url}: no such feed. `barograph feeds list` shows the titles.")
        write_file(context, kept)
    out.print(f"removed {len(feeds) - len(kept)}")


@app.command("check")
def check(
    only: Annotated[str, typer.Argument(help="Only feeds whose title or address holds this.")] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which feeds are late, empty, failing, moved or there twice, and what to do. Example: barograph feeds check ECB

    Every feed is fetched now; nothing is stored. Exit status 1 if none of them could be read.
    """
    from pipeline.ingest.catalogue import read_file
    from pipeline.ingest.check import check_feeds

    with opened(config) as context:
        feeds = [f for f in read_file(context.settings.ingest.feeds) if only.lower() in f"{f.title} {f.url}".lower()]
        if not feeds:
            what = f"{only}: no feed has this in its title or address" if only else "there are no feeds"
            raise InputError(f"{what}. `barograph feeds list` shows them, `barograph feeds add URL` adds one.")
        rows = check_feeds(context, feeds)
    emit(rows, ["title", "state", "entries", "newest", "says"], as_json=as_json)
    if not as_json:
        states = Counter(row["state"] for row in rows)
        out.print(", ".join(f"{n} {state}" for state, n in states.most_common()))
    if all(row["failed"] for row in rows):
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="An OPML file.")],
    config: ConfigOption = None,
) -> None:
    """Add the feeds of another reader's OPML file. Example: barograph feeds import subscriptions.opml"""
    from pipeline.ingest.catalogue import from_opml, read_file, write_file

    with opened(config) as context:
        try:
            found = from_opml(file.read_bytes(), str(file))
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror}). Check the path.") from error
        feeds = read_file(context.settings.ingest.feeds)
        have = {feed.url for feed in feeds}
        new = [feed for feed in found if feed.url not in have]
        if new:
            write_file(context, [*feeds, *new])
    out.print(f"{len(new)} added, {len(found) - len(new)} were there already")


@app.command("export")
def export(
    to: Annotated[Path | None, typer.Option("--out", help="The file to write.", show_default="the terminal")] = None,
    config: ConfigOption = None,
) -> None:
    """The feeds as OPML, for another reader. Example: barograph feeds export --out feeds.opml

    An address may hold a key of yours: look before you pass the file on.
    """
    from pipeline.ingest.catalogue import read_file, to_opml

    with opened(config) as context:
        text = to_opml(read_file(context.settings.ingest.feeds))
    if to is None:
        sys.stdout.write(text)
    else:
        try:
            to.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{to}: cannot be written ({error.strerror}). Name another file with --out.") from error
        out.print(f"wrote {to}")


def _known_by(row: dict[str, Any]) -> str:
    from pipeline.ingest.policy import Cause

    return Cause(row["identity_reason"]).words if row["identity_reason"] else ""


def _state(row: dict[str, Any], now: datetime) -> str:
    from pipeline.ingest.outcomes import Outcome
    from pipeline.ingest.schedule import until

    if row["kind"] == "archive":
        return "imported archive"
    if row["status"] == "gone":
        return "gone (410): not asked any more; remove it"
    if row["last_fetch_at"] is None:
        return "not fetched yet"
    if not row["failures"] and not row["last_error"]:
        if row["late"]:
            return f"late: {row['late'].partition(': ')[2]}"
        return "well" if row["last_new_at"] else "answers, but has delivered nothing yet"
    wait = until(row["next_fetch_at"], row["failures"], now)
    how = "not asked" if row["last_outcome"] == Outcome.HUSHED else "failed"
    return f"{how}{f', {wait}' if wait else ''}: {row['last_error']}"
