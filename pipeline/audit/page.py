"""An incident as a page to read: plain HTML without script, style sheets or pictures from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from pipeline.audit.case import Case, Piece
from pipeline.notify.forms import link, percent, utc

__all__ = ["page"]

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #ddd;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}pre{background:#f5f5f5;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}"
)
_NUMBERS = (
    "negative_stories", "story_count", "news_volume", "owners", "usual", "low", "high", "expected", "p_value",
    "p_limit", "coverage", "found_in", "model_version", "negative_limit",
)  # fmt: skip


def page(case: Case) -> str:
    """The page. Every text of strangers is escaped; links are http(s) or nothing."""
    incident = case.incident
    title = f"{incident['label']}: {incident['summary']}"
    demo = "<p><strong>DEMO: invented companies and invented news.</strong></p>" if case.demo else ""
    parts = [
        f"<h1>{escape(title)}</h1>{demo}",
        f"<p>Incident {escape(case.incident_id)} · rule {escape(str(incident['rule']))} ·"
        f" {escape(str(incident['severity']))} · {escape(str(incident['state']))}</p>",
        "<h2>Life</h2>",
        _table(
            ("when", "step", "why", "who"), [(utc(e.happened_at), e.action, e.reason, e.actor) for e in case.events]
        ),
        *(part for event in case.events if (found := case.step(event.event_id)) for part in _step(found)),
        *_configurations(case),
        *_messages(case),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def _step(pieces: Sequence[Piece]) -> Iterator[str]:
    decision = pieces[0].told()
    yield f"<h2>Step {decision.get('seq')}: {escape(str(decision.get('action', 'decision')))}</h2>"
    yield f"<p>{escape(str(decision['summary']))}, {utc(decision['bucket_start'])} to {utc(decision['bucket_end'])}</p>"
    yield _table(("number", "value"), [(n, decision[n]) for n in _NUMBERS if decision.get(n) is not None])
    by, since = decision.get("rule_author"), decision.get("rule_effective_at")
    yield f"<h3>Rule {escape(str(decision['rule']))}</h3>"
    yield f"<p>In force since {utc(since)}, by {escape(str(by or 'nobody named'))}.</p>"
    yield f"<pre>{escape(decision['rule_text'])}</pre>"
    articles = [piece for piece in pieces if piece.kind == "article"]
    if articles:
        yield f"<h3>{len(articles)} articles counted</h3><table>{_row(_ARTICLE, 'th')}"
        yield "".join(_article(piece) for piece in articles) + "</table>"
    for piece in pieces:
        if piece.kind in ("fit", "feed"):
            yield f"<h3>{piece.kind}</h3><pre>{_pretty(piece.told())}</pre>"
    if decision.get("fit"):
        yield f"<h3>What was usual: the fit</h3><pre>{_pretty(decision['fit'])}</pre>"
    yield f"<h3>Versions</h3><pre>{_pretty(decision.get('versions', {}))}</pre>"


_ARTICLE = ("published", "title", "publisher", "owner", "story", "counted as", "negative", "neutral", "positive")


def _article(piece: Piece) -> str:
    if gone := piece.removed:
        said = f"evidence removed {gone['at']} by {gone['by']}: {gone['why']}"
        return f'<tr><td colspan="{len(_ARTICLE)}">{escape(said)}</td></tr>'
    told = piece.told()
    address, title = link(told["url"]), escape(told["title"] or "(no title)")
    named = f'<a href="{escape(address)}">{title}</a>' if address else title
    scores = [percent(told[n]) if told[n] is not None else "" for n in ("p_negative", "p_neutral", "p_positive")]
    rest = (told["publisher"], told["owner"], told["story_id"][:12], told["role"], *scores)
    cells = [utc(told["published_at"] or told["first_seen_at"]), *rest]
    return f"<tr><td>{cells[0]}</td><td>{named}</td>" + "".join(f"<td>{escape(str(c))}</td>" for c in rest) + "</tr>"


def _configurations(case: Case) -> Iterator[str]:
    yield "<h2>In force then</h2>"
    for one in case.configurations.values():
        shown = _pretty(json.loads(one.content)) if one.content.startswith("{") else escape(one.content)
        yield f"<details><summary>{escape(one.kind)}, since {utc(one.recorded_at)}"
        yield f"{escape(f', by {one.author}') if one.author else ''}</summary><pre>{shown}</pre></details>"


def _messages(case: Case) -> Iterator[str]:
    yield "<h2>Messages</h2>"
    for one in case.notifications:
        if one.status == "skipped":
            yield f"<p>{utc(one.created_at)}: not sent ({escape(one.reason)})</p>"
            continue
        said = f"{one.title}\n\n{one.body}" if one.body else "evidence removed"
        sent = f"sent {utc(one.sent_at)}" if one.sent_at else one.status
        yield f"<p>To {escape(one.receiver)}, saved {utc(one.created_at)}, {sent}:</p><pre>{escape(said)}</pre>"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return f"<table>{_row(head, 'th')}{''.join(_row(row, 'td') for row in rows)}</table>"


def _row(cells: Sequence[Any], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"


def _pretty(told: Mapping[str, Any]) -> str:
    return escape(json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False))
