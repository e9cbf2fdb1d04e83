"""What was forgotten and must not come back: articles and publishers that ingest and import leave out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import duckdb

__all__ = ["without"]

_FORGOTTEN = """
SELECT article_id, publisher FROM forgotten WHERE article_id IN (SELECT unnest($ids::VARCHAR[]))
    OR publisher IN (SELECT unnest($publishers::VARCHAR[]))"""


def without(con: duckdb.DuckDBPyConnection, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `articles` that are not of a forgotten article or publisher."""
    rows = list(rows)
    ids = sorted({row["article_id"] for row in rows})
    publishers = sorted({row["publisher"] for row in rows if row["publisher"]})
    found = con.execute(_FORGOTTEN, {"ids": ids, "publishers": publishers}).fetchall() if rows else []
    articles, owners = {row[0] for row in found if row[0]}, {row[1] for row in found if row[1]}
    return [row for row in rows if row["article_id"] not in articles and row["publisher"] not in owners]
