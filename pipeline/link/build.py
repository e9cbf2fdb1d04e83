"""`barograph gazetteer build`: companies from pytickersymbols (MIT), joined with a file of our own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.link.gazetteer import BUNDLED, Entity, read_entities, write_entities

__all__ = ["build", "companies", "core_name", "merge", "sector_of", "slug"]

# Yahoo's suffix of a symbol: the country of the listing and the exchange code that stands in "(LON: SHEL)".
_LISTINGS = {
    "L": ("GB", "LON"), "T": ("JP", "TYO"), "DE": ("DE", "ETR"), "F": ("DE", "ETR"), "PA": ("FR", "EPA"),
    "MC": ("ES", "BME"), "AS": ("NL", "AMS"), "BR": ("BE", "EBR"), "HE": ("FI", "HEL"), "ST": ("SE", "STO"),
    "SW": ("CH", "SWX"), "MI": ("IT", "BIT"), "LS": ("PT", "ELI"), "CO": ("DK", "CPH"),
}  # fmt: skip
_US_INDICES = ("S&P 500", "S&P 600", "S&P 100", "NASDAQ 100", "DOW JONES")

# Read in this order: the first row with a word that stands in the source's industries or the name decides.
_SECTORS: tuple[tuple[str, str], ...] = (
    ("banks", r"bank(?!.*investment manage)|bancorp|banc\b|bancshares"),
    ("insurance", r"insurance|assurance|reinsur"),
    ("real_estate", r"real estate|reit|immobilien|property|homes? reit|realty|properties"),
    ("autos", r"automo|auto parts|tires?\b|motor vehicle"),
    ("airlines_travel", r"airline|hotel|cruise|casino|leisure|restaurant|travel|lodging|hospitality"),
    ("health_care", r"health|pharma|biotech|medical|life sciences"),
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

_LEGAL = (
    r"inc|incorporated|corp|corporation|co|company|companies|plc|p\.l\.c|ltd|limited|llc|lp|l\.p|ag|se|sa|s\.a|nv|n\.v|"
    r"kgaa|gmbh|oyj|oy|abp|ab|asa|a/s|spa|s\.p\.a|kk|k\.k|bhd|pjsc|sab|class [a-c]"
)
_LEGAL_END = re.compile(rf"(?:,?\s+(?:&\s+)?(?:{_LEGAL})\.?|\s*\([^)]*\))$", re.IGNORECASE)
_GROUP_END = re.compile(r"\s+(?:group|holdings?|international holdings?)$", re.IGNORECASE)


def core_name(name: str) -> str:
    """The name people write: without legal forms, remarks in brackets and a leading "The"."""
    core = name.strip()
    while True:
        shorter = _LEGAL_END.sub("", core).rstrip(" ,&")
        if shorter == core or not shorter:
            break
        core = shorter
    return re.sub(r"^The\s+(?=\S)", "", core) or name.strip()


def slug(name: str) -> str:
    """`name` as the tail of an entity id: lower case, ASCII, hyphens."""
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower().replace("'", "")).strip("-")


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
    """`base` with what `ours` says in addition; a value of ours outranks, tickers and aliases are joined."""
    return Entity(
        base.entity_id,
        ours.name or base.name,
        base.kind,
        ours.sector or base.sector,
        ours.parent or base.parent,
        tuple(dict.fromkeys((*base.tickers, *ours.tickers))),
        tuple(dict.fromkeys((*base.aliases, *ours.aliases))),
        ours.country or base.country,
    )


def build(out: Path | None = None) -> tuple[Path, int]:
    """Write companies.csv; answers where and how many rows.

    Raises:
        UsageError: pytickersymbols is not installed.
    """
    try:
        from pytickersymbols import PyTickerSymbols
    except ImportError as error:
        raise UsageError("The gazetteer is built from pytickersymbols: `pip install pytickersymbols`.") from error
    source = PyTickerSymbols()
    american = frozenset(str(s["name"]) for index in _US_INDICES for s in source.get_stocks_by_index(index))
    rows = {entity.entity_id: entity for entity in companies(source.get_all_stocks(), american)}
    for ours in read_entities(BUNDLED / "companies_own.csv"):
        known = rows.get(ours.entity_id)
        rows[ours.entity_id] = merge(known, ours) if known else ours
    target = out or BUNDLED / "companies.csv"
    write_entities(target, [rows[key] for key in sorted(rows)])
    return target, len(rows)
