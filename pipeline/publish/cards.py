"""What the artifact of the active model says of itself, so that the pages need nothing but the snapshot."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.publish.tables import TABLES

__all__ = ["cards"]

logger = logging.getLogger(__name__)


def cards(model_version: str | None, artifacts: Sequence[str]) -> dict[str, pa.Table]:
    """`model_cards` (at most one row) and `model_pictures`, of the first of `artifacts` that is of this version.

    `artifacts` are names of shipped models, or folders. A report that an artifact does not have is left out.
    """
    from models.artifacts import open_artifact
    from models.errors import ModelError

    found: dict[str, list[dict[str, str | None]]] = {"model_cards": [], "model_pictures": []}
    for name in dict.fromkeys(artifacts) if model_version else ():
        try:
            artifact = open_artifact(name)
            if artifact.model_version == model_version:
                found = _said(artifact.folder, model_version)
                break
        except (ModelError, OSError, ValueError, KeyError) as error:
            logger.info("no model card from %s: %s", name, error)
    return {name: pa.Table.from_pylist(rows, TABLES[name].schema) for name, rows in found.items()}


def _said(folder: Path, model_version: str) -> dict[str, list[dict[str, str | None]]]:
    card: dict[str, str | None] = {
        "model_version": model_version,
        "card": (folder / "MODEL_CARD.md").read_text("utf-8"),
        "metrics": (folder / "metrics.json").read_text("utf-8"),
        "challenge": _challenge(folder / "report" / "challenge.json", model_version),
    }
    pictures: list[dict[str, str | None]] = [
        {
            "model_version": model_version,
            "name": f"{path.parent.name}, {path.stem.removeprefix('reliability-')}",
            "png": base64.b64encode(path.read_bytes()).decode("ascii"),
        }
        for path in sorted(folder.glob("report/*/reliability-*.png"))
    ]
    return {"model_cards": [card], "model_pictures": pictures}


def _challenge(file: Path, model_version: str) -> str | None:
    """How many of each kind passed; None where the suite was not run, or another version was asked."""
    told = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return json.dumps(told["kinds"]) if told.get("model_version") == model_version else None
