"""What an incident rests on, frozen at firing: decision, counted articles and scores, inputs; chained by sha256."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipeline.detect import inputs
from pipeline.detect.configurations import Kept, Name
from pipeline.detect.findings import Finding
from pipeline.detect.judging import Seen
from pipeline.detect.rules import Kind
from pipeline.incidents import Event
from pipeline.promotion import ActiveModel
from pipeline.series import buckets, reach
from pipeline.watchlists import WatchLists

__all__ = [
    "STANDING",
    "World",
    "articles",
    "chained",
    "decision",
    "last_sha256",
    "payloads",
    "pieces",
    "versions",
]

# What of a decision is not the finding's: it is kept as it stood, and taken from there when the decision is replayed.
STANDING = (
    "configurations", "demo", "model_version", "negative_limit", "rule_author", "rule_effective_at", "simulated",
    "versions",
)  # fmt: skip
_LIBRARIES = ("barograph", "duckdb", "numpy", "pandas", "scipy")
_COLUMNS = (
    "article_id", "revision", "story_id", "publisher", "owner", "title", "url", "published_at", "first_seen_at",
    "known_at", "counted_at", "relevance", "status", "p_negative", "p_neutral", "p_positive", "story_negative",
    "p_negative_article", "themes",
)  # fmt: skip
_WHICH = "WHERE (m.scope, m.key, g.grain) IN (SELECT (scope, key, grain) FROM wanted)"
_ARTICLES = """,
    chosen AS (
        SELECT w.n, t.scope, t.key, t.grain, t.story_id, coalesce(t.negative, false) AS negative
        FROM told AS t JOIN wanted AS w USING (scope, key, grain)
        WHERE CASE WHEN len(w.stories) > 0 THEN list_contains(w.stories, t.story_id)
              ELSE t.bucket_start >= w.start AND t.bucket_start < w.until END),
    kinds AS (SELECT article_id, revision, list(DISTINCT theme ORDER BY theme) AS themes FROM themed GROUP BY ALL)
SELECT c.n, p.article_id, a.revision, p.story_id, a.publisher, p.owner, a.title, a.url, a.published_at,
       a.first_seen_at, a.known_at, p.counted_at, p.relevance, p.status, p.p_negative, p.p_neutral, p.p_positive,
       c.negative, w.p_negative, coalesce(k.themes, [])
