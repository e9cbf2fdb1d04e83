"""From the model's topic words to the keys of topic series, as `models.taxonomy` groups them."""

from __future__ import annotations

from collections.abc import Mapping

from models.taxonomy import taxonomy

__all__ = ["OTHER", "topic_keys"]

OTHER = "other"


def topic_keys() -> Mapping[str, str]:
    """Label of the model -> key of the series; every key also stands for itself."""
    known = taxonomy()
    return {OTHER: OTHER, **{key: key for key in known.names}, **dict(zip(known.labels, known.keys, strict=True))}
