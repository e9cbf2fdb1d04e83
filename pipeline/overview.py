"""Where the store stands and what is wrong with the installation: what `status` and `doctor` print."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from pipeline import settings as settings_file
from pipeline.context import Context, open_context, utc_now
from pipeline.errors import BarographError, SettingsError
from pipeline.promotion import active_model
from pipeline.settings import Settings, file_or_default
from pipeline.warehouse import Warehouse

__all__ = ["Check", "Line", "checks", "standing"]

ENOUGH_DISK_GB = 1.0


@dataclass(frozen=True)
class Line:
    """One fact about the store, in words."""

    what: str
    value: str


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and what to do where it does not."""

    name: str
    ok: bool
    detail: str


def standing(context: Context) -> list[Line]:
    """Counts, freshness, model and open incidents of the store."""
    counts = (
        ("articles", "SELECT count(DISTINCT article_id) FROM articles"),
        ("stories", "SELECT count(DISTINCT story_id) FROM story_members"),
        ("feeds", "SELECT count(*) FROM feeds WHERE kind <> 'archive'"),
        ("incidents open", "SELECT count(*) FROM incidents WHERE state IN ('pending', 'firing', 'acknowledged')"),
        ("messages waiting", "SELECT count(*) FROM notifications WHERE status IN ('pending', 'sending', 'failed')"),
    )
    moments = (
        ("newest article", "SELECT max(first_seen_at) FROM articles"),
        ("last fetch", "SELECT max(fetched_at) FROM fetches"),
        ("last score", "SELECT max(recorded_at) FROM scores"),
        ("trends rebuilt", "SELECT max(recorded_at) FROM trends"),
    )
    with context.warehouse.read() as con:
        lines = [Line(what, f"{_one(con, sql):,}") for what, sql in counts]
        for what, sql in moments:
            at = _one(con, sql)
            lines.append(Line(what, f"{at:%Y-%m-%d %H:%M} UTC" if at else "never"))
        active = active_model(con)
    lines.append(Line("active model", active.model_version if active else "none yet: `barograph score` makes one"))
    pointer = context.settings.store.published / "CURRENT"
    lines.append(Line("published snapshot", str(pointer) if pointer.exists() else "none yet: `barograph publish`"))
    return [Line("warehouse", str(context.warehouse.engine)), *lines]


def checks(config: Path | None) -> list[Check]:
    """Everything that must hold before a run can work; never raises for what it finds."""
    found = [Check("python", True, f"{platform.python_version()}, duckdb {duckdb.__version__}")]
    settings, check = _settings(config)
    found.append(check)
    if settings is None:
        return found
    found.append(_attempt("warehouse", lambda: _store(config, settings)))
    files = (
        ("feeds", settings.ingest.feeds),
        ("rules", settings.detect.rules),
        ("watch-lists", settings.detect.watchlists),
        ("routes", settings.notify.routes),
    )
    for name, path in files:
        found.append(_attempt(name, partial(_file, path)))
    found.append(_attempt("model", lambda: _weights(config, settings)))
    free = shutil.disk_usage(_existing(settings.store.published)).free / 1e9
    found.append(Check("disk", free >= ENOUGH_DISK_GB, f"{free:.1f} GB free; {ENOUGH_DISK_GB:.0f} GB are needed"))
    return found


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> object:
    row = con.execute(sql).fetchone()
    return row[0] if row else None


def _settings(config: Path | None) -> tuple[Settings | None, Check]:
    try:
        return settings_file.load(config or settings_file.DEFAULT_CONFIG), Check("settings", True, "can be used")
    except BarographError as error:
        return None, Check("settings", False, str(error))


def _attempt(name: str, work: Callable[[], str]) -> Check:
    from models.errors import ModelError

    try:
        return Check(name, True, work())
    except (BarographError, ModelError) as error:
        return Check(name, False, str(error))


def _file(path: Path) -> str:
    return str(file_or_default(path))


def _made(settings: Settings) -> bool:
    """Whether there is a store yet: a check must not make one."""
    return Warehouse(settings.store.warehouse, utc_now, settings.store.lock_timeout_s).engine.exists


def _store(config: Path | None, settings: Settings) -> str:
    if not _made(settings):
        return f"{settings.store.warehouse} is not there yet; the first run makes it"
    return str(open_context(config).warehouse.engine)


def _weights(config: Path | None, settings: Settings) -> str:
    """The active model, which the settings need not name any more; in a new store the one that they name."""
    from models.scorer import load

    named, device = settings.model.name, settings.model.device
    active = None
    if _made(settings):
        with open_context(config).warehouse.read() as con:
            active = active_model(con)
    version = load(active.artifact or named if active else named, device).model_version
    if active is not None and version != active.model_version:
        raise SettingsError(
            f"{active.artifact or named} is {version}, but {active.model_version} is the active model: put that one "
            f"back, or run `barograph models promote {named}`"
        )
    return f"{version} is active" if active else f"{version} would be the first"


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
