"""Incidents with events and evidence as `detect` leaves them, put in without it; and channels that remember."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.context import Context
from pipeline.errors import DeliveryFailed
from pipeline.incidents import Action, Detection, Event, Severity, fold, step
from pipeline.notify.records import Outgoing, Reason
from pipeline.warehouse import Warehouse

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
UTC_US = pa.timestamp("us", tz="UTC")
_EVENT = pa.schema(
    [
        *((n, pa.string()) for n in ("event_id", "incident_id")),
        ("seq", pa.int32()),
        ("happened_at", UTC_US),
        *((n, pa.string()) for n in ("action", "reason", "severity", "actor", "detail")),
    ]
)


@dataclass(frozen=True)
class AtOnce:
    """A rule that fires at once and lets go at once."""

    pending_for: timedelta = timedelta(0)
    keep_firing_for: timedelta = timedelta(0)
    cooldown: timedelta = timedelta(hours=6)


def detection(key: str = "insurers", **changes: Any) -> Detection:
    known: dict[str, Any] = {
        "rule": "negative-share-sector", "kind": "negative_share", "scope": "sector", "key": key,
        "label": key.capitalize(), "severity": Severity.WARNING,
        "summary": "14 of 31 stories negative; usual 5, range 2–9", "bucket_start": NOW - timedelta(hours=36),
        "seen_until": NOW - timedelta(hours=12), "model_version": "tiny@1", "size": 14, "owners": 3,
    }  # fmt: skip
    return Detection(**(known | changes))


def outgoing(body: str = "First line\n    https://news.example/a", **changes: Any) -> Outgoing:
    known: dict[str, Any] = {
        "notification_id": "n" * 32, "receiver": "desk", "reason": Reason.FIRST, "severity": "warning",
        "title": "[WARNING] Insurers", "body": body,
    }  # fmt: skip
    return Outgoing(**(known | changes))


def article(name: str, p_negative: float, **changes: Any) -> dict[str, Any]:
    known = {
        "article_id": name, "revision": 0, "story_id": f"s-{name}", "publisher": "Harbour Wire",
        "owner": "Harbour Group", "title": f"Title of {name}", "url": f"https://news.example/{name}",
        "published_at": "2026-03-02T08:12:00+00:00", "first_seen_at": "2026-03-02T08:20:00+00:00",
        "known_at": "2026-03-02T08:20:00+00:00", "status": "scored", "p_negative": p_negative,
        "p_neutral": 0.02, "p_positive": round(0.98 - p_negative, 2), "negative": p_negative > 0.5,
        "role": "negative" if p_negative > 0.5 else "counter", "themes": [], "entity_id": "", "single_source": False,
    }  # fmt: skip
    return known | changes


def decision(found: Detection, **changes: Any) -> dict[str, Any]:
    known = {
        "rule": found.rule, "rule_kind": found.kind, "rule_text": "…", "rule_sha256": "ab12" * 16,
        "scope": found.scope, "key": found.key, "label": found.label, "severity": found.severity, "grain": "day",
        "bucket_start": "2026-03-02T00:00:00+00:00", "bucket_end": "2026-03-03T00:00:00+00:00", "story_count": 31,
        "negative_stories": 14, "news_volume": 44, "owners": 3, "expected": 5.2, "low": 2.0, "high": 9.0,
        "p_value": 0.00024, "p_limit": 0.001, "usual": 5, "model_version": found.model_version,
        "negative_limit": 0.62, "coverage": None, "single_source": found.single_source, "simulated": False,
        "demo": False,
    }  # fmt: skip
    return known | changes


def evidence_rows(event: Event, payloads: Iterable[tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    rows, previous = [], ""
    for seq, (kind, payload) in enumerate(payloads):
        text = json.dumps(payload, sort_keys=True)
        sha = hashlib.sha256((previous + text).encode()).hexdigest()
        rows.append(
            {
                "incident_id": event.incident_id,
                "event_id": event.event_id,
                "seq": seq,
                "kind": kind,
                "payload": text,
                "sha256": sha,
                "previous_sha256": previous,
            }
        )
        previous = sha
    return rows


def fired(found: Detection, now: datetime = NOW) -> list[Event]:
    """The events of an incident that fires at once: open, fire."""
    return step(None, found, now, AtOnce())


def put(
    warehouse: Warehouse,
    lives: Sequence[Sequence[Event]],
    evidence: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]] | None = None,
) -> None:
    """Write whole lives (all events of each incident so far) and evidence by incident, at its newest telling event."""
    events = [event for life in lives for event in life]
    incidents = [fold(life) for life in lives]
    folded = ("bucket_start", "size", "owners", "subjects")
    rows = [{k: v for k, v in asdict(i).items() if k not in folded} for i in incidents]
    telling = {e.incident_id: e for e in events if e.action in (Action.FIRE, Action.ESCALATE, Action.REOPEN)}
    proofs = [r for i, p in (evidence or {}).items() for r in evidence_rows(telling[i], p)]

    def work(tx: Any) -> None:
        tx.insert_new("incident_events", pa.Table.from_pylist([asdict(e) for e in events], _EVENT), ["event_id"])
        tx.upsert("incidents", _table(rows), ["incident_id"])
        tx.insert_new("evidence", _table(proofs) if proofs else pa.table({}), ["incident_id", "event_id", "seq"])

    warehouse.transact("incidents", work)


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    def column(name: str) -> pa.Array:
        values = [row[name] for row in rows]
        times = name.endswith("_at")
        return pa.array(values, UTC_US) if times else pa.array(values)

    return pa.table({name: column(name) for name in rows[0]})


def next_events(life: Sequence[Event], now: datetime, found: Detection | None) -> list[Event]:
    """The life with what follows when its series was judged again."""
    return [*life, *step(fold(life), found, now, AtOnce())]


@dataclass
class Memory:
    """A channel that remembers; refuses the first `refusals` messages."""

    refusals: int = 0
    accepted: list[Outgoing] = field(default_factory=list)
    tried: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, message: Outgoing) -> None:
        with self._lock:
            self.tried += 1
            if self.tried <= self.refusals:
                raise DeliveryFailed("refused for the test")
            self.accepted.append(message)

    def describe(self) -> str:
        return "memory:"


def routed(context: Context, text: str) -> Path:
    """Write routes.toml of this context."""
    path = context.settings.notify.routes
    path.write_text(text, encoding="utf-8")
    return path


def rows(
    context: Context, query: str = "SELECT * FROM notifications ORDER BY created_at, reason"
) -> list[dict[str, Any]]:
    with context.warehouse.read() as con:
        found = con.execute(query)
        names = [d[0] for d in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
