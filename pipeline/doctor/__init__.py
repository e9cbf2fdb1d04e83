"""What a support engineer would ask, answered: each check is ok, warn or wrong, and says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline import settings as settings_file
from pipeline.doctor import installation, scheduler, store
from pipeline.doctor.check import Check, State, attempt
from pipeline.errors import BarographError

__all__ = ["Check", "State", "examine"]


def examine(config: Path | None, environment: Mapping[str, str]) -> Iterator[Check]:
    """Every check, one after the other as it is done; makes nothing, and never raises for what it finds.

    `environment` says whether an Airflow is configured here.
    """
    yield from installation.versions()
    try:
        settings = settings_file.load(config or settings_file.DEFAULT_CONFIG)
    except BarographError as error:
        yield Check("settings", State.WRONG, str(error))
        return
    yield Check("settings", State.OK, "can be used")
    yield from installation.files(settings)
    yield from store.checks(settings)
    yield attempt("weights", lambda: installation.weights(settings))
    yield from scheduler.checks(environment)
