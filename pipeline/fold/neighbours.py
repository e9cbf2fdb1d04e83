"""Which few earlier articles one could be a copy or a rewrite of, found without trying all."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import nlargest
from typing import NamedTuple

from rensa import RMinHash, RMinHashLSH

from pipeline.fold.compare import LEAST_ALIKE, WINDOW
from pipeline.fold.records import Article

__all__ = ["Neighbours", "neighbours"]

# Bands and rows. 24 of 3 find 79% of the titles that are .4 alike, 96% of those that are .5 and all from .65 on
# (1 - (1 - s³)²⁴): what words alone can join. 12 of 2 find 88%, 97%, and more of what is hardly alike but may mean the
# same, and five times as many by chance.
_FOR_WORDS, _FOR_MEANING = (24, 3), (12, 2)
# Of the alike, so many of the nearest are considered.
_NEAREST = 16
# Of the articles that share a name, so many of the newest are considered.
_NEWEST = 40


class Neighbours(NamedTuple):
    """For each new article the places of earlier ones: `alike` by text, title or words; `kin` by whom they name."""

    alike: list[list[int]]
    kin: list[list[int]]


def neighbours(known: Sequence[Article], new: Sequence[Article], *, kin: bool) -> Neighbours:
    """Places in `known` + `new`, ascending; an article of `new` finds all of `known` and what stands before it.

    `kin`: also those that share an entity, or, where one of the two has none, a name or a large figure.
    """
    index = _Index([*known, *new], kin=kin)
    for at in range(len(known)):
        index.add(at)
    found = Neighbours([], [])
    for at in range(len(known), len(known) + len(new)):
        alike = index.alike(at)
        found.alike.append(alike)
        found.kin.append(sorted(index.kin(at) - set(alike)) if kin else [])
        index.add(at)
    return found


class _Index:
    """Likeness is kept in blocks of one window's length: an article looks into its own, the one before and the one
    after, so that the work per article does not grow with the span of what is loaded."""

    def __init__(self, articles: Sequence[Article], *, kin: bool) -> None:
        self._articles = articles
        self._kin = kin
        self._bands, rows = _FOR_MEANING if kin else _FOR_WORDS
        self._permutations = self._bands * rows
        hashed = [at for at, one in enumerate(articles) if one.kind == "news" and one.gist.words]
        signed = RMinHash.from_token_sets([list(articles[at].gist.words) for at in hashed], self._permutations, 1)
        self._hashes = dict(zip(hashed, signed, strict=True))
        self._blocks: dict[int, RMinHashLSH] = {}
        self._same: defaultdict[str, list[int]] = defaultdict(list)
        newest = lambda: deque[int](maxlen=_NEWEST)  # noqa: E731
        self._by_entity: defaultdict[str, deque[int]] = defaultdict(newest)
        self._by_name: defaultdict[str, deque[int]] = defaultdict(newest)
        self._bare_by_name: defaultdict[str, deque[int]] = defaultdict(newest)

    def add(self, at: int) -> None:
        article = self._articles[at]
        for key in {article.gist.title_key, article.gist.text_key}:
            self._same[key].append(at)
        if (hashed := self._hashes.get(at)) is not None:
            block = _block(article)
            if block not in self._blocks:
                self._blocks[block] = RMinHashLSH(threshold=0.5, num_perm=self._permutations, num_bands=self._bands)
            self._blocks[block].insert(at, hashed)
        if self._kin and article.kind == "news":
            for entity in article.entities:
                self._by_entity[entity].append(at)
            for name in _names(article):
                self._by_name[name].append(at)
                if not article.entities:
                    self._bare_by_name[name].append(at)

    def alike(self, at: int) -> list[int]:
        article = self._articles[at]
        same = set(self._same.get(article.gist.title_key, ())) | set(self._same.get(article.gist.text_key, ()))
        near = nlargest(_NEAREST, self._near(article, self._sharing_bands(at, article) - same))
        return sorted({*self._within(article, same), *(other for _, other in near)})

    def kin(self, at: int) -> set[int]:
        article = self._articles[at]
        if article.kind != "news":
            return set()
        found = {other for entity in article.entities for other in self._by_entity.get(entity, ())}
        by_name = self._bare_by_name if article.entities else self._by_name
        found.update(other for name in _names(article) for other in by_name.get(name, ()))
        return set(self._within(article, found))

    def _near(self, article: Article, places: set[int]) -> Iterator[tuple[float, int]]:
        """Those of the places inside the window that are alike at all, with how much."""
        words, size, articles = article.gist.words, len(article.gist.words), self._articles
        for at in places:
            other = articles[at]
            both = len(words & other.gist.words)
            either = size + len(other.gist.words) - both
            # Written out, not called: most of the time of a run without an encoder goes here.
            if both >= LEAST_ALIKE * either and abs(other.happened_at - article.happened_at) <= WINDOW:
                yield both / either, at

    def _sharing_bands(self, at: int, article: Article) -> set[int]:
        hashed = self._hashes.get(at)
        if hashed is None:
            return set()
        block = _block(article)
        return {
            other
            for near in (block - 1, block, block + 1)
            if near in self._blocks
            for other in self._blocks[near].query(hashed)
        }

    def _within(self, article: Article, places: Iterable[int]) -> Iterable[int]:
        return (at for at in places if abs(self._articles[at].happened_at - article.happened_at) <= WINDOW)


def _names(article: Article) -> set[str]:
    """What else can tie two articles: capitalised words, the first word, shares and large figures."""
    gist = article.gist
    large = {figure for figure in gist.numbers if figure[0] == "$" or figure[-1] == "%" or len(figure) > 2}
    return {name for name in (gist.names or set()) | {gist.lead} | large if name}


def _block(article: Article) -> int:
    return int(article.happened_at.timestamp() // WINDOW.total_seconds())
