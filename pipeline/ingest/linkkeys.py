"""Link keys for articles that were stored before there were any, or by another hand: made when their feed is loaded.

A link key says nothing that the link does not; it is an index, and so may be written into rows that are never changed.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipeline.ingest.identity import SHARED, article_id
from pipeline.ingest.links import canonical_link
from pipeline.ingest.policy import alike
from pipeline.warehouse import Transaction

__all__ = ["fill_link_keys"]

# The rest in the next load: nobody waits for the store because of it.
_AT_ONCE = 20_000
_FILLED = pa.schema([("article_id", pa.string()), ("revision", pa.int32()), ("link_key", pa.string())])


def fill_link_keys(tx: Transaction, feed_ids: Iterable[str]) -> int:
    """Give the articles of these feeds that have a link and no key of it one; answers how many revisions."""
    tx.con.register("wanted", pa.table({"id": pa.array(sorted(set(feed_ids)), pa.string())}))
    try:
        found = tx.con.execute(
            "SELECT article_id, revision, feed_id, url, title FROM articles SEMI JOIN wanted ON feed_id = id"
            " WHERE link_key IS NULL AND url IS NOT NULL AND kind = 'news' AND NOT imported"
            f" ORDER BY recorded_at DESC, article_id, revision LIMIT {_AT_ONCE}"
        ).fetchall()
    finally:
        tx.con.unregister("wanted")
    if not found:
        return 0
    pages = [article_id(feed, "link", canonical_link(url)) for _, _, feed, url, _ in found]
    titles: dict[str, str] = {}
    # Other words at the same link: then it names no article.
    shared = {
        page for page, row in zip(pages, found, strict=True) if not alike(row[4], titles.setdefault(page, row[4]))
    }
    keys = [{"link_key": SHARED + page if page in shared else page} for page in pages]
    rows = [{"article_id": row[0], "revision": row[1], **key} for row, key in zip(found, keys, strict=True)]
    tx.con.register("filled", pa.Table.from_pylist(rows, _FILLED))
    try:
        tx.con.execute(
            "MERGE INTO articles AS t USING filled AS b ON (t.article_id = b.article_id AND t.revision = b.revision)"
            " WHEN MATCHED THEN UPDATE SET link_key = b.link_key"
        )
    finally:
        tx.con.unregister("filled")
    return len(rows)
