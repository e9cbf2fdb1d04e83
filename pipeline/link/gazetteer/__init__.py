"""The gazetteer: the entities we can name, read from CSV files (one row each), with a hash that is their version."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.link.names import parse_name

__all__ = ["BUNDLED", "COLUMNS", "KINDS", "Entity", "Gazetteer", "load", "read_entities", "write_entities"]

BUNDLED = Path(__file__).parent
COLUMNS = ("entity_id", "name", "kind", "sector", "parent", "tickers", "aliases", "country")
KINDS = ("company", "central_bank", "institution", "person", "currency", "commodity", "index")
_FILES = ("companies.csv", "institutions.csv", "people.csv")


@dataclass(frozen=True)
class Entity:
    """Something an article can be about. `tickers` are plain (`KO`: New York) or `EXCHANGE:CODE` (`LON:SHEL`).

    `aliases` and `tickers` are as written in the file, with the notes `names.parse_name` reads: `FB [..2022-06-09]`.
    """

    entity_id: str
    name: str
    kind: str
    sector: str = ""
    parent: str = ""
    tickers: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    country: str = ""


@dataclass(frozen=True)
class Gazetteer:
    """All entities by id, and the sha256 (hex) of everything they were read from."""

    entities: dict[str, Entity]
    sha256: str


def read_entities(path: Path) -> list[Entity]:
    """The rows of one file.

    Raises:
        InputError: no such file, a column is missing, or a row has no id, no name or an unknown kind.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path}: column {', '.join(sorted(missing))} is missing; it needs {', '.join(COLUMNS)}."
                )
            return [_entity(path, number, row) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Give a CSV file in UTF-8 to [link] entities.") from error


def write_entities(path: Path, entities: Iterable[Entity]) -> None:
    """Write one file, in the order given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for e in entities:
            row = (e.entity_id, e.name, e.kind, e.sector, e.parent, "|".join(e.tickers), "|".join(e.aliases), e.country)
            writer.writerow(row)


def load(extra: Sequence[Path] = ()) -> Gazetteer:
    """The bundled entities and those of `extra` files, which outrank rows of the same id.

    Raises:
        InputError: a file cannot be used.
    """
    entities: dict[str, Entity] = {}
    for path in (*(BUNDLED / name for name in _FILES), *extra):
        entities.update((entity.entity_id, entity) for entity in read_entities(path))
    return Gazetteer(entities, _digest(entities.values()))


def _digest(entities: Iterable[Entity]) -> str:
    digest = hashlib.sha256()
    for entity in sorted(entities, key=lambda e: e.entity_id):
        digest.update(repr(entity).encode())
    return digest.hexdigest()


def _entity(path: Path, number: int, row: dict[str, str]) -> Entity:
    get = {column: (row.get(column) or "").strip() for column in COLUMNS}
    if not get["entity_id"] or not get["name"]:
        raise InputError(f"{path}: line {number} has no entity_id or no name. Fill it in or remove the line.")
    if get["kind"] not in KINDS:
        raise InputError(f"{path}: line {number}: kind {get['kind']!r} is not one of {', '.join(KINDS)}.")
    try:
        for written in _parts(get["aliases"] + "|" + get["tickers"]):
            parse_name(written)
    except InputError as error:
        raise InputError(f"{path}: line {number}: {error}") from error
    return Entity(
        get["entity_id"],
        get["name"],
        get["kind"],
        get["sector"],
        get["parent"],
        _parts(get["tickers"]),
        _parts(get["aliases"]),
        get["country"],
    )


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("|") if part.strip())
