"""A message as alerts of Alertmanager's API v2, for teams that route there: one alert per incident.

An alert is known by its labels. Severity is one of them, because routes match on it; where it rises, the alert of the
lower one ends. A firing alert is given an end far ahead, because we say a thing once where Prometheus says it every
minute; the message that it is over brings the true end.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from pipeline.incidents import Severity
from pipeline.notify.document import Document, Incident
from pipeline.notify.records import severity_rank

__all__ = ["ENDS_AFTER", "alerts"]

ENDS_AFTER = timedelta(days=30)
# An end that is still ahead by Alertmanager's clock is no end to it, and the later of two ends would win.
_SKEW = timedelta(minutes=1)


def alerts(document: Document) -> bytes:
    """The body of POST /api/v2/alerts. `document.created_at` must be set."""
    made = document.created_at
    if made is None:
        raise ValueError("the document does not say when it was made")
    found = [a for one in (*document.incidents, *document.others) for a in _alerts(one, document, made)]
    return json.dumps(found + _own(document, made)).encode()


def _alerts(incident: Incident, document: Document, made: datetime) -> list[dict[str, object]]:
    """The alert as it is now, and the end of those of a lower severity that it may have been before."""
    over = incident.reason == "resolved"
    current = _alert(incident, document, made, incident.severity, over=over)
    if not over and incident.reason != "escalated":
        return [current]
    below = [str(s) for s in Severity if s.rank < severity_rank(incident.severity)]
    return [current, *(_alert(incident, document, made, severity, over=True) for severity in below)]


def _own(document: Document, made: datetime) -> list[dict[str, object]]:
    """What is about ourselves: messages that were given up, or a test."""
    named = sorted({row.receiver for row in document.dead})
    about = [({"alertname": "BarographUndelivered", "receiver": name}, timedelta(days=1)) for name in named]
    if not document.incident_ids and not document.dead:
        about = [({"alertname": "BarographTest"}, timedelta(minutes=5))]
    return [
        {
            "labels": {**labels, "severity": document.severity},
            "annotations": {"summary": document.title, "notification_id": document.notification_id},
            "startsAt": made.isoformat(),
            "endsAt": (made + holds).isoformat(),
        }
        for labels, holds in about
    ]


def _alert(incident: Incident, document: Document, made: datetime, severity: str, *, over: bool) -> dict[str, object]:
    labels = {
        "alertname": incident.rule,
        "severity": severity,
        "kind": incident.kind,
        "scope": incident.scope,
        "key": incident.key,
        "incident_id": incident.incident_id,
        **{f"label_{name}": value for name, value in incident.labels.items()},
        **({"demo": "true"} if document.demo else {}),
    }
    numbers = incident.numbers
    annotations = {
        "summary": incident.headline,
        "description": document.text if document.one else incident.headline,
        "runbook_url": incident.runbook_url,
        "notification_id": document.notification_id,
        "negative_stories": _text(numbers.negative_stories),
        "story_count": _text(numbers.story_count),
        "p_value": _text(numbers.p_value),
    }
    starts = incident.fired_at or incident.opened_at or made
    ends = made + ENDS_AFTER
    if over:
        ends = min(incident.resolved_at or made, made) - _SKEW
        starts = min(starts, ends)
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
    }


def _text(number: float | int | None) -> str:
    return "" if number is None else f"{number:g}"
