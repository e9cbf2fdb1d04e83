"""The words of a message: one plain, deterministic text from incidents and the evidence kept for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.incidents import Action
from pipeline.incidents import Reason as Cause
from pipeline.notify.articles import article_lines, cited
from pipeline.notify.describe import described
from pipeline.notify.document import Dead, Document
from pipeline.notify.forms import clean, link, odds, percent, utc
from pipeline.notify.records import Announcement, DeadRow, Evidence, IncidentRow, Reason, severity_rank

__all__ = ["SHOWN", "Message", "compose", "compose_dead", "worst"]

SHOWN = 10
_NAMED = 40
_WORDS = {
    Reason.ESCALATED: "escalated",
    Reason.REPEAT: "reminder",
    Reason.SILENCE_ENDED: "silence ended",
    Reason.INHIBITION_ENDED: "no longer part of something wider",
}
_WHY = {
    Cause.ESCALATED: "its severity has risen",
    Cause.CORROBORATED: "a second, independent publisher reports it",
    Cause.WORSENED: "it has at least doubled",
    Cause.COOLDOWN: "it fired again soon after it was resolved",
}


@dataclass(frozen=True)
class Message:
    """Title and body as plain text, and the same as data, which the formats of the channels are made from."""

    title: str
    body: str
    document: Document


def compose(
    announcements: Sequence[Announcement],
    evidence: Mapping[str, Evidence],
    *,
    notification_id: str,
    demo: bool = False,
) -> Message:
    """One message for one or many incidents; of many, the ten worst are told and the rest named.

    Args:
        evidence: by incident id; an incident without any is told from its own row, and says so.
        notification_id: stands in the text, so that a repeat can be recognised.
        demo: marks the message as made from invented data, whatever the evidence says.
    """
    ordered = worst(announcements, evidence)
    decisions = [evidence.get(a.incident.incident_id, Evidence()).decision for a in ordered]
    marks = _marks(decisions, demo)
    if len(ordered) == 1:
        title = _title(ordered[0])
        lines = _one(ordered[0], evidence.get(ordered[0].incident.incident_id, Evidence()))
    else:
        title, lines = _many(ordered, evidence)
    head = [_MARK_LINES[mark] for mark in marks]
    body = "\n".join([*head, *([""] if head else []), *lines, f"Notification: {notification_id}"])
    title = clean(" ".join([*marks, title]), 250)
    document = Document(
        notification_id=notification_id,
        reason=_weightiest(ordered),
        severity=max((a.incident.severity for a in ordered), key=severity_rank),
        title=title,
        text=body,
        demo="DEMO" in marks,
        simulated="SIMULATED" in marks,
        incidents=tuple(
            described(a, evidence.get(a.incident.incident_id, Evidence()), _headline(a.incident))
            for a in ordered[:SHOWN]
        ),
        others=tuple(
            described(a, Evidence(evidence.get(a.incident.incident_id, Evidence()).decision), _headline(a.incident))
            for a in ordered[SHOWN:]
        ),
        incident_ids=tuple(sorted(a.incident.incident_id for a in ordered)),
    )
    return Message(title, body, document)


def compose_dead(rows: Sequence[DeadRow], *, notification_id: str, demo: bool = False) -> Message:
    """The alert on another channel that messages to one receiver were given up."""
    first = rows[0]
    many = f"{len(rows):,} message{'s' * (len(rows) != 1)}"
    mark = ["DEMO"] if demo else []
    title = clean(" ".join([*mark, f"[UNDELIVERED] {many} to {clean(first.receiver, 80)} given up"]), 250)
    lines = [*(_MARK_LINES[m] for m in mark), f"{many} to {clean(first.receiver, 80)} could not be delivered."]
    for row in rows[:SHOWN]:
        lines += [
            "",
            f"“{clean(row.title, 250)}”",
            f"    {clean(row.error, 300)}",
            f"    Notification: {row.notification_id}",
        ]
    if len(rows) > SHOWN:
        lines += ["", f"And {len(rows) - SHOWN:,} more."]
    lines += ["", "What to do: mend the receiver, try it with `barograph routes test`, and look at the incidents with"]
    lines += [
        "`barograph incidents list`. What still fires is told again at its next step.",
        f"Notification: {notification_id}",
    ]
    document = Document(
        notification_id=notification_id,
        reason=Reason.DEAD_LETTER,
        severity=max((row.severity for row in rows), key=severity_rank),
        title=title,
        text="\n".join(lines),
        demo=demo,
        incident_ids=tuple(sorted({i for row in rows for i in row.incident_ids})),
        dead=tuple(
            Dead(
                notification_id=row.notification_id,
                receiver=row.receiver,
                title=clean(row.title, 250),
                error=clean(row.error, 300),
            )
            for row in rows[:SHOWN]
        ),
    )
    return Message(title, document.text, document)


def _weightiest(ordered: Sequence[Announcement]) -> str:
    reasons = {a.reason for a in ordered}
    return next(reason for reason in Reason if reason in reasons)


_MARK_LINES = {
    "DEMO": "DEMO: invented companies and invented news. Nothing here is real.",
    "SIMULATED": "SIMULATED: rules run against the past. Nobody was warned at the time.",
}


def _marks(decisions: Sequence[Mapping[str, Any]], demo: bool) -> list[str]:
    marks = ["DEMO"] if demo or any(d.get("demo") for d in decisions) else []
    return marks + (["SIMULATED"] if any(d.get("simulated") for d in decisions) else [])


def worst(announcements: Sequence[Announcement], evidence: Mapping[str, Evidence]) -> list[Announcement]:
    """The announcements, worst first: by severity, then the smallest chance, then the most negative stories."""

    def key(a: Announcement) -> tuple[int, float, int, str, str]:
        decision = evidence.get(a.incident.incident_id, Evidence()).decision
        p = decision.get("p_value")
        return (
            -severity_rank(a.incident.severity),
            1.0 if p is None else float(p),
            -int(decision.get("negative_stories") or 0),
            a.incident.label,
            a.incident.incident_id,
        )

    return sorted(announcements, key=key)


def _title(announcement: Announcement) -> str:
    incident, reason = announcement.incident, announcement.reason
    return f"[{_tag(incident, reason)}] {_headline(incident)}"


def _tag(incident: IncidentRow, reason: Reason) -> str:
    if reason is Reason.RESOLVED:
        return "RESOLVED"
    return incident.severity.upper() + (f", {_WORDS[reason]}" if reason in _WORDS else "")


def _headline(incident: IncidentRow) -> str:
    label = clean(incident.label or incident.key or incident.rule)
    summary = clean(incident.summary)
    single = " (single source)" if incident.single_source and "single source" not in summary else ""
    # A summary of detection may already begin with the name; "Feed: X" is called X there.
    named = summary.startswith(f"{label.removeprefix('Feed: ')}:")
    text = summary if named or not label else f"{label}: {summary}"
    return f"{text.rstrip(': ')}{single}"


def _one(announcement: Announcement, evidence: Evidence) -> list[str]:
    incident, decision = announcement.incident, evidence.decision
    lines = [*_reason_lines(announcement), *_lead(incident, evidence)]
    if incident.single_source:
        lines.append("*Single source*: only one publisher has reported this so far.")
    lines += _muted(announcement)
    lines += ["", *cited(evidence.articles)] if evidence.articles else []
    if not (decision or evidence.articles or evidence.feeds):
        lines += ["", "Evidence: none was kept for this incident."]
    return [*lines, "", *_footer(incident, decision)]


def _muted(announcement: Announcement) -> list[str]:
    """The parts that are open and not told apart from it, by name."""
    names = [clean(name, 60) for name in announcement.muted]
    if not names:
        return []
    rest = f" and {len(names) - _NAMED:,} others" if len(names) > _NAMED else ""
    return [f"Part of it, open and not told apart: {', '.join(names[:_NAMED])}{rest}."]


def _reason_lines(announcement: Announcement) -> list[str]:
    incident, event = announcement.incident, announcement.event
    match announcement.reason:
        case Reason.ESCALATED:
            why = _WHY.get(event.reason) if event else None
            return [f"Told again because {why or 'it has become worse'}."]
        case Reason.FIRST if event and event.action is Action.REOPEN:
            return [f"Told again because {_WHY[Cause.COOLDOWN]}."]
        case Reason.REPEAT:
            return [f"Reminder: firing since {utc(incident.fired_at)} and not acknowledged."]
        case Reason.SILENCE_ENDED:
            return [f"A silence has ended; firing since {utc(incident.fired_at)}."]
        case Reason.INHIBITION_ENDED:
            return [f"What it was taken for a part of is over; firing since {utc(incident.fired_at)}."]
        case Reason.RESOLVED:
            by = f" by {clean(event.actor, 80)}" if event and event.reason is Cause.PERSON else ""
            return [
                f"Over{by}: it fired at {utc(incident.fired_at)} and was resolved at {utc(_resolved(announcement))}."
            ]
        case _:
            return []


def _resolved(announcement: Announcement) -> Any:
    return announcement.incident.resolved_at or (announcement.event.happened_at if announcement.event else None)


def _lead(incident: IncidentRow, evidence: Evidence) -> list[str]:
    if incident.kind == "health" and evidence.feeds:
        return [_feed_line(feed) for feed in evidence.feeds]
    d = evidence.decision
    if incident.kind == "event" or d.get("p_value") is None or not d.get("story_count"):
        return [_headline(incident) + "."]
    unit = "hour" if d.get("grain") == "hour" else "day"
    return [
        f"{d['negative_stories']} of {d['story_count']} stories about {clean(incident.label)} were negative"
        f" between {utc(d.get('bucket_start'))} and {utc(d.get('bucket_end'))}.",
        f"{_usual(d)} So many by chance: {odds(float(d['p_value']))} such {unit}s.",
    ]


def _usual(decision: Mapping[str, Any]) -> str:
    usual, low, high = (decision.get(k) for k in ("usual", "low", "high"))
    if usual is None:
        return "What is usual here is not known."
    spread = f", range {low:.0f}–{high:.0f}" if low is not None and high is not None else ""
    return f"Usual for that many stories: {usual:.0f}{spread}."


def _feed_line(feed: Mapping[str, Any]) -> str:
    return clean(feed.get("sentence"), 400).rstrip(".") + "."


def _footer(incident: IncidentRow, decision: Mapping[str, Any]) -> list[str]:
    version = decision.get("rule_sha256")
    rule = f"Rule: {clean(incident.rule)} ({incident.kind})" + (f", version {str(version)[:12]}" if version else "")
    lines = [f"{rule}, severity {incident.severity}"]
    model = clean(decision.get("model_version") or incident.model_version)
    if model and incident.kind != "health":
        limit = decision.get("negative_limit")
        lines.append(f"Model: {model}" + (f"; negative means over {percent(limit)}" if limit is not None else ""))
    if decision and incident.kind != "health":
        lines.append(f"Coverage: {_coverage(decision.get('coverage'))}")
    if address := link(decision.get("runbook_url")):
        lines += ["What to do:", f"    {address}"]
    return [*lines, f"Incident: {incident.incident_id}"]


def _coverage(share: float | None) -> str:
    if share is None or share != share:
        return "unknown: an archive, or too little was expected to tell"
    return f"{share:.0%} of the articles expected came from feeds that answered"


def _many(ordered: Sequence[Announcement], evidence: Mapping[str, Evidence]) -> tuple[str, list[str]]:
    first = ordered[0]
    resolved = all(a.reason is Reason.RESOLVED for a in ordered)
    tag = "RESOLVED" if resolved else first.incident.severity.upper()
    title = f"[{tag}] {clean(first.incident.rule)}: {len(ordered)} incidents; worst: {_headline(first.incident)}"
    lines = [f"{len(ordered)} incidents of the rule {clean(first.incident.rule)}, the worst first."]
    for number, announcement in enumerate(ordered[:SHOWN], 1):
        incident = announcement.incident
        kept = evidence.get(incident.incident_id, Evidence())
        lines += ["", f"{number}. [{_tag(incident, announcement.reason)}] {_headline(incident)}"]
        if (p := kept.decision.get("p_value")) is not None:
            lines.append(f"   By chance: {odds(float(p))}")
        lines += [_feed_line(feed) for feed in kept.feeds] if incident.kind == "health" else []
        lines += [f"   {line}" for line in _muted(announcement)]
        negative = [a for a in kept.articles if a.get("role") != "counter"]
        if negative:
            lines += article_lines("   Most negative", max(negative, key=_badness))
        lines.append(f"   Incident: {incident.incident_id}")
    rest = ordered[SHOWN:]
    if rest:
        names = ", ".join(clean(a.incident.label or a.incident.key, 60) for a in rest[:_NAMED])
        others = f" and {len(rest) - _NAMED:,} others" if len(rest) > _NAMED else ""
        lines += ["", f"And {len(rest):,} more: {names}{others}.", "All of them: barograph incidents list"]
    return title, [*lines, "", *_shared(ordered, evidence)]


def _shared(ordered: Sequence[Announcement], evidence: Mapping[str, Evidence]) -> list[str]:
    incident = ordered[0].incident
    return _footer(incident, evidence.get(incident.incident_id, Evidence()).decision)[:-1]


def _badness(article: Mapping[str, Any]) -> tuple[float, str]:
    return float(article.get("p_negative") or 0.0), str(article.get("article_id") or "")
