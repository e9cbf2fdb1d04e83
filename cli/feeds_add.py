"""`barograph feeds add`: a feed by its address, or the feed of a site by the address of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.common import ConfigOption, emit, err, opened, out
from pipeline.context import Context
from pipeline.errors import FetchFailed, InputError

if TYPE_CHECKING:
    from pipeline.ingest.discovery import FoundFeed

__all__ = ["add"]


def add(
    url: Annotated[str, typer.Argument(help="The address of a feed, or of a page whose feed is to be found.")],
    title: Annotated[str, typer.Option(help="What to call it.", show_default="as it calls itself")] = "",
    publisher: Annotated[str, typer.Option(help="Who publishes it.", show_default="the title")] = "",
    owner: Annotated[str, typer.Option(help="Who owns the publisher.", show_default="as our table says")] = "",
    kind: Annotated[str, typer.Option(help="wire, newspaper, regulator, central bank, exchange, company news …")] = "",
    language: Annotated[str, typer.Option(help="Two letters.", show_default="as the feed says")] = "",
    region: Annotated[str, typer.Option(help="Two letters of a country, or EU.")] = "",
    timezone: Annotated[str, typer.Option(help="The publisher's clock, such as Europe/London.")] = "",
    licence: Annotated[str, typer.Option(help="What may be done with it.")] = "",
    choose: Annotated[
        int, typer.Option(help="Which one, where a page has several feeds.", min=0, show_default=False)
    ] = 0,
    config: ConfigOption = None,
) -> None:
    """Add a feed, or find that of a site. Example: barograph feeds add https://news.example --publisher "Example News"

    A page is searched for the feeds that it names, else the usual places and news sitemaps are tried. If it has
    several, they are listed and none is added. Exit status 2 if there is no feed.
    """
    from pipeline.ingest.addresses import Allowed, check_url
    from pipeline.ingest.catalogue import CatalogueFeed, read_file, revive, write_file
    from pipeline.local_time import is_zone
    from pipeline.publishers import owner_of

    if timezone and not is_zone(timezone):
        raise InputError(f"{timezone}: there is no such time zone. Write it as Europe/London.")
    with opened(config) as context:
        try:
            check_url(url, Allowed.of(context.settings.ingest.allow_hosts))
        except FetchFailed as error:
            raise InputError(f"{url}: {error}") from error
        feeds = read_file(context.settings.ingest.feeds)
        if any(have.url == url for have in feeds):
            out.print("asked again from now on" if revive(context, url) else "it is there already")
            return
        found, trouble = _found(context, url, choose)
        address = found.url if found else url
        if any(have.url == address for have in feeds):
            out.print(f"it is there already: {address}")
            return
        label = title or publisher or (found.title if found else "") or address
        who = publisher or label
        feed = CatalogueFeed(
            url=address,
            title=label,
            publisher=who,
            owner=owner or owner_of(who, address) or who,
            kind=kind or "news",
            language=(language or (found.language if found else "") or "")[:2].lower() or None,
            region=region or None,
            timezone=timezone,
            licence=licence,
        )
        write_file(context, [*feeds, feed])
        revive(context, address)
    if found and found.url != url:
        out.print(f"found {found.url} ({found.how}, {found.entries} entries)")
    out.print("added")
    if trouble:
        err.print(f"It could not be read now: {trouble}")


def _found(context: Context, url: str, choose: int) -> tuple[FoundFeed | None, str]:
    """The feed to add; or None and why it could not be read now, which need not be so tomorrow."""
    from pipeline.ingest.discovery import find_feeds
    from pipeline.ingest.outcomes import Outcome, masked

    try:
        found = find_feeds(context, url)
    except FetchFailed as error:
        if error.outcome in (Outcome.BLOCKED, Outcome.BAD_URL, Outcome.GONE):
            raise InputError(f"{masked(url)}: {error}") from error
        return None, str(error)
    if not found:
        raise InputError(
            f"{masked(url)}: no feed there, none named by the page, none at the usual places, and no news sitemap."
            " Open it in a browser, look for RSS or Atom, and give that address."
        )
    if len(found) == 1 and choose <= 1:
        return found[0], ""
    if 1 <= choose <= len(found):
        return found[choose - 1], ""
    rows = [
        {"choose": str(n), "title": one.title, "form": one.form, "entries": one.entries, "url": one.url}
        for n, one in enumerate(found, 1)
    ]
    emit(rows, ["choose", "title", "form", "entries", "url"], as_json=False)
    raise InputError(f"{masked(url)} has {len(found)} feeds: add `--choose N` to take one, or give its address.")
