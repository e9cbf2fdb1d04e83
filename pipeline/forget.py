"""A licence ends, or a person asks: an article, or all of a publisher, removed everywhere; what rests on it says so.

The base tables lose its rows, evidence its words (the chain keeps the sha256 of what was there), messages its titles
and links, the raw store the answers of its feeds. Then the store is written anew, so that no block still holds it, and
it is not taken in again. What has been sent cannot be called back.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.context import Context, Report, reporting
from pipeline.errors import InputError
from pipeline.ingest.outcomes import Outcome
from pipeline.ingest.records import DAMAGE, Spooled, frame, records
from pipeline.notify.forms import clean, link
from pipeline.warehouse import Transaction
from pipeline.warehouse.scrub import scrub

__all__ = ["Target", "find", "forget"]

logger = logging.getLogger(__name__)

# Rows of these tell of a removal, or have one of their own.
_KEPT = ("evidence", "forgotten")
_GUARDS = ("mentions", "stories", "scores", "trends", "incidents", "notifications")
_MARK = "[removed]"
_AT_ONCE = 10_000
# A clock of a feed's machine is trusted so far: its answers since a day before are let go.
_EARLIER = timedelta(days=1)


@dataclass(frozen=True)
class Target:
    """What is to be forgotten: one article, or everything of a publisher (the other is '')."""

    article_id: str = ""
    publisher: str = ""

    def __str__(self) -> str:
        return f"article {self.article_id}" if self.article_id else f"publisher {self.publisher}"


@dataclass(frozen=True)
class _Found:
    """The articles, and where they came from since when."""

    articles: tuple[str, ...]
    feeds: tuple[str, ...]
    since: datetime | None


def find(con: duckdb.DuckDBPyConnection, what: str) -> Target:
    """The article whose id begins so, or whose address this is; else the publisher of that name.

    Raises:
        InputError: the store knows neither, or more than one article.
    """
    rows = con.execute(
        "SELECT DISTINCT article_id FROM articles WHERE (len($1) >= 8 AND starts_with(article_id, $1)) OR url = $1"
        " OR article_id = $1 UNION SELECT article_id FROM forgotten WHERE article_id = $1 ORDER BY 1 LIMIT 2",
        [what],
    ).fetchall()
    if len(rows) > 1:
        raise InputError(f"more than one article begins with {what!r}. Give the whole id.")
    if rows and what:
        return Target(article_id=rows[0][0])
    known = con.execute(
        "SELECT 1 FROM articles WHERE publisher = $1 UNION SELECT 1 FROM publishers WHERE publisher = $1"
        " UNION SELECT 1 FROM forgotten WHERE publisher = $1 LIMIT 1",
        [what],
    ).fetchone()
    if known and what:
        return Target(publisher=what)
    raise InputError(
        f"no article has the id or address {what!r}, and no publisher that name. `barograph export stories` and"
        " `barograph feeds list` show them."
    )


def forget(context: Context, target: Target, author: str, reason: str) -> Report:
    """Remove it everywhere; run again it removes what has come since (answers of feeds that still hold it).

    Counts: articles, rows (of all base tables), evidence, messages, answers (of feeds), each what was removed now.
    """
    with reporting("forget") as report:
        now = context.clock()
        counts, found = context.warehouse.transact(
            "articles", partial(_remove, target=target, author=author, reason=reason, now=now)
        )
        report.counts.update(counts)
        report.add("answers", _let_go(context.settings.store.raw, found))
        scrub(context.warehouse)
        report.notes.append(
            "the published snapshot still holds it: run `barograph publish`; parts of before are removed within hours"
        )
        logger.info("forgotten by %s: %s (%s)", author, target, report.counts)
    return report


def _remove(
    tx: Transaction, *, target: Target, author: str, reason: str, now: datetime
) -> tuple[dict[str, int], _Found]:
    # Whoever reads and writes any of these tables meanwhile begins anew.
    tx.con.execute("UPDATE guards SET n = n + 1 WHERE name IN (SELECT unnest(?::VARCHAR[]))", [list(_GUARDS)])
    found = _find(tx.con, target)
    mark = json.dumps({"removed": {"at": now.astimezone(UTC).isoformat(), "by": author, "why": reason}}, sort_keys=True)
    counts = {"articles": len(found.articles), "rows": _delete(tx.con, found.articles)}
    marked = _mark_evidence(tx.con, target, mark)
    counts["evidence"] = len(marked.words)
    counts["messages"] = _redact(tx.con, marked)
    row = {
        "article_id": target.article_id, "publisher": target.publisher, "author": author, "reason": reason,
        "feed_ids": list(found.feeds), "since": found.since,
    }  # fmt: skip
    schema = pa.schema(
        [
            *((name, pa.string()) for name in ("article_id", "publisher", "author", "reason")),
            ("feed_ids", pa.list_(pa.string())),
            ("since", pa.timestamp("us", tz="UTC")),
        ]
    )
    tx.insert_new("forgotten", pa.Table.from_pylist([row], schema), ["article_id", "publisher"])
    return counts, found


def _find(con: duckdb.DuckDBPyConnection, target: Target) -> _Found:
    rows = con.execute(
        "SELECT article_id, feed_id, first_seen_at FROM articles"
        " WHERE CASE WHEN $1 <> '' THEN article_id = $1 ELSE publisher = $2 END ORDER BY ALL",
        [target.article_id, target.publisher],
    ).fetchall()
    before = con.execute(
        "SELECT coalesce(feed_ids, []), since FROM forgotten WHERE article_id = ? AND publisher = ?",
        [target.article_id, target.publisher],
    ).fetchall()
    feeds = {row[1] for row in rows if row[1]}.union(*(row[0] for row in before))
    since = [row[2] for row in rows if row[2]] + [row[1] for row in before if row[1]]
    return _Found(tuple(sorted({row[0] for row in rows})), tuple(sorted(feeds)), min(since, default=None))


def _delete(con: duckdb.DuckDBPyConnection, articles: Sequence[str]) -> int:
    """Delete the rows of these articles from every table that names articles."""
    tables = con.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE column_name = 'article_id'"
        " AND table_catalog = current_database() AND table_name NOT IN (SELECT unnest(?::VARCHAR[])) ORDER BY 1",
        [list(_KEPT)],
    ).fetchall()
    deleted = 0
    for (table,) in tables:
        where = f'DELETE FROM "{table}" WHERE article_id IN (SELECT unnest(?::VARCHAR[]))'
        done = con.execute(where, [list(articles)]).fetchone()
        deleted += int(done[0]) if done else 0
    return deleted


@dataclass(frozen=True)
class _Marked:
    """Of each payload that was marked: the title and the address by which messages name it. `incidents`: whose."""

    words: tuple[tuple[str, str], ...]
    incidents: tuple[str, ...]


def _mark_evidence(con: duckdb.DuckDBPyConnection, target: Target, mark: str) -> _Marked:
    """Put the mark in the place of each payload that tells of it."""
    name, value = ("article_id", target.article_id) if target.article_id else ("publisher", target.publisher)
    # Found by its text first, which is cheap, then by what the JSON says.
    said = json.dumps({name: value}, ensure_ascii=False)[1:-1]
    rows = con.execute(
        "SELECT incident_id, event_id, seq, payload FROM evidence WHERE kind = 'article' AND contains(payload, ?)",
        [said],
    ).fetchall()
    told = [(row[:3], json.loads(row[3])) for row in rows]
    told = [(row, payload) for row, payload in told if payload.get(name) == value]
    gone = [row for row, _ in told]
    for start in range(0, len(gone), _AT_ONCE):
        part = gone[start : start + _AT_ONCE]
        keys = pa.table(
            {
                "incident_id": [row[0] for row in part],
                "event_id": [row[1] for row in part],
                "seq": pa.array([row[2] for row in part], pa.int32()),
            }
        )
        con.register("gone", keys)
        con.execute(
            "UPDATE evidence SET payload = ? FROM gone AS g WHERE evidence.incident_id = g.incident_id"
            " AND evidence.event_id = g.event_id AND evidence.seq = g.seq",
            [mark],
        )
        con.unregister("gone")
    words = tuple((clean(payload.get("title")), link(payload.get("url"))) for _, payload in told)
    return _Marked(words, tuple(sorted({row[0] for row in gone})))


def _redact(con: duckdb.DuckDBPyConnection, marked: _Marked) -> int:
    """Take titles and links out of the messages about these incidents; their basis keeps the sha256 of the words.

    Only what evidence cited can stand in a message; all that a publisher ever wrote would take hours to look for.
    """
    rows = con.execute(
        "SELECT notification_id, title, body, document FROM notifications"
        " WHERE list_has_any(incident_ids, ?::VARCHAR[])",
        [list(marked.incidents)],
    ).fetchall()
    # The longest first: one title may be a part of another.
    words = sorted({word for both in marked.words for word in both if word}, key=len, reverse=True)
    changed = 0
    for key, *texts in rows:
        new = [_without(text, words, in_json=place == 2) for place, text in enumerate(texts)]
        if new != texts:
            changed += 1
            con.execute(
                "UPDATE notifications SET title = ?, body = ?, document = ? WHERE notification_id = ?", [*new, key]
            )
    return changed


def _without(text: str | None, words: Sequence[str], *, in_json: bool) -> str | None:
    for word in words if text else ():
        said = json.dumps(word, ensure_ascii=False)[1:-1] if in_json else word
        text = str(text).replace(said, _MARK)
    return text


def _let_go(raw: Path, found: _Found) -> int:
    """Drop what these feeds answered since a day before the article was first seen; answers how many answers."""
    if not found.feeds or found.since is None:
        return 0
    dropped = 0
    oldest = (found.since - _EARLIER).timestamp()
    # What was set aside as damaged can say of no feed that it is not its own.
    damaged = [path for path in raw.glob("rejected/*") if path.stat().st_mtime >= oldest]
    for path in damaged:
        logger.warning("%s was set aside as damaged and may hold it, so it is removed", path)
        path.unlink(missing_ok=True)
    for path in sorted([*raw.glob("????-??-??/*.zst"), *raw.glob("spool/*.fetch")]):
        try:
            attempts = list(records(path))
        except FileNotFoundError:  # a load has just put it away
            continue
        except (OSError, *DAMAGE) as error:
            logger.warning("%s cannot be read (%s), so it is removed whole", path, error)
            path.unlink(missing_ok=True)
            continue
        doomed = [one for one in attempts if _is_of(one, found)]
        if doomed:
            dropped += len(doomed)
            _rewrite(path, attempts, found)
    return dropped


def _is_of(attempt: Spooled, found: _Found) -> bool:
    assert found.since is not None
    late = attempt.fetched_at >= found.since - _EARLIER
    return bool(attempt.fetched.body) and attempt.fetched.feed_id in found.feeds and late


def _rewrite(path: Path, attempts: Sequence[Spooled], found: _Found) -> None:
    partial_ = path.with_suffix(".tmp")
    with partial_.open("wb") as file:
        for attempt in _emptied(attempts, found):
            file.write(frame([attempt]))
        file.flush()
        os.fsync(file.fileno())
    partial_.replace(path)


def _emptied(attempts: Sequence[Spooled], found: _Found) -> Iterator[Spooled]:
    for attempt in attempts:
        if _is_of(attempt, found):
            gone: dict[str, Any] = {"body": b"", "outcome": Outcome.SAME_BODY}
            yield replace(attempt, fetched=replace(attempt.fetched, **gone))
        else:
            yield attempt
