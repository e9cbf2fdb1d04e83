"""The invented world behind the archive: nations, sectors, companies and publishers, read from source/world.toml."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SOURCE", "Company", "Publisher", "Sector", "World", "entity_rows", "load_world", "slug"]

SOURCE = Path(__file__).parent / "source"


@dataclass(frozen=True)
class Sector:
    """How one sector talks about itself; `words` are the lists of world.toml by name (noun, metric, up, down, …)."""

    key: str
    label: str
    regulator: str
    words: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Company:
    """One listed company. `weight` is its share of ordinary company news; 0 means it appears only where planted."""

    entity_id: str
    name: str
    sector: Sector
    weight: float
    ticker: str
    aliases: tuple[str, ...]
    former: str
    parent: str
    boss: str


@dataclass(frozen=True)
class Publisher:
    """One publisher: its owner, its share of all articles, and its manners (`wire`, `paper` or `steady`)."""

    name: str
    owner: str
    share: float
    style: str
    category: str

    @property
    def site(self) -> str:
        """Web address of the publisher, under the reserved `.example` domain."""
        return f"https://{slug(self.name)}.example"


@dataclass(frozen=True)
class World:
    """Everything that exists; `words` are the lists and names of world.toml that belong to no sector."""

    sectors: tuple[Sector, ...]
    companies: tuple[Company, ...]
    publishers: tuple[Publisher, ...]
    words: dict[str, Any]

    def company(self, key: str) -> Company:
        """The company with the entity id `demo:<key>`; KeyError where there is none."""
        found = {company.entity_id: company for company in self.companies}
        return found[f"demo:{key}"]


def slug(text: str) -> str:
    """Lower case words joined by hyphens: `Holt & Maar` is `holt-maar`."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


@cache
def load_world() -> World:
    """Read world.toml. The same file gives the same world, chief executives included."""
    raw = tomllib.loads((SOURCE / "world.toml").read_text(encoding="utf-8"))
    raw_sectors: dict[str, dict[str, Any]] = raw.pop("sector")
    publishers = tuple(Publisher(**row) for row in raw.pop("publisher"))
    sectors: list[Sector] = []
    companies: list[Company] = []
    for key, body in raw_sectors.items():
        words = {name: tuple(value) for name, value in body.items() if isinstance(value, list) and name != "companies"}
        sector = Sector(key=key, label=body["label"], regulator=body["regulator"], words=words)
        sectors.append(sector)
        for row in body["companies"]:
            # Two lists of coprime length walked at different paces: no two companies share a chief executive.
            at = len(companies)
            boss = f"{raw['first'][at * 7 % len(raw['first'])]} {raw['last'][(at * 3 + at // 26) % len(raw['last'])]}"
            companies.append(
                Company(
                    entity_id=f"demo:{slug(row['name'])}",
                    name=row["name"],
                    sector=sector,
                    weight=float(row["w"]),
                    ticker=row.get("tick", ""),
                    aliases=tuple(row.get("alias", ())),
                    former=row.get("former", ""),
                    parent=f"demo:{slug(row['parent'])}" if "parent" in row else "",
                    boss=boss,
                )
            )
    return World(tuple(sectors), tuple(companies), publishers, raw)


def entity_rows(world: World) -> list[dict[str, str]]:
    """Rows of entities.csv: entity_id, name, kind, sector, parent, tickers, aliases (`|` separated), country."""
    country = str(world.words["country"])
    rows = [
        {
            "entity_id": company.entity_id,
            "name": company.name,
            "kind": "company",
            "sector": company.sector.key,
            "parent": company.parent,
            "tickers": company.ticker,
            "aliases": "|".join((*company.aliases, *((company.former,) if company.former else ()))),
            "country": country,
        }
        for company in world.companies
    ]
    for kind in ("central_bank", "index"):
        body = world.words[kind]
        rows.append(
            {
                "entity_id": f"demo:{slug(body['name'])}",
                "name": body["name"],
                "kind": kind,
                "sector": "",
                "parent": "",
                "tickers": "|".join(body.get("tickers", ())),
                "aliases": "|".join(body["aliases"]),
                "country": country,
            }
        )
    return rows
