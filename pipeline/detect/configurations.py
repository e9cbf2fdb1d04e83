"""What detection runs by, and since when: rules, watch-lists, settings and model, kept in the store at every change.

A rule file that breaks while we run does no harm: the one the store kept last stays in force, and the report says so.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from models.errors import ModelError
from pipeline import watchlists
from pipeline.context import Context
from pipeline.detect import rules as rule_files
from pipeline.detect.rules import Rules
from pipeline.errors import RulesError
from pipeline.promotion import ActiveModel, active_model
from pipeline.settings import Settings, file_or_default
from pipeline.warehouse import Transaction
from pipeline.watchlists import WatchLists

__all__ = ["Configuration", "InForce", "Kept", "Name", "in_force", "keep", "load"]

logger = logging.getLogger(__name__)
T = TypeVar("T")

# (kind, name): kind is rules, rule, watchlists, settings or model; only a rule has a name.
Name = tuple[str, str]
_NEWEST = """
SELECT kind, name, sha256, author, recorded_at, content FROM configurations
QUALIFY row_number() OVER (PARTITION BY kind, name ORDER BY recorded_at DESC, known_at DESC) = 1"""
_SHIPPED = Path(__file__).parent.parent / "defaults"
_FROZEN_SETTINGS = {"demo", "detect", "link", "model"}


@dataclass(frozen=True)
class Configuration:
    """One text that detection runs by. `author`: who answers for it, '' where nobody can be named."""

    kind: str
    name: str
    content: str
    author: str = ""

    @property
    def sha256(self) -> str:
        """Over the content, UTF-8: what evidence cites."""
        return hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Kept:
    """The newest row of a kind and name: in force since `since`."""

    sha256: str
    author: str
    since: datetime
    content: str


@dataclass(frozen=True)
class InForce:
    """What a pass runs by. `notes`: what a person should know, such as a broken file."""

    rules: Rules
    watched: WatchLists
    model: ActiveModel | None
    kept: Mapping[Name, Kept]
    notes: tuple[str, ...]


def load(context: Context) -> InForce:
    """Read the files, keep what has changed, and answer what is in force now.

    Raises:
        RulesError: a file cannot be used, and the store has kept none that could.
    """
    settings = context.settings
    with context.warehouse.read() as con:
        known = in_force(con)
        model = active_model(con)
        actor = _actor(con, model)
    notes: list[str] = []
    rules, rule_text, rule_author = _file(
        settings.detect.rules,
        "rules",
        rule_files.parse,
        partial(rule_files.parse, kept=True),
        known.get(("rules", "")),
        notes,
    )
    watched, watch_text, watch_author = _file(
        settings.detect.watchlists,
        "watchlists",
        _watchlists,
        _watchlists,
        known.get(("watchlists", "")),
        notes,
    )
    wanted = [
        Configuration("rules", "", rule_text, rule_author),
        *(Configuration("rule", one.name, one.text, one.annotations.get("author", rule_author)) for one in rules.rules),
        Configuration("watchlists", "", watch_text, watch_author),
        Configuration("settings", "", _settings(settings)),
    ]
    if model is not None:
        wanted.append(Configuration("model", "", _model(model), actor))
    if changed := _changed(wanted, known):
        known = context.warehouse.transact("incidents", partial(keep, wanted=changed))
    names = {(one.kind, one.name) for one in wanted}
    return InForce(rules, watched, model, {n: k for n, k in known.items() if n in names}, tuple(notes))


def in_force(con: duckdb.DuckDBPyConnection) -> dict[Name, Kept]:
    """The newest row of every kind and name."""
    return {(row[0], row[1]): Kept(row[2], row[3] or "", row[4], row[5]) for row in con.execute(_NEWEST).fetchall()}


def keep(tx: Transaction, wanted: Sequence[Configuration]) -> dict[Name, Kept]:
    """Insert what is not in force yet; answers what is in force then."""
    changed = _changed(wanted, in_force(tx.con))
    rows = {name: [getattr(one, name) for one in changed] for name in ("kind", "name", "sha256", "content", "author")}
    table = pa.table({name: pa.array(values, pa.string()) for name, values in rows.items()})
    # A text may come back into force: the moment is part of what identifies the row.
    stamp = pa.array([tx.recorded_at] * len(changed), pa.timestamp("us", tz="UTC"))
    tx.insert_new("configurations", table.append_column("known_at", stamp), ["kind", "name", "sha256", "known_at"])
    return in_force(tx.con)


def _changed(wanted: Sequence[Configuration], known: Mapping[Name, Kept]) -> list[Configuration]:
    return [one for one in wanted if (row := known.get((one.kind, one.name))) is None or row.sha256 != one.sha256]


def _watchlists(text: str, path: str) -> WatchLists:
    return watchlists.parse(text, Path(path))


def _file(
    setting: Path,
    kind: str,
    parse: Callable[[str, str], T],
    parse_kept: Callable[[str, str], T],
    known: Kept | None,
    notes: list[str],
) -> tuple[T, str, str]:
    """The file read and parsed, its text and its author; what the store has kept where it cannot be used."""
    path = setting
    try:
        path = file_or_default(setting)
        text = path.read_text(encoding="utf-8")
        return parse(text, str(path)), text, _author(path)
    except (RulesError, OSError, UnicodeDecodeError) as error:
        problem = error if isinstance(error, RulesError) else RulesError(f"{path}: cannot be read: {error}.")
        if known is None:
            raise problem from error
        try:
            old = parse_kept(known.content, str(path))
        except RulesError:
            # Kept by an older version of ours, whose words this one does not know.
            raise problem from error
        said = f"{problem} Until then the {kind} of {known.since:%Y-%m-%d %H:%M} UTC stay in force."
        logger.warning("%s", said)
        notes.append(said)
        return old, known.content, known.author


def _author(path: Path) -> str:
    """Who answers for a file: us, or whoever owns it on this machine."""
    if path.parent == _SHIPPED:
        return "shipped with barograph"
    try:
        return path.owner()
    except (KeyError, OSError, NotImplementedError):
        return ""


def _settings(settings: Settings) -> str:
    """The settings a decision can depend on; none of them is a secret."""
    return json.dumps(settings.model_dump(mode="json", include=_FROZEN_SETTINGS), sort_keys=True, ensure_ascii=False)


def _model(model: ActiveModel) -> str:
    """The version, its limit, and config and calibration of its artifact where that can be found."""
    told: dict[str, Any] = {
        "active_since": model.since.isoformat(),
        "artifact": model.artifact,
        "calibration": None,
        "config": None,
        "model_version": model.model_version,
        "negative_limit": model.negative_limit,
    }
    if model.artifact:
        from models.artifacts import CALIBRATION, CONFIG, find

        try:
            folder = find(model.artifact)
            raw = (folder / CONFIG).read_bytes()
            # The folder may hold another version by now.
            if model.model_version.endswith(hashlib.sha256(raw).hexdigest()[:12]):
                told["config"] = json.loads(raw)
                told["calibration"] = json.loads((folder / CALIBRATION).read_text(encoding="utf-8"))
        except (ModelError, OSError, ValueError) as error:
            logger.info("the artifact of %s cannot be read: %s", model.model_version, error)
    return json.dumps(told, sort_keys=True, ensure_ascii=False)


def _actor(con: duckdb.DuckDBPyConnection, model: ActiveModel | None) -> str:
    if model is None:
        return ""
    row = con.execute(
        "SELECT actor FROM models WHERE model_version = ? AND status = 'active' AND recorded_at = ? LIMIT 1",
        [model.model_version, model.since],
    ).fetchone()
    return str(row[0] or "") if row else ""
