"""Where the gazetteer comes from: public lists of companies, each a file or an https address."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError

__all__ = ["CONSTITUENTS", "FILERS", "LISTINGS", "Constituent", "Filer", "constituents", "filers", "listings", "read"]

# Public domain (SEC), and the Public Domain Dedication and License (both sets of datahub).
FILERS = "https://www.sec.gov/files/company_tickers.json"
CONSTITUENTS = "https://raw.githubusercontent.com/datasets/s-and-p-500-companies/main/data/constituents.csv"
LISTINGS = "https://raw.githubusercontent.com/datasets/nasdaq-listings/main/data/nasdaq-listed-symbols.csv"
_CAP = 50_000_000
# The SEC refuses callers who do not say who they are.
_WHO = {"User-Agent": "barograph gazetteer build (the operator of this installation)"}


@dataclass(frozen=True)
class Filer:
    """A registrant of the SEC: `title` as filed, often in capitals, and its tickers, the main one first."""

    cik: int
    title: str
    tickers: tuple[str, ...]


@dataclass(frozen=True)
class Constituent:
    """A member of an index: its ticker, its name as the index writes it, and the words of its industry."""

    ticker: str
    name: str
    industries: tuple[str, ...]


def read(place: str) -> bytes:
    """The bytes of a file or an https address.

    Raises:
        InputError: it cannot be read or fetched, or is over 50 MB.
    """
    body = _fetched(place) if place.startswith(("https://", "http://")) else _opened(place)
    if len(body) > _CAP:
        raise InputError(f"{place}: over {_CAP // 1_000_000} MB; that is not the list it should be.")
    return body


def _opened(place: str) -> bytes:
    try:
        return Path(place).read_bytes()
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error}). Give the path of the file.") from error


def _fetched(place: str) -> bytes:
    import httpx

    try:
        return httpx.get(place, headers=_WHO, timeout=60, follow_redirects=True).raise_for_status().content
    except httpx.HTTPError as error:
        raise InputError(f"{place}: cannot be fetched ({error}). Download it and give its path instead.") from error


def filers(body: bytes, place: str) -> list[Filer]:
    """The SEC's company_tickers.json, one filer per CIK in the order of the file (by market value).

    Raises:
        InputError: it is not that file.
    """
    found: dict[int, tuple[str, list[str]]] = {}
    try:
        for row in json.loads(body).values():
            _, tickers = found.setdefault(int(row["cik_str"]), (str(row["title"]), []))
            tickers.append(str(row["ticker"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{place}: not the SEC's company_tickers.json ({error}). Download it again.") from error
    return [Filer(cik, title, tuple(tickers)) for cik, (title, tickers) in found.items()]


def constituents(body: bytes, place: str) -> list[Constituent]:
    """A list of index members: CSV with Symbol, Security and, where it has them, the GICS columns.

    Raises:
        InputError: a column is missing.
    """
    rows = _rows(body, place, "Symbol", "Security")
    industries = ("GICS Sub-Industry", "GICS Sector")
    return [
        Constituent(r["Symbol"].strip(), r["Security"].strip(), tuple(r[c] for c in industries if r.get(c)))
        for r in rows
    ]


def listings(body: bytes, place: str) -> dict[str, str]:
    """The exchange's list of symbols: ticker to company name, written with the capitals the SEC's file lacks.

    Raises:
        InputError: a column is missing.
    """
    return {row["Symbol"].strip(): row["Company Name"].strip() for row in _rows(body, place, "Symbol", "Company Name")}


def _rows(body: bytes, place: str, *columns: str) -> Iterator[dict[str, Any]]:
    try:
        reader = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""))
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise InputError(
                f"{place}: column {', '.join(sorted(missing))} is missing. Give the list named in the help."
            )
        yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{place}: not a CSV file in UTF-8 ({error}). Download it again.") from error
