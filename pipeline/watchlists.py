"""Watch-lists: whom we watch, who asked for it, and how near to the heart each name is (tier 1 or 2)."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import RulesError

__all__ = ["WatchList", "WatchLists", "load"]

logger = logging.getLogger(__name__)

_KEYS = ("owner", "tier1", "tier2")


@dataclass(frozen=True)
class WatchList:
    """One list: its name, who answers for it, and the entity ids of its tiers."""

    name: str
    owner: str
    tier1: frozenset[str]
    tier2: frozenset[str]

    def tier_of(self, entity_id: str) -> int | None:
        """1, 2, or None when the list does not have the entity."""
        return 1 if entity_id in self.tier1 else 2 if entity_id in self.tier2 else None

    def entities(self) -> frozenset[str]:
        """All entity ids of the list."""
        return self.tier1 | self.tier2


@dataclass(frozen=True)
class WatchLists:
    """All lists of a file."""

    lists: tuple[WatchList, ...]

    def tier_of(self, entity_id: str) -> int | None:
        """The best tier any list gives the entity; None when no list has it."""
        return min((tier for one in self.lists if (tier := one.tier_of(entity_id))), default=None)

    def entities(self) -> frozenset[str]:
        """All entity ids of all lists."""
        return frozenset().union(*(one.entities() for one in self.lists))

    def named(self, name: str) -> WatchList | None:
        """The list of that name."""
        return next((one for one in self.lists if one.name == name), None)

    def holding(self, entity_id: str) -> tuple[WatchList, ...]:
        """The lists that have the entity, in the order of the file."""
        return tuple(one for one in self.lists if one.tier_of(entity_id))

    def unknown(self, known: Collection[str]) -> tuple[str, ...]:
        """The listed ids that are not among the `known` ones, sorted: a slip of the pen watches nobody."""
        return tuple(sorted(self.entities() - set(known)))


def load(path: Path, known: Collection[str] | None = None) -> WatchLists:
    """The watch-lists of a file; ids that are not `known` (if given) are logged as a warning.

    Raises:
        RulesError: the file cannot be read, a key is not one of ours, or a value is of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}. Mend the file and run again.") from error
    for key in values.keys() - {"watchlists"}:
        raise RulesError(f"{path}: {key} is not a key; lists stand under [watchlists.NAME].")
    tables = values.get("watchlists", {})
    if not isinstance(tables, dict):
        raise RulesError(f"{path}: watchlists must be tables: [watchlists.NAME].")
    found = WatchLists(tuple(_list(path, name, body) for name, body in tables.items()))
    if known is not None and (unknown := found.unknown(known)):
        logger.warning("%s: no such entity, so nothing is watched for: %s", path, ", ".join(unknown))
    return found


def _list(path: Path, name: str, body: Any) -> WatchList:
    where = f"{path}: [watchlists.{name}]"
    if not isinstance(body, dict):
        raise RulesError(f"{where} must be a table with {', '.join(_KEYS)}.")
    for key in sorted(body.keys() - set(_KEYS)):
        raise RulesError(f"{where} {key} is not a key; they are {', '.join(_KEYS)}.")
    owner = body.get("owner", "")
    if not isinstance(owner, str):
        raise RulesError(f"{where} owner must be a text.")
    tiers = {tier: _ids(where, tier, body.get(tier, [])) for tier in ("tier1", "tier2")}
    if both := tiers["tier1"] & tiers["tier2"]:
        raise RulesError(f"{where} has {', '.join(sorted(both))} in tier1 and tier2. Keep one.")
    return WatchList(name, owner, tiers["tier1"], tiers["tier2"])


def _ids(where: str, key: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise RulesError(f'{where} {key} must be a list of entity ids, such as ["co:hsbc"].')
    return frozenset(value)
