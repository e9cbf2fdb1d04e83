"""`barograph gazetteer build`: index members, our own file and the SEC's filers, joined into one file of companies."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.encoder import package_dir
from pipeline.errors import UsageError
from pipeline.link.doubtful import load_doubtful
from pipeline.link.filers import common_words, is_company, own_tickers, short_forms, written_all
from pipeline.link.gazetteer import BUNDLED, Entity, read_entities, write_entities
from pipeline.link.names import core_name, fold, parse_name, slug
from pipeline.link.sources import (
    CONSTITUENTS,
    FILERS,
    LISTINGS,
    Constituent,
    Filer,
    constituents,
    filers,
    listings,
    read,
)

__all__ = ["Built", "Sources", "build", "companies", "merge", "sector_of"]

# Yahoo's suffix of a symbol: the country of the listing and the exchange code that stands in "(LON: SHEL)".
_LISTINGS = {
    "L": ("GB", "LON"), "T": ("JP", "TYO"), "DE": ("DE", "ETR"), "F": ("DE", "ETR"), "PA": ("FR", "EPA"),
    "MC": ("ES", "BME"), "AS": ("NL", "AMS"), "BR": ("BE", "EBR"), "HE": ("FI", "HEL"), "ST": ("SE", "STO"),
    "SW": ("CH", "SWX"), "MI": ("IT", "BIT"), "LS": ("PT", "ELI"), "CO": ("DK", "CPH"),
}  # fmt: skip
_US_INDICES = ("S&P 500", "S&P 600", "S&P 100", "NASDAQ 100", "DOW JONES")

# Read in this order: the first row with a word that stands in the source's industries or the name decides.
_SECTORS: tuple[tuple[str, str], ...] = (
    ("banks", r"bank(?!.*investment manage)|bancorp|banc\b|bancshares|bankshares|savings"),
    ("insurance", r"insurance|assurance|reinsur"),
    ("real_estate", r"real estate|reit|immobilien|property|homes? reit|realty|properties"),
    ("autos", r"automo|auto parts|tires?\b|motor vehicle"),
    ("airlines_travel", r"airline|hotel|cruise|casino|leisure|restaurant|travel|lodging|hospitality"),
    ("health_care", r"health|pharma|biotech|medical|life sciences|therap|bioscien|oncolog|biolog|genomic"
     r"|diagnost|vaccin|surgical"),
    ("energy", r"\benergy\b(?!.*electric)|oil|petroleum|fossil|natural gas"),
    ("utilities", r"utilit|electric power|water supply|electricity"),
    ("retail", r"retail|supermarket|department store|e-commerce"),
    ("telecom_media", r"telecom|communication services|media|broadcast|entertainment|publishing|internet services"),
    ("technology", r"technology|software|semiconductor|electronics|computer|it services|information"),
    ("materials", r"material|chemical|metal|mining|steel|paper|glass|cement|mineral|packaging"),
    ("financial_services", r"financ|investment|asset management|brokers|stock exchange|securities|fund"),
    ("consumer_goods", r"consumer|food|beverage|tobacco|apparel|clothing|household|luxury|textile|drink|cosmetic"),
    ("industrials", r"industr|machin|aerospace|construction|transport|logistic|engineering|conglomerate|electric"
     r"|railway|airport|defen[cs]e|shipping|trading companies|services|manufactur"),
)  # fmt: skip

_GROUP_END = re.compile(r"\s+(?:group|holdings?|international holdings?)$", re.IGNORECASE)


def sector_of(industries: Iterable[str], name: str) -> str:
    """Our sector key for the industry words of the source; '' when none is known."""
    words = " ; ".join(industries).lower() + " ; " + name.lower()
    return next((sector for sector, pattern in _SECTORS if re.search(pattern, words)), "")


def _aliases(name: str) -> tuple[str, ...]:
    core = core_name(name)
    found = [core, _GROUP_END.sub("", core)]
    return tuple(dict.fromkeys(alias for alias in found if alias != name and len(alias) > 1))


def _listing(stock: Mapping[str, Any], american: bool) -> tuple[str, tuple[str, ...]]:
    symbol = str(stock.get("symbol") or "")
    code, dot, suffix = symbol.rpartition(".")
    if dot and suffix in _LISTINGS:
        country, exchange = _LISTINGS[suffix]
        return country, (f"{exchange}:{code}",)
    isin = next(iter(stock.get("isins") or ()), "")
    if american and symbol and not dot:
        return isin[:2] or "US", (symbol,)
    return isin[:2], ()


def companies(stocks: Iterable[Mapping[str, Any]], american: frozenset[str]) -> list[Entity]:
    """Entities from the records of pytickersymbols; `american` are the names listed in New York."""
    found: dict[str, Entity] = {}
    for stock in stocks:
        name = re.sub(r"\s+", " ", str(stock["name"])).strip()
        country, tickers = _listing(stock, name in american)
        sector = sector_of(stock.get("industries") or (), name)
        entity = Entity(f"co:{slug(core_name(name))}", name, "company", sector, "", tickers, _aliases(name), country)
        found[entity.entity_id] = merge(found[entity.entity_id], entity) if entity.entity_id in found else entity
    return [found[key] for key in sorted(found)]


def merge(base: Entity, ours: Entity) -> Entity:
    """`base` with what `ours` says in addition; a value of ours outranks, tickers and aliases are joined.

    Where both have a name, the one of ours stands, with its notes.
    """
    return Entity(
        base.entity_id,
        ours.name or base.name,
        base.kind,
        ours.sector or base.sector,
        ours.parent or base.parent,
        _joined(base.tickers, ours.tickers),
        _joined(base.aliases, ours.aliases),
        ours.country or base.country,
    )


def _joined(base: tuple[str, ...], ours: tuple[str, ...]) -> tuple[str, ...]:
    noted = {parse_name(name).text: name for name in (*base, *ours)}
    return tuple(noted.values())


@dataclass(frozen=True)
class Sources:
    """Where to read: a path or https address each; '' leaves that source out."""

    filers: str = FILERS
    constituents: str = CONSTITUENTS
    listings: str = LISTINGS


@dataclass(frozen=True)
class Built:
    """What was written: `companies` rows to `path`, of which so many from each source."""

    path: Path
    companies: int
    by_source: dict[str, int]
    sha256: str


def build(
    out: Path | None = None, sources: Sources | None = None, progress: Callable[[str], None] = lambda _: None
) -> Built:
    """Write companies.csv: index members, joined with our own file, joined with the SEC's filers.

    The same inputs give the same bytes. `progress` is told each step.

    Raises:
        UsageError: pytickersymbols is not installed.
        InputError: a source cannot be read or is not what it should be.
    """
    sources = sources or Sources()
    progress("index members (pytickersymbols)")
    rows = _index_members()
    counts = {"indices": len(rows)}
    for ours in read_entities(BUNDLED / "companies_own.csv"):
        known = rows.get(ours.entity_id)
        rows[ours.entity_id] = merge(known, ours) if known else ours
    counts["own"] = len(rows) - sum(counts.values())
    if sources.constituents:
        progress(f"index constituents ({sources.constituents})")
        _join_constituents(rows, constituents(read(sources.constituents), sources.constituents))
        counts["constituents"] = len(rows) - sum(counts.values())
    common = common_words(_vocabulary(), load_doubtful().words)
    _add_short_forms(rows, common)
    if sources.filers:
        progress(f"filers ({sources.filers})")
        names = listings(read(sources.listings), sources.listings) if sources.listings else {}
        _join_filers(rows, filers(read(sources.filers), sources.filers), names, common)
        counts["filers"] = len(rows) - sum(counts.values())
    target = out or BUNDLED / "companies.csv"
    progress(f"writing {target}")
    write_entities(target, [rows[key] for key in sorted(rows)])
    return Built(target, len(rows), counts, hashlib.sha256(target.read_bytes()).hexdigest())


def _index_members() -> dict[str, Entity]:
    try:
        from pytickersymbols import PyTickerSymbols
    except ImportError as error:
        raise UsageError("The gazetteer is built from pytickersymbols: `pip install pytickersymbols`.") from error
    source = PyTickerSymbols()
    american = frozenset(str(s["name"]) for index in _US_INDICES for s in source.get_stocks_by_index(index))
    return {entity.entity_id: entity for entity in companies(source.get_all_stocks(), american)}


def _add_short_forms(rows: dict[str, Entity], common: Mapping[str, int]) -> None:
    """The short forms of index members (Agilent Technologies is Agilent), where no other row begins with that word."""
    first = Counter(fold(core_name(entity.name).split()[0]) for entity in rows.values())
    taken = {fold(parse_name(form).text) for entity in rows.values() for form in (entity.name, *entity.aliases)}
    lists = load_doubtful()
    for entity_id, entity in rows.items():
        fresh = [
            f"{form} [{needs.value}]" if needs.value and fold(form) not in lists.needs else form
            for form, needs in short_forms(core_name(entity.name), common)
            if first[fold(form.split()[0])] == 1 and fold(form) not in taken
        ]
        rows[entity_id] = replace(entity, aliases=_joined(tuple(fresh), entity.aliases))


def _join_constituents(rows: dict[str, Entity], members: Sequence[Constituent]) -> None:
    holders = _holders(rows)
    for member in members:
        name = core_name(member.name)
        sector = sector_of(member.industries, member.name)
        entity = Entity(f"co:{slug(name)}", name, "company", sector, "", (member.ticker,), _aliases(member.name), "US")
        known = rows.get(holders.get(member.ticker) or entity.entity_id)
        if known:  # what the other sources say of it is as good; only gaps are filled
            entity = merge(entity, replace(known, sector=known.sector or sector))
            entity = replace(entity, entity_id=known.entity_id)
        rows[entity.entity_id] = entity


def _vocabulary() -> list[str]:
    # One word piece a line, by frequency: no other list of common words has to be shipped or licensed.
    return (package_dir() / "vocab.txt").read_text(encoding="utf-8").splitlines()


def _join_filers(
    rows: dict[str, Entity], found: Sequence[Filer], names: Mapping[str, str], common: Mapping[str, int]
) -> None:
    holders = _holders(rows)
    lists = load_doubtful()  # what a person has decided outranks the guess
    taken = {
        fold(parse_name(form).text): e.entity_id
        for e in rows.values()
        for form in (e.name, core_name(e.name), _GROUP_END.sub("", core_name(e.name)), *e.aliases)
    }
    companies = [filer for filer in found if is_company(filer.title)]
    for filer, name, forms in written_all(companies, names, common):
        tickers = own_tickers(filer.tickers)
        same = (taken.get(fold(form)) for form in (name, _GROUP_END.sub("", name)))
        entity_id = next((holders[t] for t in tickers if t in holders), None) or next(
            filter(None, same), f"co:{slug(name)}"
        )
        if known := rows.get(entity_id):
            fresh = tuple(t for t in tickers if t not in holders)
            rows[entity_id] = replace(known, tickers=(*known.tickers, *fresh))
            continue
        aliases = tuple(
            f"{form} [{needs.value}]" if needs.value and fold(form) not in lists.needs else form
            for form, needs in forms
            if fold(form) not in taken and (needs.value or form != name)
        )
        if slug(name):
            rows[entity_id] = Entity(entity_id, name, "company", sector_of((), name), "", tickers, aliases, "")


def _holders(rows: Mapping[str, Entity]) -> dict[str, str]:
    return {parse_name(t).text: entity.entity_id for entity in rows.values() for t in entity.tickers}
