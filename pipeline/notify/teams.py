"""A message as an Adaptive Card for Teams: heading, facts, articles, buttons, under Teams' 28 kB. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from pipeline.notify.document import Article, Document, Incident
from pipeline.notify.wording import ACTIONS, counted, foot, lead, paragraphs, score, when

__all__ = ["card"]

_LONGEST = 26_000
_COLOURS = {"info": "Accent", "warning": "Warning", "error": "Attention", "critical": "Attention"}
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-!|<>~])")


def card(document: Document) -> dict[str, Any]:
    """The message around the card; Teams reads Markdown in it, so every mark of strangers is escaped."""
    colour = "Good" if document.resolved else _COLOURS.get(document.severity, "Warning")
    body = [_text(document.title, size="Medium", weight="Bolder", color=colour)]
    incident = document.one
    if incident is None:
        body += [_text(part) for part in paragraphs(document)]
    else:
        body += [_text(part) for part in lead(document)]
        body += _articles(incident)
        body.append(_text(foot(document), isSubtle=True, size="Small"))
    made = _wrapped(body, document)
    # One message of many incidents can be longer than Teams takes: the last parts go, and the card says so.
    while len(json.dumps(made)) > _LONGEST and len(body) > 2:
        body = [*body[:-2], _text("Shortened: `barograph incidents list` shows all of it.")]
        made = _wrapped(body, document)
    return made


def _wrapped(body: list[dict[str, Any]], document: Document) -> dict[str, Any]:
    actions = [
        {"type": "Action.OpenUrl", "title": ACTIONS.get(link.action, link.action), "url": link.url}
        for link in document.links
    ]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        **({"actions": actions} if actions else {}),
        "msteams": {"width": "full"},
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _articles(incident: Incident) -> list[dict[str, Any]]:
    found = [{"type": "TextBlock", "wrap": True, "text": _article(article)} for article in incident.articles]
    return [*found, *([_text(counted(incident))] if counted(incident) else [])]


def _article(article: Article) -> str:
    title = _escaped(article.title)
    address = article.url.replace("(", "%28").replace(")", "%29")
    linked = f"[{title}]({address})" if address else title
    return f"**{article.role}**: {linked}  \n{_escaped(article.publisher)} · {_escaped(when(article))}{score(article)}"


def _text(text: str, **more: Any) -> dict[str, Any]:
    lines = "  \n".join(_escaped(line.strip()) for line in text.splitlines())
    return {"type": "TextBlock", "wrap": True, "text": lines or " ", **more}


def _escaped(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)
