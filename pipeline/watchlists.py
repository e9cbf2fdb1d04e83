"""Watch-lists: whom we watch, who asked for it, and how near to the heart each name is (tier 1 or 2)."""

from __future__ import annotations

import hashlib
import json
import logging
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import RulesError
from pipeline.toml_lines import Table, place, tables

if TYPE_CHECKING:
    import duckdb

__all__ = ["WatchList", "WatchLists", "load", "parents_of", "parse"]

logger = logging.getLogger(__name__)

_FLAGS = ("include_subsidiaries", "include_parents")
_KEYS = ("owner", "tier1", "tier2", *_FLAGS)


@dataclass(frozen=True)
class WatchList:
    """One list: its name, who answers for it, the entity ids of its tiers, and whether their families are watched."""

    name: str
    owner: str
    tier1: frozenset[str]
    tier2: frozenset[str]
    include_subsidiaries: bool = False
    include_parents: bool = False

    def tier_of(self, entity_id: str) -> int | None:
        """1, 2, or None when the list does not have the entity."""
        return 1 if entity_id in self.tier1 else 2 if entity_id in self.tier2 else None

    def entities(self) -> frozenset[str]:
        """All entity ids of the list."""
        return self.tier1 | self.tier2

    def with_family(self, parents: Mapping[str, str]) -> WatchList:
        """The list with the subsidiaries and parents it asks for, each in the tier of the name it belongs to.

        `parents`: entity id to the id of its owner. A name the list has itself keeps its tier; tier 1 wins a contest.
        """
        if not (self.include_subsidiaries or self.include_parents):
            return self
        children: dict[str, list[str]] = {}
        for child, parent in parents.items():
            children.setdefault(parent, []).append(child)
        own = self.entities()
        tier1 = self.tier1 | (self._family(self.tier1, parents, children) - own)
        tier2 = self.tier2 | (self._family(self.tier2, parents, children) - own - tier1)
        return replace(self, tier1=frozenset(tier1), tier2=frozenset(tier2))

    def _family(
        self, members: frozenset[str], parents: Mapping[str, str], children: Mapping[str, list[str]]
    ) -> set[str]:
        found: set[str] = set()
        if self.include_subsidiaries:
            open_ = list(members)
            while open_:
                fresh = [c for c in children.get(open_.pop(), ()) if c not in found]
                found.update(fresh)
                open_ += fresh
        if self.include_parents:
            for member in members:
                found.update(_ancestors(member, parents))
        return found


@dataclass(frozen=True)
class WatchLists:
    """All lists of a file."""

    lists: tuple[WatchList, ...]

    @property
    def sha256(self) -> str:
        """Of what the lists hold, in whatever order it was written."""
        held = sorted((one.name, one.owner, sorted(one.tier1), sorted(one.tier2)) for one in self.lists)
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()

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

    def with_families(self, parents: Mapping[str, str]) -> WatchLists:
        """All lists with the subsidiaries and parents they ask for (`parents_of` reads who owns whom)."""
        return WatchLists(tuple(one.with_family(parents) for one in self.lists))

    def unknown(self, known: Collection[str]) -> tuple[str, ...]:
        """The listed ids that are not among the `known` ones, sorted: a slip of the pen watches nobody."""
        return tuple(sorted(self.entities() - set(known)))


def parents_of(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Entity id to the id of its owner, as the store knows them."""
    rows = con.execute(
        "SELECT entity_id, max(parent) FROM entities WHERE coalesce(parent, '') <> '' GROUP BY entity_id"
    ).fetchall()
    return {str(entity_id): str(parent) for entity_id, parent in rows}


def load(path: Path, known: Collection[str] | None = None) -> WatchLists:
    """The watch-lists of a file; ids that are not `known` (if given) are logged as a warning.

    Raises:
        RulesError: the file cannot be read, a key is not one of ours, or a value is of the wrong type.
    """
    try:
        found = parse(path.read_text(encoding="utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}. Mend the file and run again.") from error
    if known is not None and (unknown := found.unknown(known)):
        logger.warning("%s: no such entity, so nothing is watched for: %s", path, ", ".join(unknown))
    return found


def parse(text: str, path: Path) -> WatchLists:
    """The watch-lists that `text` holds; `path` is for messages. Raises RulesError as `load` does."""
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError(f"{path}: cannot be read: {error}. Mend the file and run again.") from error
    parts = tables(text)
    for key in values.keys() - {"watchlists"}:
        raise RulesError(f"{path}:{place(parts, key)}: {key} is not a key; lists stand under [watchlists.NAME].")
    lists = values.get("watchlists", {})
    if not isinstance(lists, dict):
        raise RulesError(f"{path}:{place(parts, 'watchlists')}: watchlists must be tables: [watchlists.NAME].")
    return WatchLists(tuple(_list(path, parts, name, body) for name, body in lists.items()))


def _list(path: Path, parts: Sequence[Table], name: str, body: Any) -> WatchList:
    def where(key: str = "") -> str:
        return f"{path}:{place(parts, 'watchlists', name, *((key,) if key else ()))}: [watchlists.{name}]"

    if not isinstance(body, dict):
        raise RulesError(f"{where()} must be a table with {', '.join(_KEYS)}.")
    for key in sorted(body.keys() - set(_KEYS)):
        raise RulesError(f"{where(key)} {key} is not a key; they are {', '.join(_KEYS)}.")
    owner = body.get("owner", "")
    if not isinstance(owner, str):
        raise RulesError(f"{where('owner')} owner must be a text.")
    tiers = {tier: _ids(where(tier), tier, body.get(tier, [])) for tier in ("tier1", "tier2")}
    if both := tiers["tier1"] & tiers["tier2"]:
        raise RulesError(f"{where('tier2')} has {', '.join(sorted(both))} in tier1 and tier2. Keep one.")
    flags = {key: body.get(key, False) for key in _FLAGS}
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise RulesError(f"{where(key)} {key} must be true or false.")
    return WatchList(name, owner, tiers["tier1"], tiers["tier2"], **flags)


def _ancestors(entity_id: str, parents: Mapping[str, str]) -> Iterator[str]:
    seen = {entity_id}
    while (entity_id := parents.get(entity_id, "")) and entity_id not in seen:
        seen.add(entity_id)
        yield entity_id


def _ids(where: str, key: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise RulesError(f'{where} {key} must be a list of entity ids, such as ["co:hsbc"].')
    return frozenset(value)
