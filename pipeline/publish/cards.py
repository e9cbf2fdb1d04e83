"""The card and metrics of the active model, read from its artifact, so that the pages need nothing but the snapshot."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa

from pipeline.publish.tables import TABLES

__all__ = ["cards"]

logger = logging.getLogger(__name__)


def cards(model_version: str | None, artifacts: Sequence[str]) -> pa.Table:
    """At most one row: the first of `artifacts` (names or folders) that is of this version."""
    from models.artifacts import open_artifact
    from models.errors import ModelError

    rows = []
    for name in dict.fromkeys(artifacts) if model_version else ():
        try:
            artifact = open_artifact(name)
            if artifact.model_version == model_version:
                card = (artifact.folder / "MODEL_CARD.md").read_text("utf-8")
                metrics = (artifact.folder / "metrics.json").read_text("utf-8")
                rows.append({"model_version": model_version, "card": card, "metrics": metrics})
                break
        except (ModelError, OSError, UnicodeDecodeError) as error:
            logger.info("no model card from %s: %s", name, error)
    return pa.Table.from_pylist(rows, TABLES["model_cards"].schema)
