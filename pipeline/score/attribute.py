"""The words behind negative scores, kept in `attributions`: few rows a run, the newest first, the rest when asked.

An explanation costs as much as some eighty scores, so that a run explains at most PER_RUN rows, and only articles of
the last days: what an alert may cite. Older ones, an imported archive among them, are explained on demand
(`barograph explain`).
What a run leaves is taken up by the next one: found by asking what is not done yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Protocol

import duckdb
import pyarrow as pa

from models import Item
from models.errors import ModelError
from models.explanation import Explanation, Word
from pipeline.context import Context, Report
from pipeline.score.choose import Chosen
from pipeline.score.decide import Behind
from pipeline.warehouse import Transaction

__all__ = ["MOST_WORDS", "PER_RUN", "Explains", "LoadExplainer", "attribute", "load_explainer", "strongest", "waiting"]

PER_RUN = 16
MOST_WORDS = 8
DAYS = 2
# Rougher than what a person asks for: it takes a third of the steps, and the order of the words stays.
TOLERANCE = 0.05
_KEYS = ["article_id", "revision", "entity_id", "model_version", "start"]

UNEXPLAINED = """
WITH linker AS (
    SELECT max_by(linker_version, recorded_at) AS version FROM mentions
), mention AS (
    SELECT article_id, revision, entity_id, min(surface) AS surface
    FROM mentions m JOIN linker ON m.linker_version = linker.version GROUP BY ALL
)
SELECT s.article_id, s.revision, s.entity_id, a.title,
    CASE WHEN s.entity_id <> '' THEN m.surface END AS surface, a.imported, s.known_at
FROM scores s
JOIN articles a USING (article_id, revision)
LEFT JOIN mention m USING (article_id, revision, entity_id)
ANTI JOIN (SELECT * FROM attributions WHERE model_version = $1) t USING (article_id, revision, entity_id)
WHERE s.model_version = $1 AND s.status = 'scored' AND s.p_negative >= $2 AND a.known_at >= $3
    AND (s.entity_id = '' OR m.surface IS NOT NULL)
ORDER BY a.known_at DESC, s.article_id, s.entity_id
LIMIT $4
"""


class Explains(Protocol):
    """All that the pipeline knows of an explainer."""

    @property
    def model_version(self) -> str: ...
    def explain(
        self, items: Sequence[Item], *, predicted: bool = True, tolerance: float = TOLERANCE
    ) -> Sequence[Explanation]: ...


class LoadExplainer(Protocol):
    """Finds the explainer of a version, or None where the artifact is not (any more) of that version."""

    def __call__(self, artifact: str, device: str, model_version: str) -> Explains | None: ...


@lru_cache(maxsize=1)
def load_explainer(artifact: str, device: str, model_version: str) -> Explains | None:
    """Load through `models.explain`, kept warm for the next run of this process."""
    from models.artifacts import open_artifact

    if open_artifact(artifact).model_version != model_version:
        return None
    from models.explain import load

    explainer: Explains = load(artifact, device)
    return explainer


def attribute(context: Context, chosen: Chosen, load: LoadExplainer, report: Report, most: int = PER_RUN) -> None:
    """Explain the newest rows over the negative limit that have no words yet. What fails is told: it stops nothing."""
    if chosen.artifact is None or most <= 0:
        return
    scorer = chosen.scorer
    since = context.clock() - timedelta(days=DAYS)
    with context.warehouse.read() as con:
        rows = _unexplained(con, scorer.model_version, scorer.negative_limit, since, most)
    if not rows:
        return
    try:
        explainer = load(chosen.artifact, context.settings.model.device, scorer.model_version)
        if explainer is None:
            return
        items = [Item(row.title, row.surface) for row in rows]
        found = explainer.explain(items, predicted=False, tolerance=TOLERANCE)
    except ModelError as problem:
        report.notes.append(f"no words were kept: {problem}")
        return
    table = _table(rows, found, scorer.model_version)
    context.warehouse.transact("scores", partial(_write, rows=table))
    report.add("explained", len(rows))


def waiting(con: duckdb.DuckDBPyConnection, model_version: str, limit: float, now: datetime) -> bool:
    """Whether a row over the negative limit has no words yet."""
    return bool(_unexplained(con, model_version, limit, now - timedelta(days=DAYS), 1))


def _unexplained(
    con: duckdb.DuckDBPyConnection, model_version: str, limit: float, since: datetime, most: int
) -> list[Behind]:
    return [Behind(*row) for row in con.execute(UNEXPLAINED, [model_version, limit, since, most]).fetchall()]


def strongest(words: Sequence[Word], most: int = MOST_WORDS) -> list[Word]:
    """Return the words with the greatest weights towards negative, either way, that can be found in the title."""
    placed = [word for word in words if word.start >= 0]
    return sorted(placed, key=lambda word: (-abs(word.negative), word.start))[:most]


def _table(rows: Sequence[Behind], found: Sequence[Explanation], model_version: str) -> pa.Table:
    flat = [(row, word) for row, one in zip(rows, found, strict=True) for word in strongest(one.words)]
    return pa.table(
        {
            "article_id": [row.article_id for row, _ in flat],
            "revision": pa.array([row.revision for row, _ in flat], pa.int32()),
            "entity_id": [row.entity_id for row, _ in flat],
            "model_version": [model_version] * len(flat),
            "start": pa.array([word.start for _, word in flat], pa.int32()),
            "end": pa.array([word.end for _, word in flat], pa.int32()),
            "weight": pa.array([word.negative for _, word in flat], pa.float64()),
            "known_at": pa.array(
                [row.known_at if row.imported else None for row, _ in flat], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def _write(tx: Transaction, rows: pa.Table) -> int:
    return tx.insert_new("attributions", rows, _KEYS)
