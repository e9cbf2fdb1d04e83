"""What an incident rests on, frozen at firing: the decision, every counted article and score, chained by sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.detect.findings import Finding
from pipeline.incidents import Event
from pipeline.series import buckets

__all__ = ["articles", "chained", "decision", "payloads"]

_COLUMNS = (
    "article_id", "revision", "story_id", "publisher", "owner", "title", "url", "published_at", "first_seen_at",
    "known_at", "status", "p_negative", "p_neutral", "p_positive", "story_negative", "p_negative_article",
)  # fmt: skip
_ARTICLES = """
SELECT p.article_id, a.revision, p.story_id, a.publisher, p.owner, a.title, a.url, a.published_at, a.first_seen_at,
       a.known_at, p.status, p.p_negative, p.p_neutral, p.p_positive, coalesce(t.negative, false),
       (SELECT max(w.p_negative) FROM judged AS w
        WHERE w.article_id = p.article_id AND w.revision = a.revision AND w.entity_id = ''),
       coalesce((SELECT list(DISTINCT h.theme ORDER BY h.theme) FROM themed AS h
                 WHERE h.article_id = p.article_id AND h.revision = a.revision), []) AS themes
FROM points AS p JOIN told AS t USING (scope, key, grain, story_id)
JOIN articles AS a ON a.article_id = p.article_id AND a.revision = p.revision
WHERE {chosen}
ORDER BY p.counted_at, p.article_id"""
_OF_BUCKETS = "t.bucket_start >= $start AND t.bucket_start < $end"
_OF_STORIES = "t.story_id IN (SELECT unnest($stories::VARCHAR[]))"


def articles(
    con: duckdb.DuckDBPyConnection, finding: Finding, model_version: str, negative_limit: float
) -> list[dict[str, Any]]:
    """Every article of every story that the finding counted, negative or not, oldest first."""
    of_event = bool(finding.stories)
    sql = (
        buckets.with_sql("recorded_at")
        + ","
        + buckets.TOLD.format(which="WHERE m.scope = $scope AND m.key = $key AND g.grain = $grain")
        + _ARTICLES.format(chosen=_OF_STORIES if of_event else _OF_BUCKETS)
    )
    bound: dict[str, Any] = {
        "as_of": finding.as_of or datetime(9999, 1, 1, tzinfo=UTC),
        "model_version": model_version,
        "negative_limit": negative_limit,
        "scope": finding.detection.scope,
        "key": finding.detection.key,
        "grain": "day" if of_event else finding.rule.grain,
    }
    bound |= {"stories": sorted(finding.stories)} if of_event else {"start": finding.start, "end": finding.end}
    buckets.register(con)
    rows = con.execute(sql, bound).fetchall()
    con.unregister("topic_keys")
    return [_article(dict(zip((*_COLUMNS, "themes"), row, strict=True)), finding, negative_limit) for row in rows]


def decision(finding: Finding, model_version: str, negative_limit: float, *, demo: bool) -> dict[str, Any]:
    """The first piece: what was decided, on which numbers, by which rule and versions."""
    detection, rule = finding.detection, finding.rule
    told: dict[str, Any] = {
        "bucket_end": _iso(finding.end),
        "bucket_start": _iso(finding.start),
        "coverage": None,
        "demo": demo,
        "expected": None,
        "fit": None,
        "grain": rule.grain,
        "high": None,
        "key": detection.key,
        "label": detection.label,
        "low": None,
        "model_version": model_version,
        "negative_limit": negative_limit,
        "negative_stories": None,
        "news_volume": None,
        "owners": detection.owners,
        "p_limit": None,
        "p_value": None,
        "rule": rule.name,
        "rule_kind": rule.kind.value,
        "rule_sha256": rule.sha256,
        "rule_text": rule.text,
        "runbook_url": rule.runbook_url or None,
        "scope": detection.scope,
        "severity": detection.severity.value,
        "simulated": False,
        "single_source": detection.single_source,
        "story_count": None,
        "summary": detection.summary,
        "usual": None,
        "versions": {"barograph": version("barograph"), "duckdb": duckdb.__version__, "numpy": np.__version__},
    }
    return told | {name: value for name, value in finding.numbers.items() if name != "feed"}


def payloads(
    finding: Finding, counted: Sequence[Mapping[str, Any]], decided: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """(kind, JSON with sorted keys) of every piece, in order: the decision, the articles, the feed."""
    pieces: list[tuple[str, Mapping[str, Any]]] = [("decision", decided)]
    pieces += [("article", article) for article in counted]
    if "feed" in finding.numbers:
        pieces.append(("feed", finding.numbers["feed"]))
    return [(kind, json.dumps(dict(what), sort_keys=True, ensure_ascii=False)) for kind, what in pieces]


def chained(event: Event, pieces: Sequence[tuple[str, str]], previous: str) -> pa.Table:
    """Rows of `evidence`: sha256 covers that of the row before and the payload; `previous`: the incident's last."""
    rows: list[dict[str, Any]] = []
    for seq, (kind, payload) in enumerate(pieces):
        digest = hashlib.sha256((previous + payload).encode()).hexdigest()
        rows.append(
            {
                "incident_id": event.incident_id,
                "event_id": event.event_id,
                "seq": seq,
                "kind": kind,
                "payload": payload,
                "sha256": digest,
                "previous_sha256": previous,
            }
        )
        previous = digest
    return pa.Table.from_pylist(rows).set_column(2, "seq", pa.array([row["seq"] for row in rows], pa.int32()))


def _article(row: dict[str, Any], finding: Finding, negative_limit: float) -> dict[str, Any]:
    story_negative = row.pop("story_negative")
    for clock in ("published_at", "first_seen_at", "known_at"):
        row[clock] = _iso(row[clock]) if row[clock] else None
    negative = row["p_negative"] is not None and row["p_negative"] > negative_limit
    return row | {
        "entity_id": finding.detection.key if finding.detection.scope == "entity" else "",
        "negative": negative,
        # By its story, as the counts are; but an article that set off an event never speaks against it.
        "role": "negative" if story_negative or row["article_id"] in finding.numbers.get("articles", ()) else "counter",
        "single_source": finding.detection.single_source,
    }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
