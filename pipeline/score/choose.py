"""Which models score: the active one, whatever the settings name by now, and the shadows beside it.

A store stays with its active model until a person promotes another: a change of the settings, or of the files under a
name, must never look like news.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from models import Item, Prediction
from models.errors import ModelError, WeightsMissing
from pipeline.context import Context, Report
from pipeline.errors import SettingsError
from pipeline.promotion import ActiveModel, Known, Status, activate, active_model, known_models, record
from pipeline.warehouse import Transaction

__all__ = ["Load", "Scorer", "active_scorer", "load_scorer", "place_of", "settle", "shadows"]

logger = logging.getLogger(__name__)


class Scorer(Protocol):
    """All that the pipeline knows of a model."""

    @property
    def model_version(self) -> str: ...
    @property
    def negative_limit(self) -> float: ...
    @property
    def abstain_below(self) -> float: ...
    @property
    def topics(self) -> Sequence[str]: ...
    def score(self, items: Sequence[Item]) -> Prediction: ...


class Load(Protocol):
    """Loads an artifact by name or folder for a device."""

    def __call__(self, name: str, device: str) -> Scorer: ...


@dataclass(frozen=True)
class Chosen:
    """A loaded model and where its artifact is (None: unknown)."""

    scorer: Scorer
    artifact: str | None


def load_scorer(name: str, device: str) -> Scorer:
    """Load through `models.scorer`: torch takes seconds to import, and only the stage that needs it pays."""
    from models.scorer import load

    scorer: Scorer = load(name, device)
    return scorer


def place_of(name: str) -> str:
    """Where an artifact can be found again from anywhere: a shipped name as it is, a folder by its full path."""
    from models.artifacts import find

    try:
        return str(Path(name).resolve()) if find(name) == Path(name) else name
    except ModelError:
        # Not an artifact of ours; whoever loads it says so.
        return name


def active_scorer(context: Context, load: Load, report: Report) -> Chosen:
    """The active model, loaded; in a store that has none yet, the one that the settings name.

    Raises:
        SettingsError: the active version cannot be found again; the line says how to promote another.
        ModelError: its weights are damaged or not the ones that were measured.
    """
    name, device = context.settings.model.name, context.settings.model.device
    with context.warehouse.read() as con:
        active = active_model(con)
    if active is None:
        return Chosen(load(name, device), place_of(name))
    artifact = active.artifact or name
    try:
        scorer = load(artifact, device)
    except WeightsMissing as problem:
        raise SettingsError(
            f"the active model {active.model_version} is not at {artifact} any more; restore it there, "
            f"or switch with `barograph models promote {name}`"
        ) from problem
    if scorer.model_version != active.model_version:
        raise SettingsError(_another(active, scorer.model_version, artifact))
    if active.artifact is not None and place_of(name) != active.artifact:
        report.notes.append(
            f"the settings name {name}, but {active.model_version} stays the active model: "
            f"run `barograph models promote {name}` to switch, or put the name back"
        )
    return Chosen(scorer, active.artifact)


def _another(active: ActiveModel, found: str, artifact: str) -> str:
    return (
        f"{artifact} is {found}, but {active.model_version} is the active model: run "
        f"`barograph models promote {artifact}` to switch, or put the other one back"
    )


def shadows(context: Context, load: Load, report: Report) -> list[Scorer]:
    """The shadow models, loaded. One that cannot be is told and left out: it must not stop the active one."""
    with context.warehouse.read() as con:
        known = [model for model in known_models(con) if model.status is Status.SHADOW]
    found: list[Scorer] = []
    for model in known:
        try:
            found.append(_shadow(model, load, context.settings.model.device))
        except ModelError as problem:
            report.notes.append(f"the shadow {model.model_version} was not scored: {problem}")
    return found


def _shadow(model: Known, load: Load, device: str) -> Scorer:
    if model.artifact is None:
        raise WeightsMissing("where its artifact is was not kept; run `barograph models shadow NAME` again")
    scorer = load(model.artifact, device)
    if scorer.model_version != model.model_version:
        raise WeightsMissing(f"{model.artifact} is {scorer.model_version} now; restore it, or retire the shadow")
    return scorer


def settle(context: Context, chosen: Chosen, report: Report) -> None:
    """After a version has scored the whole history: the store's first becomes active, any other new one a candidate."""
    scorer, artifact = chosen.scorer, chosen.artifact
    with context.warehouse.read() as con:
        if scorer.model_version in {model.model_version for model in known_models(con)} and active_model(con):
            return
    if context.warehouse.transact("models", partial(_settle, scorer=scorer, artifact=artifact)):
        report.notes.append(f"{scorer.model_version} is now the active model (first model)")


def _settle(tx: Transaction, scorer: Scorer, artifact: str | None) -> bool:
    if active_model(tx.con) is None:
        return activate(
            tx, scorer.model_version, scorer.negative_limit, actor="score", reason="first model", artifact=artifact
        )
    if scorer.model_version not in {model.model_version for model in known_models(tx.con)}:
        record(
            tx, scorer.model_version, Status.CANDIDATE, scorer.negative_limit, actor="score", reason="scored by name",
            artifact=artifact,
        )  # fmt: skip
    return False
