"""Which articles of the evidence a message shows, and how: first, most negative, most independent, most positive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.notify.forms import LINK_INDENT, clean, link, percent, utc

__all__ = ["Shown", "article_lines", "cited", "moment", "shown"]

Article = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """The articles of one incident that a message shows, each with its label, and how many there are of each kind."""

    negative: tuple[tuple[str, Article], ...]
    more_negative: int
    positive: Article | None
    other: int


def shown(articles: Sequence[Article]) -> Shown:
    """Three at most of the negative ones, the rest counted, and what speaks against it most. The same articles in any
    order give the same answer."""
    ordered = sorted(articles, key=_time_order)
    negative = [a for a in ordered if a.get("role") != "counter"]
    counter = [a for a in ordered if a.get("role") == "counter"]
    chosen = _chosen(negative)
    positive = max(counter, key=lambda a: (float(a.get("p_positive") or 0.0), str(a.get("article_id"))), default=None)
    return Shown(tuple(chosen), len(negative) - len(chosen), positive, len(counter))


def cited(articles: Sequence[Article]) -> list[str]:
    """The articles of one incident in words."""
    what = shown(articles)
    lines: list[str] = []
    for label, article in what.negative:
        lines += article_lines(label, article)
    rest = what.more_negative
    if rest:
        lines.append(f"And {rest:,} more negative article{'s' * (rest != 1)}.")
    if what.positive is None:
        return [*lines, "Against it: no story of another direction was counted."]
    many = f"{what.other:,} article{'s' * (what.other != 1)} counted as not negative"
    return [*lines, f"Against it: {many}.", *article_lines("Most positive", what.positive)]


def moment(article: Article) -> str:
    """When an article counts, ISO: as published, else as first seen."""
    return str(article.get("published_at") or article.get("first_seen_at") or "")


def article_lines(label: str, article: Article) -> list[str]:
    """One article: its label and title; publisher, time and score; its link on a line of its own."""
    title = clean(article.get("title")) or "(no title)"
    lines = [
        f"{label}: “{title}”",
        f"{LINK_INDENT}{clean(article.get('publisher'), 80)} · {_when(article)} · {_score(article)}",
    ]
    address = link(article.get("url"))
    return [*lines, f"{LINK_INDENT}{address}"] if address else lines


def _chosen(negative: Sequence[Article]) -> list[tuple[str, Article]]:
    if not negative:
        return []
    first = negative[0]
    most = max(negative, key=lambda a: (float(a.get("p_negative") or 0.0), str(a.get("article_id"))))
    chosen = [("First, and most negative" if most is first else "First", first)]
    if most is not first:
        chosen.append(("Most negative", most))
    owners = {_owner(a) for _, a in chosen}
    counts = Counter(_owner(a) for a in negative)
    others = [a for a in negative if _owner(a) not in owners]
    if others:
        # An owner who wrote least about it, and early, is the least likely to have copied the ones above.
        chosen.append(("Most independent", min(others, key=lambda a: (counts[_owner(a)], *_time_order(a)))))
    return chosen


def _time_order(article: Article) -> tuple[str, str]:
    return moment(article) or "~", str(article.get("article_id") or "")


def _owner(article: Article) -> str:
    return str(article.get("owner") or article.get("publisher") or "")


def _when(article: Article) -> str:
    if article.get("published_at"):
        return utc(article["published_at"])
    return f"seen {utc(article.get('first_seen_at'))}"


def _score(article: Article) -> str:
    if article.get("role") == "counter" and article.get("p_positive") is not None:
        return f"{percent(float(article['p_positive']))} positive"
    if article.get("p_negative") is not None:
        towards = f"{percent(float(article['p_negative']))} negative"
        whole = article.get("p_negative_article")
        if article.get("entity_id") and whole is not None and percent(float(whole)) not in towards:
            return f"{towards} towards it, {percent(float(whole))} as a whole"
        return towards
    return clean(article.get("status")) or "no score"