FROM chosen AS c JOIN points AS p USING (scope, key, grain, story_id)
JOIN articles AS a ON a.article_id = p.article_id AND a.revision = p.revision AND a.recorded_at >= $since
LEFT JOIN judged AS w ON w.article_id = p.article_id AND w.revision = p.revision AND w.entity_id = ''
LEFT JOIN kinds AS k ON k.article_id = p.article_id AND k.revision = p.revision
ORDER BY c.n, p.counted_at, p.article_id"""
_WANTED = pa.schema(
    [
        ("n", pa.int32()),
        *((name, pa.string()) for name in ("scope", "key", "grain")),
        *((name, pa.timestamp("us", tz="UTC")) for name in ("start", "until")),
        ("stories", pa.list_(pa.string())),
    ]
)


_ROWS = pa.schema(
    [
        *((name, pa.string()) for name in ("incident_id", "event_id")),
        ("seq", pa.int32()),
        *((name, pa.string()) for name in ("kind", "payload", "sha256", "previous_sha256")),
    ]
)


@dataclass(frozen=True)
class World:
    """What a pass knew when it decided: what it read, whom it watches, the model, and what was in force (`kept`)."""

    seen: Seen
    watched: WatchLists
    model: ActiveModel | None
    oldest: datetime
    now: datetime
    demo: bool = False
    kept: Mapping[Name, Kept] = field(default_factory=dict)

    @property
    def model_version(self) -> str:
        """'' while no model is active."""
        return self.model.model_version if self.model else ""

    @property
    def negative_limit(self) -> float:
        """Over which p_negative makes a story negative; 1 (none is) while no model is active."""
        return self.model.negative_limit if self.model else 1.0

    def standing(self, finding: Finding) -> dict[str, Any]:
        """The values of `STANDING`."""
        rule = self.kept.get(("rule", finding.rule.name))
        return {
            "configurations": {kind: one.sha256 for (kind, _), one in sorted(self.kept.items()) if kind != "rule"},
            "demo": self.demo,
            "model_version": self.model_version,
            "negative_limit": self.negative_limit,
            "rule_author": rule.author if rule else None,
            "rule_effective_at": _iso(rule.since) if rule else None,
            "simulated": False,
            "versions": versions(),
        }


def pieces(
    con: duckdb.DuckDBPyConnection, evident: Sequence[tuple[Event, Finding]], world: World
) -> dict[Event, list[tuple[str, str]]]:
    """The pieces of each of these steps (kind, JSON), in order; one query for all that were counted at one time."""
    found = articles(con, [finding for _, finding in evident], world.model_version, world.negative_limit)
    made = {}
    for (event, finding), counted in zip(evident, found, strict=True):
        told = inputs.as_json(world.seen, finding, world.watched, world.oldest, world.now)
        made[event] = payloads(event, finding, counted, told, world.standing(finding))
    return made


def articles(
    con: duckdb.DuckDBPyConnection, findings: Sequence[Finding], model_version: str, negative_limit: float
) -> list[list[dict[str, Any]]]:
    """Of each finding: every article of every story that it counted, negative or not, oldest first.

    Health counts none. Only what the findings' own days reach is read, as it was when they were counted.
    """
    found: list[list[dict[str, Any]]] = [[] for _ in findings]
    groups: dict[datetime | None, list[int]] = {}
    read_at = _read_at(con, model_version, findings)
    for n, finding in enumerate(findings):
        if finding.rule.kind is not Kind.HEALTH:
            groups.setdefault(read_at.get(finding.as_of, finding.as_of), []).append(n)
    for as_of, numbers in groups.items():
        first = min(findings[n].start for n in numbers).astimezone(UTC).date()
        last = max(findings[n].end for n in numbers).astimezone(UTC).date()
        bound = {"as_of": as_of or datetime(9999, 1, 1, tzinfo=UTC), "model_version": model_version}
        for row in _read(con, findings, numbers, (first, last), bound | {"negative_limit": negative_limit}):
            known = dict(zip(_COLUMNS, row[1:], strict=True))
            found[row[0]].append(_article(known, findings[row[0]], negative_limit))
    return found


def _read_at(
    con: duckdb.DuckDBPyConnection, model_version: str, findings: Sequence[Finding]
) -> dict[datetime | None, datetime]:
    """When the passes of `aggregate` that wrote these counts had read the base tables: a moment before they wrote."""
    counted = sorted({finding.as_of for finding in findings if finding.as_of})
    rows = con.execute(
        "SELECT recorded_at, max(read_at) FROM rebuilds WHERE model_version = ?"
        " AND recorded_at IN (SELECT unnest(?::TIMESTAMPTZ[])) GROUP BY ALL",
        [model_version, counted],
    ).fetchall()
    return dict(rows)


def _read(
    con: duckdb.DuckDBPyConnection,
    findings: Sequence[Finding],
    numbers: Sequence[int],
    days: tuple[date, date],
    bound: dict[str, Any],
) -> list[tuple[Any, ...]]:
    # An article counts up to a day before it was known.
    reached = reach.of_days(con, days[0] - timedelta(days=1), days[1] + timedelta(days=1))
    con.register("reached", reached.articles)
    con.register("wanted", pa.Table.from_pylist([_wanted(n, findings[n]) for n in numbers], _WANTED))
    buckets.register(con)
    sql = buckets.with_sql("recorded_at", reached.since) + "," + buckets.TOLD.format(which=_WHICH) + _ARTICLES
    try:
        return con.execute(sql, bound | {"since": reached.since}).fetchall()
    finally:
        for name in ("reached", "wanted", "topic_keys"):
            con.unregister(name)


def _wanted(n: int, finding: Finding) -> dict[str, Any]:
    return {
        "n": n, "scope": finding.detection.scope, "key": finding.detection.key, "stories": sorted(finding.stories),
        "grain": "day" if finding.stories else finding.rule.grain, "start": finding.start, "until": finding.end,
    }  # fmt: skip


def decision(event: Event, finding: Finding, standing: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """The first piece: what was decided, on which numbers, by which rule and versions, and how many pieces follow."""
    detection, rule = finding.detection, finding.rule
    told: dict[str, Any] = {
        "action": event.action.value,
        "bucket_end": _iso(finding.end),
        "bucket_start": _iso(finding.start),
        "counted_as_of": _iso(finding.as_of) if finding.as_of else None,
        "coverage": None,
        "event_id": event.event_id,
        "expected": None,
        "fit": None,
        "grain": rule.grain,
        "happened_at": _iso(event.happened_at),
        "high": None,
        "incident_id": event.incident_id,
        "key": detection.key,
        "label": detection.label,
        "labels": dict(sorted(rule.labels.items())),
        "low": None,
        "negative_stories": None,
        "news_volume": None,
        "owners": detection.owners,
        "p_limit": None,
        "p_value": None,
        "pieces": dict(counts),
        "reason": event.reason.value,
        "rule": rule.name,
        "rule_kind": rule.kind.value,
        "rule_sha256": rule.sha256,
        "rule_text": rule.text,
        "runbook_url": rule.runbook_url or None,
        "scope": detection.scope,
        "seq": event.seq,
        "severity": detection.severity.value,
        "single_source": detection.single_source,
        "story_count": None,
        "summary": detection.summary,
        "usual": None,
    }
    return told | dict(standing) | {name: value for name, value in finding.numbers.items() if name != "feed"}


def payloads(
    event: Event,
    finding: Finding,
    counted: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    standing: Mapping[str, Any],
) -> list[tuple[str, str]]:
    """(kind, JSON with sorted keys) of every piece, in order: the decision, the articles, the feed, the inputs."""
    rest: list[tuple[str, Mapping[str, Any]]] = [("article", article) for article in counted]
    if "feed" in finding.numbers:
        rest.append(("feed", finding.numbers["feed"]))
    rest.append(("inputs", told))
    counts = Counter(kind for kind, _ in rest)
    all_ = [("decision", decision(event, finding, standing, counts)), *rest]
    return [(kind, json.dumps(dict(what), sort_keys=True, ensure_ascii=False)) for kind, what in all_]


def last_sha256(con: duckdb.DuckDBPyConnection, incident_ids: Sequence[str]) -> dict[str, str]:
    """Of each incident that has evidence: the sha256 its chain ends in."""
    rows = con.execute(
        "SELECT v.incident_id, max_by(v.sha256, (e.seq, v.seq)) FROM evidence AS v"
        " JOIN incident_events AS e USING (incident_id, event_id)"
        " WHERE v.incident_id IN (SELECT unnest(?::VARCHAR[])) GROUP BY ALL",
        [sorted(set(incident_ids))],
    ).fetchall()
    return dict(rows)


def chained(steps: Sequence[tuple[Event, Sequence[tuple[str, str]]]], last: Mapping[str, str]) -> pa.Table:
    """Rows of `evidence` of these steps, those of an incident in order: sha256 covers the row before and the payload.

    `last`: what each incident's chain ended in so far.
    """
    rows: list[dict[str, Any]] = []
    ends = dict(last)
    for event, found in steps:
        previous = ends.get(event.incident_id, "")
        for seq, (kind, payload) in enumerate(found):
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
        ends[event.incident_id] = previous
    return pa.Table.from_pylist(rows, _ROWS)


@cache
def versions() -> dict[str, str]:
    """Python, the libraries that counted and judged, and sha256 over our own source."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    known = {name: version(name) for name in _LIBRARIES}
    return known | {"python": platform.python_version(), "source_sha256": digest.hexdigest()}


def _article(row: dict[str, Any], finding: Finding, negative_limit: float) -> dict[str, Any]:
    story_negative = row.pop("story_negative")
    for clock in ("published_at", "first_seen_at", "known_at", "counted_at"):
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
