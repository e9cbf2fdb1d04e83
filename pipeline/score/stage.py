"""The edge of `score`: find what this model version has not scored yet, score it, write it chunk by chunk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

import duckdb
import pyarrow as pa

from models import Item, Prediction
from pipeline.context import Context, Report, reporting
from pipeline.promotion import activate, active_model
from pipeline.score.decide import MAX_ENTITIES, MIN_RELEVANCE, Target, chunks, status_before, status_of
from pipeline.warehouse import Transaction

__all__ = ["Scorer", "run"]

logger = logging.getLogger(__name__)

CHUNK = 4096
KEYS = ["article_id", "revision", "entity_id", "model_version"]

PENDING = f"""
WITH newest AS (
    SELECT * FROM articles QUALIFY revision = max(revision) OVER (PARTITION BY article_id)
), linker AS (
    SELECT max_by(linker_version, recorded_at) AS version FROM mentions
), entity AS (
    SELECT m.article_id, m.revision, m.entity_id, m.surface
    FROM mentions m JOIN linker ON m.linker_version = linker.version
    WHERE m.entity_id <> '' AND m.relevance >= {MIN_RELEVANCE}
    QUALIFY {MAX_ENTITIES} >= row_number() OVER (
        PARTITION BY m.article_id, m.revision ORDER BY m.relevance DESC, m.entity_id)
), target AS (
    SELECT article_id, revision, '' AS entity_id, NULL AS surface FROM newest
    UNION ALL SELECT entity.* FROM entity JOIN newest USING (article_id, revision)
)
SELECT article_id, revision, t.entity_id, n.kind, n.language, n.title, t.surface, n.imported, n.known_at
FROM target t JOIN newest n USING (article_id, revision)
ANTI JOIN (SELECT * FROM scores WHERE model_version = $1) s USING (article_id, revision, entity_id)
WHERE $2 IS NULL OR n.known_at >= $2
ORDER BY n.known_at DESC, article_id, entity_id
"""


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


def run(context: Context, *, scorer: Scorer | None = None, since: datetime | None = None) -> Report:
    """Score every newest revision, and every entity in it, that this model version has not scored.

    The version becomes the active one only when the history is scored with it, so that no series is ever
    half old and half new. Without `scorer` the artifact of the settings is loaded.

    Raises:
        ModelError: the weights are missing, damaged or not the ones that were measured.
    """
    with reporting("score") as report:
        if scorer is None:
            scorer = _load(context)
        with context.warehouse.read() as con:
            targets = _pending(con, scorer.model_version, since)
            active = active_model(con)
        done = 0
        for chunk in chunks(targets, CHUNK):
            rows = _rows(chunk, scorer)
            context.warehouse.transact("scores", partial(_write, rows=rows))
            for status in rows["status"].to_pylist():
                report.add(status)
            done += len(chunk)
            context.progress("score", done, len(targets))
        if since is None and (active is None or active.model_version != scorer.model_version):
            _activate(context, scorer, "first model" if active is None else "the settings name it", report)
    return report


def _load(context: Context) -> Scorer:
    # torch takes seconds to import: only the stage that needs it pays.
    from models.scorer import load

    scorer: Scorer = load(context.settings.model.name, context.settings.model.device)
    return scorer


def _pending(con: duckdb.DuckDBPyConnection, model_version: str, since: datetime | None) -> list[Target]:
    return [Target(*row) for row in con.execute(PENDING, [model_version, since]).fetchall()]


def _rows(chunk: Sequence[Target], scorer: Scorer) -> pa.Table:
    statuses = [status_before(target) for target in chunk]
    open_ = [target for target, status in zip(chunk, statuses, strict=True) if status is None]
    prediction = scorer.score([Item(target.title or "", target.surface) for target in open_])
    columns: dict[str, list[object]] = {
        name: [] for name in ("status", "p_negative", "p_neutral", "p_positive", "topic", "p_topic", "truncated")
    }
    answers = iter(range(len(open_)))
    for status in statuses:
        if status is not None:
            values: tuple[object, ...] = (status, None, None, None, None, None, None)
        else:
            n = next(answers)
            sentiment = [float(p) for p in prediction.sentiment[n]]
            best = int(prediction.topic[n].argmax())
            values = (
                status_of(sentiment, scorer.abstain_below),
                *sentiment,
                scorer.topics[best],
                float(prediction.topic[n][best]),
                bool(prediction.truncated[n]),
            )
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    types = {"status": pa.string(), "topic": pa.string(), "truncated": pa.bool_()}
    return pa.table(
        {
            "article_id": [target.article_id for target in chunk],
            "revision": pa.array([target.revision for target in chunk], pa.int32()),
            "entity_id": [target.entity_id for target in chunk],
            "model_version": [scorer.model_version] * len(chunk),
            **{name: pa.array(values, types.get(name, pa.float64())) for name, values in columns.items()},
            # What is computed from an imported row was knowable when that row was; anything else, only now.
            "known_at": pa.array(
                [target.known_at if target.imported else None for target in chunk], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def _write(tx: Transaction, rows: pa.Table) -> int:
    return tx.insert_new("scores", rows, KEYS)


def _activate(context: Context, scorer: Scorer, reason: str, report: Report) -> None:
    def work(tx: Transaction) -> bool:
        return activate(tx, scorer.model_version, scorer.negative_limit, actor="score", reason=reason)

    if context.warehouse.transact("models", work):
        report.notes.append(f"{scorer.model_version} is now the active model ({reason})")
