"""The stories around the articles to be folded: who is in them, since when, and which turned out to be one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pipeline.fold.decide import Decision
from pipeline.fold.meaning import Meaning
from pipeline.fold.records import Article, Candidate

__all__ = ["Member", "Window"]

Begun = tuple[datetime, str]
Member = tuple[Article, str, datetime]
"""An article, its story, and when that story's first article was known."""


class Window:
    """Members of stories by the place of their article; stories that merged answer under one id."""

    def __init__(self, articles: Sequence[Article], members: Iterable[Member] = ()) -> None:
        """`members` are the first of `articles`."""
        self._articles = articles
        self._story_of: list[str] = []
        self._merged_into: dict[str, str] = {}
        self._companies: dict[str, frozenset[str]] = {}
        self._first: dict[str, Article] = {}
        self._begun: dict[str, Begun] = {}
        for article, story, begun in members:
            self._join(article, story, (begun, story))

    def place(self, article: Article, decision: Decision) -> None:
        """Take the next of `articles` into its story, and the stories into one that it showed to be one."""
        for story in decision.merges:
            self._merged_into[story] = decision.story_id
            self._companies[decision.story_id] |= self._companies.pop(story)
            first = self._first.pop(story)
            if _age(first) < _age(self._first[decision.story_id]):
                self._first[decision.story_id] = first
        self._join(article, decision.story_id, (article.known_at, decision.story_id))

    def candidate(self, at: int, meaning: Meaning | None = None) -> Candidate:
        """The member at this place as its story stands now."""
        story = self.story(self._story_of[at])
        return Candidate(
            self._articles[at], story, self._companies[story], self._first[story], self._begun[story], meaning
        )

    def story(self, story: str) -> str:
        """The id under which a story is known now."""
        while story in self._merged_into:
            story = self._merged_into[story]
        return story

    def _join(self, article: Article, story: str, begun: Begun) -> None:
        self._story_of.append(story)
        self._companies[story] = self._companies.get(story, frozenset()) | article.companies
        self._begun.setdefault(story, begun)
        if story not in self._first or _age(article) < _age(self._first[story]):
            self._first[story] = article


def _age(article: Article) -> Begun:
    return article.known_at, article.article_id
