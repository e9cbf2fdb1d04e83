"""Which model version is candidate, shadow, active, and since when: read from the insert-only table `models`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from pipeline.warehouse import Transaction

__all__ = ["ActiveModel", "activate", "active_model"]


@dataclass(frozen=True)
class ActiveModel:
    """The version whose scores count, the limit over which p_negative makes a story negative, and its start."""

    model_version: str
    negative_limit: float
    since: datetime


def active_model(con: duckdb.DuckDBPyConnection, as_of: datetime | None = None) -> ActiveModel | None:
    """The active version as the store knew it at `as_of` (now, if None); None before the first activation."""
    row = con.execute(
        "SELECT model_version, negative_limit, recorded_at FROM models WHERE status = 'active'"
        " AND ($1 IS NULL OR recorded_at <= $1) ORDER BY recorded_at DESC, model_version DESC LIMIT 1",
        [as_of],
    ).fetchone()
    return ActiveModel(*row) if row else None


def activate(transaction: Transaction, model_version: str, negative_limit: float, *, actor: str, reason: str) -> bool:
    """Make a version the active one; False when it already is."""
    current = active_model(transaction.con)
    if current and current.model_version == model_version:
        return False
    rows = pa.table(
        {
            "model_version": [model_version],
            "status": ["active"],
            "negative_limit": [negative_limit],
            "reason": [reason],
            "actor": [actor],
        }
    )
    # One version may become active again later, so the moment is part of what identifies the row.
    rows = rows.append_column("known_at", pa.array([transaction.recorded_at], pa.timestamp("us", tz="UTC")))
    return bool(transaction.insert_new("models", rows, ["model_version", "status", "known_at"]))
