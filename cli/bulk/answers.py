"""What a row is answered: its status, probabilities and topic; equal texts are asked once, also across chunks."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from models import SENTIMENTS, Item, Prediction

if TYPE_CHECKING:
    from models.status import Status

__all__ = ["ANSWERS", "Asked", "Known", "answers"]

ANSWERS: Mapping[str, pa.DataType] = {
    "status": pa.string(),
    "sentiment": pa.string(),
    **{f"p_{word}": pa.float64() for word in SENTIMENTS},
    "topic": pa.string(),
    "topic_key": pa.string(),
    "p_topic": pa.float64(),
    "truncated": pa.bool_(),
    "model_version": pa.string(),
}
"""The fields of an answer and their types in a Parquet file."""


class Asked(Protocol):
    """What is needed of a scorer."""

    @property
    def model_version(self) -> str: ...
    @property
    def abstain_below(self) -> float: ...
    @property
    def topics(self) -> Sequence[str]: ...
    def score(self, items: Sequence[Item], progress: Callable[[int], None] | None = None) -> Prediction: ...


def answers(
    scorer: Asked, items: Sequence[Item], progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Return one answer per item, in their order; what cannot be scored has a status and no probabilities.

    `sentiment` is negative, neutral, positive, or the status where that is not `scored`.
    """
    from models.status import status

    statuses = [status(item.text, linked=bool(item.entity)) for item in items]
    open_ = [item for item, found in zip(items, statuses, strict=True) if found is None]
    scored = iter(_scored(scorer, scorer.score(open_, progress)) if open_ else ())
    return [next(scored) if found is None else _unscored(scorer, found) for found in statuses]


def _unscored(scorer: Asked, status: Status) -> dict[str, Any]:
    empty = dict.fromkeys(ANSWERS)
    return {**empty, "status": str(status), "sentiment": str(status), "model_version": scorer.model_version}


def _scored(scorer: Asked, prediction: Prediction) -> list[dict[str, Any]]:
    from models.status import Status, abstained
    from models.taxonomy import taxonomy

    keys = {label: taxonomy().key_of(label) for label in scorer.topics}
    rows: list[dict[str, Any]] = []
    for sentiment, topic, cut in zip(prediction.sentiment, prediction.topic, prediction.truncated, strict=True):
        best = int(topic.argmax())
        status = abstained(float(sentiment.max()), scorer.abstain_below)
        rows.append(
            {
                "status": str(status),
                "sentiment": SENTIMENTS[int(sentiment.argmax())] if status is Status.SCORED else str(status),
                **{f"p_{word}": round(float(p), 6) for word, p in zip(SENTIMENTS, sentiment, strict=True)},
                "topic": scorer.topics[best],
                "topic_key": keys[scorer.topics[best]],
                "p_topic": round(float(topic[best]), 6),
                "truncated": bool(cut),
                "model_version": scorer.model_version,
            }
        )
    return rows


class Known:
    """Answers to texts met before, on disk: a file of any length in bounded memory.

    All answers of a chunk are kept in one transaction before its part is written. A chunk that is computed again after
    a kill then finds either none of its answers or all of them, and so gives the same bytes.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing of what was committed; a power cut might, and then texts are asked again.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE IF NOT EXISTS known (key BLOB PRIMARY KEY, answer TEXT) WITHOUT ROWID")
        self._database.execute("CREATE TEMP TABLE asked (key BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Known:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def answers(
        self, scorer: Asked, items: Sequence[Item], progress: Callable[[int], None] | None = None
    ) -> list[dict[str, Any]]:
        """Return one answer per item, in their order; only texts not met before go to the scorer."""
        keys = [_key(item) for item in items]
        found = self._found(keys)
        new = {key: item for key, item in zip(keys, items, strict=True) if key not in found}
        if new:
            fresh = dict(zip(new, answers(scorer, list(new.values()), progress), strict=True))
            with self._database:
                self._database.executemany(
                    "INSERT INTO known VALUES (?, ?)", [(key, json.dumps(answer)) for key, answer in fresh.items()]
                )
            found |= fresh
        return [found[key] for key in keys]

    def _found(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        with self._database, closing(self._database.cursor()) as cursor:
            cursor.execute("DELETE FROM asked")
            cursor.executemany("INSERT OR IGNORE INTO asked VALUES (?)", [(key,) for key in keys])
            rows = cursor.execute("SELECT key, answer FROM known JOIN asked USING (key)").fetchall()
        return {key: json.loads(answer) for key, answer in rows}


def _key(item: Item) -> bytes:
    # The length in front keeps "ab" + "c" and "a" + "bc" apart.
    text, entity = (part.encode("utf-8", "surrogatepass") for part in (item.text, item.entity or ""))
    return hashlib.blake2b(len(text).to_bytes(8, "big") + text + entity, digest_size=16).digest()
