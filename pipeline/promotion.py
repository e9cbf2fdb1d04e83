"""Which model version is candidate, shadow, active or retired, and since when: the insert-only table `models`.

candidate → shadow → active → retired, and from any of them to any other; a version's newest row is its status. One is
active: its scores make the series. Shadows are scored beside it and count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import duckdb
import pyarrow as pa

from pipeline.errors import InputError
from pipeline.warehouse import Transaction

__all__ = [
    "ActiveModel",
    "Agreement",
    "Known",
    "Status",
    "activate",
    "active_model",
    "agreement",
    "history",
    "known_models",
    "record",
    "retire",
    "shadow",
]


class Status(StrEnum):
    """Where a version stands. CANDIDATE: scored once, nothing rests on it; RETIRED: not scored any more."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True)
class ActiveModel:
    """The version whose scores count, the limit over which p_negative makes a story negative, and its start.

    `artifact`: where its weights are: a shipped name or a folder; None where that was not kept.
    """

    model_version: str
    negative_limit: float
    since: datetime
    artifact: str | None = None


@dataclass(frozen=True)
class Known:
    """One row of `models`. `forced`: activated against its gates; `gates`: what these found, as JSON."""

    model_version: str
    status: Status
    negative_limit: float
    since: datetime
    actor: str
    reason: str
    artifact: str | None
    forced: bool
    gates: str | None


@dataclass(frozen=True)
class Agreement:
    """A version beside the active one. `scored`: its rows; `overlap`: rows with probabilities of both.

    `same_label`: share of the overlap with the same likeliest sentiment; `same_negative`: with the same answer to
    "over its own limit?"; `difference`: mean absolute difference of p_negative. None without overlap.
    """

    scored: int
    overlap: int
    same_label: float | None
    same_negative: float | None
    difference: float | None


# One clock tick may see a version pass several states; then the later state of its life holds.
_ORDER = "array_position(['candidate', 'shadow', 'active', 'retired'], status)"
_ROWS = """
SELECT model_version, status, negative_limit, recorded_at, actor, reason, artifact, coalesce(forced, false), gates
FROM models"""
_NEWEST = f" QUALIFY row_number() OVER (PARTITION BY model_version ORDER BY recorded_at DESC, {_ORDER} DESC) = 1"
_LAST_FIRST = f" ORDER BY recorded_at DESC, {_ORDER}, model_version"
_LABEL = "CASE greatest({0}.p_negative, {0}.p_neutral, {0}.p_positive) WHEN {0}.p_negative THEN 0 WHEN {0}.p_neutral \
THEN 1 ELSE 2 END"
_AGREEMENT = f"""
SELECT (SELECT count(*) FROM scores WHERE model_version = $version),
    count(*),
    avg(({_LABEL.format("a")} = {_LABEL.format("b")})::INTEGER),
    avg(((a.p_negative > $active_limit) = (b.p_negative > $limit))::INTEGER),
    avg(abs(a.p_negative - b.p_negative))
FROM scores a JOIN scores b USING (article_id, revision, entity_id)
WHERE a.model_version = $active AND b.model_version = $version AND a.p_negative IS NOT NULL
    AND b.p_negative IS NOT NULL
"""


def active_model(con: duckdb.DuckDBPyConnection, as_of: datetime | None = None) -> ActiveModel | None:
    """The active version as the store knew it at `as_of` (now, if None); None before the first activation."""
    row = con.execute(
        "SELECT model_version, negative_limit, recorded_at, artifact FROM models WHERE status = 'active'"
        " AND ($1 IS NULL OR recorded_at <= $1) ORDER BY recorded_at DESC, model_version DESC LIMIT 1",
        [as_of],
    ).fetchone()
    return ActiveModel(*row) if row else None


def known_models(con: duckdb.DuckDBPyConnection) -> list[Known]:
    """Every version the store has heard of, as it stands; the latest change first."""
    return [Known(row[0], Status(row[1]), *row[2:]) for row in con.execute(_ROWS + _NEWEST + _LAST_FIRST).fetchall()]


