"""A message as Slack's Block Kit: header, counts, articles, buttons, within Slack's limits. Pure."""

from __future__ import annotations

from typing import Any

from pipeline.notify.document import Article, Document, Incident
from pipeline.notify.wording import ACTIONS, counted, foot, lead, paragraphs, score, when

__all__ = ["card"]

_HEADER, _SECTION, _BLOCKS = 150, 3000, 50


def card(document: Document) -> dict[str, Any]:
    """`blocks` of one message; nothing of strangers is read as a mention, a link or formatting."""
    incident = document.one
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(document.title, _HEADER)}]
    if incident is None:
        blocks += [_section(part) for part in paragraphs(document)]
    else:
        blocks += [_section(part) for part in lead(document)]
        blocks += _articles(incident)
        blocks.append({"type": "context", "elements": [_plain(foot(document), _SECTION)]})
    return {"blocks": [*blocks[: _BLOCKS - 1], *_buttons(document)]}


def _articles(incident: Incident) -> list[dict[str, Any]]:
    found = [{"type": "section", "text": {"type": "mrkdwn", "text": _article(a)[:_SECTION]}} for a in incident.articles]
    return [*found, *([_section(counted(incident))] if counted(incident) else [])]


def _article(article: Article) -> str:
    title = _escaped(article.title)
    # A | or > in an address would end the link early.
    address = article.url.replace("|", "%7C").replace(">", "%3E").replace("<", "%3C").replace("&", "&amp;")
    linked = f"<{address}|{title}>" if address else title
    return f"*{article.role}*: {linked}\n{_escaped(article.publisher)} · {when(article)}{score(article)}"


def _buttons(document: Document) -> list[dict[str, Any]]:
    if not document.links:
        return []
    elements = [
        {"type": "button", "text": _plain(ACTIONS.get(link.action, link.action), 75), "url": link.url}
        for link in document.links[:5]
    ]
    return [{"type": "actions", "elements": elements}]


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _plain(text, _SECTION)}


def _plain(text: str, limit: int) -> dict[str, Any]:
    """Plain text: Slack reads no mention, link or mark in it, and emoji names stay names."""
    return {
        "type": "plain_text",
        "text": (text if len(text) <= limit else text[: limit - 1] + "…") or " ",
        "emoji": False,
    }


def _escaped(text: str) -> str:
    """The three characters Slack reads, and the marks of its formatting, which have no escape: a zero-width space keeps
    them from pairing."""
    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "¦")
    for mark in "*_~`":
        safe = safe.replace(mark, f"\u200b{mark}\u200b")
    return safe
