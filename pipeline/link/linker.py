"""One article in, its mentions and themes out: pure, so that the stage and `classify` and the tests agree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from pipeline.link.doubtful import load_doubtful
from pipeline.link.gazetteer import Gazetteer, load
from pipeline.link.match import Match, Matcher
from pipeline.link.names import fold
from pipeline.link.themes import THEMES, Themes, load_themes, target_of

__all__ = ["Linked", "Linker", "Mention", "open_linker", "relevance"]

ARTICLE = ""  # the entity id that stands for the article as a whole
SUMMARY_HEAD = 1500  # characters of a summary that are read; what comes later is boilerplate more often than news
_CROWD = 3  # more companies than this in one title make a round-up, about none of them much


class Mention(NamedTuple):
    """An entity of an article: `start:end` of its first mention in `title + newline + summary`; relevance 0 to 1."""

    entity_id: str
    surface: str
    start: int
    end: int
    relevance: float


_ITSELF = Mention(ARTICLE, "", 0, 0, 1.0)


class Linked(NamedTuple):
    """What one text is about. `themes` are pairs of entity id ('' is the article) and theme."""

    mentions: tuple[Mention, ...]
    themes: tuple[tuple[str, str], ...]


class Linker:
    """A gazetteer and themes, compiled. `version` changes with everything that could change a mention or a theme."""

    def __init__(self, gazetteer: Gazetteer, matcher: Matcher, themes: Themes, version: str) -> None:
        self.gazetteer = gazetteer
        self.themes = themes
        self.version = version
        self._matcher = matcher
        self._companies = frozenset(e.entity_id for e in gazetteer.entities.values() if e.kind == "company")

    def link(self, title: str, summary: str | None = None, when: date | None = None) -> Linked:
        """Mentions (the article itself first, then by place) and themes (by entity, then name) of one article.

        `when` is the article's day: a former name counts in its own time only. Without it, every name counts.
        """
        text = f"{title}\n{summary[:SUMMARY_HEAD]}" if summary else title
        folded = fold(text)
        matches = self._matcher.find(text, when, folded)
        return Linked((_ITSELF, *self._mentions(text, len(title), matches)), self._themes(text, folded, matches))

    def _mentions(self, text: str, title_length: int, matches: Sequence[Match]) -> Iterable[Mention]:
        places: dict[str, list[Match]] = {}
        for match in matches:
            places.setdefault(match.entity_id, []).append(match)
        crowd = len({m.entity_id for m in matches if m.start < title_length and m.entity_id in self._companies})
        for entity_id, found in places.items():
            first = found[0]
            score = relevance([m.start for m in found], title_length, len(text), crowd)
            yield Mention(entity_id, text[first.start : first.end], first.start, first.end, score)

    def _themes(self, text: str, folded: str, matches: Sequence[Match]) -> tuple[tuple[str, str], ...]:
        hits = self.themes.find(folded)
        companies = [m for m in matches if m.entity_id in self._companies] if hits else []
        rows = set()
        for hit in hits:
            rows.add((ARTICLE, hit.theme))
            if target := target_of(text, hit, companies):
                rows.add((target, hit.theme))
        return tuple(sorted(rows))


def relevance(starts: Sequence[int], title_length: int, text_length: int, crowd: int) -> float:
    """How central an entity is, 0 to 1, from where (`starts`) it is named.

    In the title .7, and up to .2 more the earlier it stands; only in the summary .25, and up to .15 more; .1 for each
    of at most two further mentions; shared among the companies of a title that names more than three.
    """
    first = starts[0]
    if first < title_length or not title_length:
        base = 0.7 + 0.2 * (1 - first / max(title_length, 1))
    else:
        base = 0.25 + 0.15 * (1 - (first - title_length) / max(text_length - title_length, 1))
    score = min(1.0, base + 0.1 * min(2, len(starts) - 1))
    return round(score * min(1.0, _CROWD / max(crowd, 1)), 3)


def open_linker(extra: Sequence[Path] = (), themes: Path = THEMES) -> Linker:
    """The bundled gazetteer with `extra` entity files, and the themes.

    Raises:
        InputError: an entity file cannot be used.
        RulesError: the themes cannot be used.
    """
    gazetteer = load(extra)
    doubtful = load_doubtful()
    compiled = load_themes(themes)
    content = f"{gazetteer.sha256} {doubtful.content()} {compiled.version}"
    version = f"link-3+{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    return Linker(gazetteer, Matcher(gazetteer, doubtful), compiled, version)
