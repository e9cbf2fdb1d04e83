"""The words that the formats of mail, Slack and Teams share: paragraphs of the text, scores, counts, buttons."""

from __future__ import annotations

from pipeline.notify.document import Article, Document, Incident
from pipeline.notify.forms import percent, utc

__all__ = ["ACTIONS", "against", "counted", "foot", "lead", "paragraphs", "score", "when"]

ACTIONS = {"acknowledge": "Acknowledge", "silence": "Silence", "resolve": "Resolve", "verdict": "Was this right?"}
_MARKS = ("DEMO:", "SIMULATED:")


def paragraphs(document: Document) -> list[str]:
    """The plain text in its paragraphs."""
    return [part for part in document.text.split("\n\n") if part.strip()]


def lead(document: Document) -> list[str]:
    """The marks (demo, simulated), where there are any, and the paragraph that says what happened."""
    parts = paragraphs(document)
    marked = bool(parts) and parts[0].startswith(_MARKS)
    return parts[: 2 if marked else 1]


def foot(document: Document) -> str:
    """Rule, model, coverage and ids."""
    return paragraphs(document)[-1]


def against(article: Article) -> bool:
    """Whether the article speaks against the alert."""
    return article.role == "most positive"


def score(article: Article) -> str:
    """` · 97% negative`, or nothing where there is no score."""
    share = article.p_positive if against(article) else article.p_negative
    return "" if share is None else f" · {percent(share)} {'positive' if against(article) else 'negative'}"


def when(article: Article) -> str:
    """When it was published, else first seen."""
    return utc(article.published_at or article.first_seen_at)


def counted(incident: Incident) -> str:
    """What is not shown, in a sentence; empty where everything is."""
    more = [f"{incident.more_negative:,} more negative"] if incident.more_negative else []
    more += [f"{incident.counted_other:,} counted as not negative"] if incident.counted_other else []
    return f"And {', '.join(more)}." if more else ""
