"""Who owns which publisher (defaults/owners.csv): papers of one house, or copies of one wire, are one source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Publisher", "known", "owner_of", "wires"]


@dataclass(frozen=True)
class Publisher:
    """One publisher as the table that ships knows it. `wire`: others print its reports."""

    name: str
    domains: tuple[str, ...]
    owner: str
    wire: bool


@cache
def known() -> tuple[Publisher, ...]:
    """Every publisher of the table, in its order."""
    with (Path(__file__).parent / "defaults" / "owners.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Publisher(
                row["publisher"],
                tuple(filter(None, row["domains"].split("|"))),
                row["owner"],
                row["wire"] == "yes",
            )
            for row in csv.DictReader(file)
        )


def owner_of(publisher: str, url: str = "") -> str | None:
    """The owner of a publisher by its name, else by the host of a feed or article, None where the table has neither."""
    if owner := _by_name().get(_plain(publisher)):
        return owner
    try:
        host = (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:  # an address that cannot be read is the fetcher's to report
        return None
    while "." in host:
        if owner := _by_domain().get(host):
            return owner
        host = host.partition(".")[2]
    return None


def wires() -> dict[str, str]:
    """The owner of each wire by its name."""
    return {one.name: one.owner for one in known() if one.wire}


@cache
def _by_name() -> dict[str, str]:
    return {_plain(one.name): one.owner for one in known()}


@cache
def _by_domain() -> dict[str, str]:
    return {domain: one.owner for one in known() for domain in one.domains}


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("’", "'").split()).removeprefix("the ")
