"""Hold a loaded model against its gates, by what its artifact measured or anew on labelled files; and the challenge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from models import challenge, gates
from models.artifacts import METRICS
from models.data import Example, Source, read
from models.errors import WeightsCorrupt
from models.evaluate import Answers, answered
from models.gates import Finding

__all__ = ["Versioned", "examine"]


class Versioned(Answers, Protocol):
    """A scorer that knows its version."""

    @property
    def model_version(self) -> str:
        """Return name@hash."""
        ...


def examine(
    scorer: Versioned, folder: Path, data: Sequence[Source] = (), active: Versioned | None = None
) -> list[Finding]:
    """Return what every gate finds. `folder`: the artifact's; `active`: the model it would follow, if that is at hand.

    Without `data` the artifact's own metrics.json is believed; with it all is measured anew, and compared with the
    active model on the same rows. The challenge suite's open half is always run.
    """
    found: list[Finding] = []
    for source in data:
        found += _measured(source.name or source.path.name, read(source), scorer, active)
    if not data:
        found = gates.from_metrics(_metrics(folder))
    return found + gates.challenge(challenge.run(scorer))


def _metrics(folder: Path) -> dict[str, object]:
    try:
        found = json.loads((folder / METRICS).read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise WeightsCorrupt(f"{METRICS} of {folder.name} cannot be read; restore the artifact") from problem
    if not isinstance(found, dict):
        raise WeightsCorrupt(f"{METRICS} of {folder.name} is not a JSON object; restore the artifact")
    return found


def _measured(name: str, rows: Sequence[Example], scorer: Versioned, active: Versioned | None) -> list[Finding]:
    candidate = answered(scorer, rows).sample("sentiment")
    found = gates.from_sample(name, candidate)
    rival = answered(active, rows).sample("sentiment") if active is not None and candidate is not None else None
    if active is not None and candidate is not None and rival is not None:
        found.append(gates.comparison(name, candidate, rival, (scorer.model_version, active.model_version)))
    return found
