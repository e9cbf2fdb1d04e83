"""The installation: versions that fit each other, the files that the settings name, the weights of the active model."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from pipeline import watchlists
from pipeline.context import utc_now
from pipeline.detect import rules
from pipeline.doctor.check import Check, State, attempt
from pipeline.errors import SettingsError
from pipeline.ingest import catalogue
from pipeline.notify import routes
from pipeline.promotion import active_model
from pipeline.settings import Settings, file_or_default
from pipeline.warehouse import Warehouse

__all__ = ["files", "versions", "weights"]

_OPTIONAL = ("apache-airflow", "apache-airflow-providers-celery")


def versions() -> Iterator[Check]:
    """Python and ours, then every dependency that is missing or of a version we were not tested with."""
    yield Check("versions", State.OK, f"barograph {version('barograph')}, python {platform.python_version()}")
    wanted = [Requirement(line) for line in requires("barograph") or ()]
    needed = {r.name: r for r in wanted if not r.marker or r.marker.evaluate()}
    optional = {r.name: r for r in wanted if r.name in _OPTIONAL}
    bad: list[str] = []
    shown: list[str] = []
    for name, requirement in (optional | needed).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            if name in needed:
                bad.append(f"{name} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            bad.append(f"{name} is {found}, we need {requirement.specifier}")
        elif name in ("duckdb", "torch", *_OPTIONAL):
            shown.append(f"{name} {found}")
    if bad:
        todo = "Install again into a fresh environment: pip install --constraint constraints.txt ."
        yield Check("libraries", State.WRONG, "; ".join(bad), todo)
    else:
        yield Check("libraries", State.OK, ", ".join(sorted(shown)))


def files(settings: Settings) -> Iterator[Check]:
    """Whether each file that the settings name, or ours in its place, can be read by the stage that it is for."""
    named: tuple[tuple[str, Path, Callable[[Path], object]], ...] = (
        ("feeds", settings.ingest.feeds, catalogue.read_file),
        ("rules", settings.detect.rules, rules.load),
        ("watch-lists", settings.detect.watchlists, watchlists.load),
        ("routes", settings.notify.routes, routes.load),
    )
    for name, path, read in named:
        yield attempt(f"file: {name}", partial(_readable, path, read))


def _readable(path: Path, read: Callable[[Path], object]) -> str:
    read(found := file_or_default(path))
    return str(found)


def weights(settings: Settings) -> str:
    """The active model, which the settings need not name any more; in a new store the one that they name.

    Loading it checks the sha256 of every file and what it says to canary sentences.

    Raises:
        SettingsError: what is found there is another version than the active one.
        ModelError: a file is missing, damaged, or not the one that was measured.
    """
    from models.scorer import load

    named, device = settings.model.name, settings.model.device
    store = Warehouse(settings.store.warehouse, utc_now, min(settings.store.lock_timeout_s, 5.0))
    active = None
    if store.engine.exists:
        with store.read() as con:
            active = active_model(con)
    found = load(active.artifact or named if active else named, device).model_version
    if active is not None and found != active.model_version:
        raise SettingsError(
            f"{active.artifact or named} is {found}, but {active.model_version} is the active model: put that one "
            f"back, or run `barograph models promote {named}`"
        )
    return f"{found} is active; hashes and canary sentences hold" if active else f"{found} would be the first"