def history(con: duckdb.DuckDBPyConnection) -> list[Known]:
    """Every change of any version's status, the latest first."""
    return [Known(row[0], Status(row[1]), *row[2:]) for row in con.execute(_ROWS + _LAST_FIRST).fetchall()]


def agreement(con: duckdb.DuckDBPyConnection, active: ActiveModel, known: Known) -> Agreement:
    """How a version's scores compare with those of the active one on what both have scored."""
    row = con.execute(
        _AGREEMENT,
        {
            "version": known.model_version,
            "active": active.model_version,
            "limit": known.negative_limit,
            "active_limit": active.negative_limit,
        },
    ).fetchone()
    return Agreement(*(row or (0, 0, None, None, None)))


def record(
    transaction: Transaction,
    model_version: str,
    status: Status,
    negative_limit: float,
    *,
    actor: str,
    reason: str,
    artifact: str | None = None,
    forced: bool = False,
    gates: str | None = None,
) -> bool:
    """Insert a change of status; False when the version has that status already."""
    newest = {known.model_version: known for known in known_models(transaction.con)}.get(model_version)
    if newest is not None and newest.status == status:
        return False
    if artifact is None and newest is not None:
        artifact = newest.artifact
    row = {
        "model_version": model_version, "status": str(status), "negative_limit": negative_limit, "reason": reason,
        "actor": actor, "artifact": artifact, "forced": forced, "gates": gates,
    }  # fmt: skip
    types = {"negative_limit": pa.float64(), "forced": pa.bool_()}
    rows = pa.table({name: pa.array([value], types.get(name, pa.string())) for name, value in row.items()})
    # One version may become active again later, so the moment is part of what identifies the row.
    rows = rows.append_column("known_at", pa.array([transaction.recorded_at], pa.timestamp("us", tz="UTC")))
    return bool(transaction.insert_new("models", rows, ["model_version", "status", "known_at"]))


def activate(
    transaction: Transaction,
    model_version: str,
    negative_limit: float,
    *,
    actor: str,
    reason: str,
    artifact: str | None = None,
    forced: bool = False,
    gates: str | None = None,
) -> bool:
    """Make a version the active one, and retire the one it follows; False when it already is.

    To be called once the history is scored with it, so that no series is ever half old and half new.
    """
    current = active_model(transaction.con)
    if current and current.model_version == model_version:
        return False
    if current:
        record(
            transaction, current.model_version, Status.RETIRED, current.negative_limit, actor=actor,
            reason=f"followed by {model_version}",
        )  # fmt: skip
    return record(
        transaction, model_version, Status.ACTIVE, negative_limit, actor=actor, reason=reason, artifact=artifact,
        forced=forced, gates=gates,
    )  # fmt: skip


def shadow(
    transaction: Transaction, model_version: str, negative_limit: float, *, actor: str, reason: str, artifact: str
) -> bool:
    """Let `score` score a version beside the active one; False when it is a shadow already.

    Raises:
        InputError: it is the active one.
    """
    current = active_model(transaction.con)
    if current and current.model_version == model_version:
        raise InputError(f"{model_version} is the active model; promote another one first.")
    return record(
        transaction, model_version, Status.SHADOW, negative_limit, actor=actor, reason=reason, artifact=artifact
    )


def retire(transaction: Transaction, model_version: str, *, actor: str, reason: str) -> bool:
    """Stop scoring a version; False when it is retired already. Its scores stay.

    Raises:
        InputError: it is the active one, or the store has never heard of it.
    """
    current = active_model(transaction.con)
    if current and current.model_version == model_version:
        raise InputError(
            f"{model_version} is the active model; promote the one that follows it: `barograph models promote NAME`."
        )
    known = {known.model_version: known for known in known_models(transaction.con)}
    if model_version not in known:
        raise InputError(f"the store knows no model {model_version}; `barograph models list` names them.")
    return record(
        transaction, model_version, Status.RETIRED, known[model_version].negative_limit, actor=actor, reason=reason
    )
