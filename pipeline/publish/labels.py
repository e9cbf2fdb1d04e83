"""What a series is called on a page: topics from the taxonomy, entities by name, everything else from its key."""

from __future__ import annotations

import pandas as pd

from models.taxonomy import taxonomy
from pipeline.series.topics import topic_keys

__all__ = ["label_of", "labels_of", "topic_key"]


def topic_key(label: str | None) -> str | None:
    """The series key of one of the model's topic labels; a key stays itself, None stays None."""
    return None if label is None else topic_keys().get(label, label)


def label_of(scope: str, key: str, entities: dict[str, str]) -> str:
    """The words for one series."""
    if scope == "market":
        return "Market"
    if scope == "topic":
        return taxonomy().names.get(key, _words(key))
    if scope == "entity":
        return entities.get(key, key)
    return key if scope == "publisher" else _words(key)


def labels_of(trends: pd.DataFrame, entities: pd.DataFrame) -> pd.DataFrame:
    """One row (scope, key, label) for every series."""
    names = dict(zip(entities["entity_id"], entities["name"], strict=True))
    series = trends[["scope", "key"]].drop_duplicates().reset_index(drop=True)
    series["label"] = [label_of(scope, key, names) for scope, key in zip(series["scope"], series["key"], strict=True)]
    return series


def _words(key: str) -> str:
    text = key.replace("_", " ").strip()
    return text[:1].upper() + text[1:]
