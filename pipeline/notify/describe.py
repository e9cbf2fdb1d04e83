"""One incident of a message as data: its numbers, the articles that are shown, and the bins of the chart. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.notify.articles import Shown, moment, shown
from pipeline.notify.document import Article, Chart, Incident, Numbers
from pipeline.notify.forms import clean, link
from pipeline.notify.records import Announcement, Evidence

__all__ = ["described"]

_BINS = 24


def described(announcement: Announcement, evidence: Evidence, headline: str) -> Incident:
    """The incident with what was kept for it."""
    incident, decision = announcement.incident, evidence.decision
    what = shown(evidence.articles)
    return Incident(
        incident_id=incident.incident_id,
        rule=clean(incident.rule),
        kind=incident.kind,
        scope=incident.scope,
        key=clean(incident.key),
        label=clean(incident.label),
        severity=incident.severity,
        state=incident.state,
        reason=announcement.reason,
        headline=headline,
        labels={clean(k): clean(v) for k, v in incident.facts.labels.items()},
        single_source=incident.single_source,
        opened_at=incident.opened_at,
        fired_at=incident.fired_at,
        acknowledged_at=incident.acknowledged_at,
        acknowledged_by=clean(incident.acknowledged_by, 80),
        resolved_at=incident.resolved_at,
        model_version=clean(decision.get("model_version") or incident.model_version),
        runbook_url=link(decision.get("runbook_url")),
        numbers=_numbers(decision),
        articles=tuple(_articles(what)),
        more_negative=what.more_negative,
        counted_other=what.other,
        muted=tuple(clean(name, 60) for name in announcement.muted),
        chart=_chart(decision, evidence.articles),
    )


def _numbers(decision: Mapping[str, Any]) -> Numbers:
    counts = {name: decision.get(name) for name in Numbers.model_fields if not name.startswith("bucket_")}
    return Numbers(
        **counts,
        bucket_start=str(decision.get("bucket_start") or ""),
        bucket_end=str(decision.get("bucket_end") or ""),
    )


def _articles(what: Shown) -> list[Article]:
    chosen = [(label.lower().replace(", and", " and"), article) for label, article in what.negative]
    if what.positive is not None:
        chosen.append(("most positive", what.positive))
    return [
        Article(
            role=role,
            article_id=str(article.get("article_id") or ""),
            title=clean(article.get("title")) or "(no title)",
            publisher=clean(article.get("publisher"), 80),
            url=link(article.get("url")),
            published_at=str(article.get("published_at") or ""),
            first_seen_at=str(article.get("first_seen_at") or ""),
            p_negative=article.get("p_negative"),
            p_positive=article.get("p_positive"),
        )
        for role, article in chosen
    ]


def _chart(decision: Mapping[str, Any], articles: Sequence[Mapping[str, Any]]) -> Chart | None:
    """The counted articles in 24 bins over the finding's time; of an event, over the day to its last article."""
    timed = [(_when(moment(a)), a.get("role") != "counter") for a in articles]
    timed = [(at, negative) for at, negative in timed if at is not None]
    if not timed:
        return None
    start, end = (_when(str(decision.get(name) or "")) for name in ("bucket_start", "bucket_end"))
    if start is None or end is None or end - start < timedelta(minutes=10):
        end = max(at for at, _ in timed if at is not None) + timedelta(minutes=1)
        start = end - timedelta(days=1)
    counts: dict[bool, list[int]] = {True: [0] * _BINS, False: [0] * _BINS}
    for at, negative in timed:
        if at is not None:
            # A late article counts in a bucket it was not published in: it is drawn at the edge.
            place = int((at - start) / (end - start) * _BINS)
            counts[negative][min(max(place, 0), _BINS - 1)] += 1
    return Chart(start=start, end=end, negative=tuple(counts[True]), other=tuple(counts[False]))


def _when(text: str) -> datetime | None:
    try:
        moment_ = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment_ if moment_.tzinfo else moment_.replace(tzinfo=UTC)
