"""The edge of `score`: find what this model version has not scored yet, score it, write it chunk by chunk."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import duckdb
import pyarrow as pa

from models import Item
from pipeline.context import Context, Report, reporting
from pipeline.promotion import Status as Standing
from pipeline.promotion import active_model, known_models
from pipeline.score.attribute import LoadExplainer, attribute, load_explainer, waiting
from pipeline.score.choose import Chosen, Load, Scorer, active_scorer, load_scorer, settle, shadows
from pipeline.score.decide import (
    MAX_ENTITIES,
    MIN_RELEVANCE,
    WHOLE,
    Shard,
    Target,
    chunks,
    shards_for,
    status_before,
    status_of,
)
from pipeline.warehouse import Transaction

__all__ = ["Scorer", "Shard", "backfill", "explain_waiting", "nothing_waits", "run", "shards"]

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
SELECT article_id, revision, t.entity_id, n.kind, n.language, n.title, t.surface, n.imported, n.known_at,
    (article_id, revision) IN (SELECT (article_id, revision) FROM entity) AS linked
FROM target t JOIN newest n USING (article_id, revision)
ANTI JOIN (SELECT * FROM scores WHERE model_version = $1) s USING (article_id, revision, entity_id)
WHERE ($2 IS NULL OR n.known_at >= $2) AND hash(article_id) % $4 = $3
ORDER BY n.known_at DESC, article_id, entity_id
"""


def run(
    context: Context,
    *,
    scorer: Scorer | None = None,
    artifact: str | None = None,
    since: datetime | None = None,
    shard: Shard | None = None,
    load: Load = load_scorer,
    explain: LoadExplainer = load_explainer,
    words: bool = True,
) -> Report:
    """Score every newest revision, and every entity in it, that the active model and the shadows have not scored.

    A store's first model becomes the active one, and only when the history is scored with it, so that no series is
    ever half old and half new. With `scorer` (found at `artifact`) that one scores, and nothing is switched. With
    `shard` only its part is scored, beside others that have theirs: the run that closes them, without one, does the
    rest. Without `words` nothing is explained: `explain_waiting` does that when no alert waits for it.

    Raises:
        SettingsError: the active model cannot be found again.
        ModelError: the weights are missing, damaged or not the ones that were measured.
    """
    with reporting("score") as report:
        chosen = Chosen(scorer, artifact) if scorer is not None else active_scorer(context, load, report)
        for status, n in _all(context, chosen.scorer, since, "score", shard or WHOLE).items():
            report.add(status, n)
        if since is None and shard is None:
            settle(context, chosen, report)
        if words and shard is None:
            attribute(context, chosen, explain, report)
        if scorer is None:
            for shadow in shadows(context, load, report):
                scored = _all(context, shadow, since, f"score, {shadow.model_version}", shard or WHOLE)
                report.add("shadow", sum(scored.values()))
    return report


def explain_waiting(context: Context, *, load: Load = load_scorer, explain: LoadExplainer = load_explainer) -> Report:
    """Explain the newest rows over the active model's negative limit that have no words yet; scores nothing."""
    with reporting("score") as report:
        # What the settings should say was told when it scored.
        attribute(context, active_scorer(context, load, Report("score")), explain, report)
    return report


def shards(context: Context) -> list[Shard]:
    """The parts in which what is not scored yet is best shared out; none where one run does it as fast."""
    with context.warehouse.read() as con:
        active = active_model(con)
        scoring = [model.model_version for model in known_models(con) if model.status is Standing.SHADOW]
        # Before the first activation nothing counts as scored: parts that find little to do cost little.
        scoring.append(active.model_version if active else "")
        most = max(_count(con, version) for version in scoring)
    return shards_for(most, context.settings.model.shard_rows)


def nothing_waits(context: Context) -> bool:
    """Whether a run would find nothing to score and nothing to explain: then no model need be loaded."""
    with context.warehouse.read() as con:
        active = active_model(con)
        if active is None:
            return False
        shadows = [model.model_version for model in known_models(con) if model.status is Standing.SHADOW]
        if any(_count(con, version) for version in (active.model_version, *shadows)):
            return False
        return not waiting(con, active.model_version, active.negative_limit, context.clock())


def backfill(context: Context, scorer: Scorer) -> int:
    """Score the whole history with a version, whatever its status; answers how many rows. Repeats go on."""
    return sum(_all(context, scorer, None, "score the history").values())


def _all(context: Context, scorer: Scorer, since: datetime | None, what: str, shard: Shard = WHOLE) -> Counter[str]:
    """Score what a version has not scored, chunk by chunk; answers the rows by status."""
    with context.warehouse.read() as con:
        targets = _pending(con, scorer.model_version, since, shard)
    counts: Counter[str] = Counter()
    done = 0
    for chunk in chunks(targets, CHUNK):
        rows = _rows(chunk, scorer)
        context.warehouse.transact("scores", partial(_write, rows=rows))
        counts.update(rows["status"].to_pylist())
        done += len(chunk)
        context.progress(what, done, len(targets))
    return counts


def _pending(con: duckdb.DuckDBPyConnection, model_version: str, since: datetime | None, shard: Shard) -> list[Target]:
    rows = con.execute(PENDING, [model_version, since, shard.number, shard.of]).fetchall()
    return [Target(*row) for row in rows]


def _count(con: duckdb.DuckDBPyConnection, model_version: str) -> int:
    row = con.execute(f"SELECT count(*) FROM ({PENDING})", [model_version, None, WHOLE.number, WHOLE.of]).fetchone()
    return int(row[0]) if row else 0


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
