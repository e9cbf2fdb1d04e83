"""The members of recent stories, so kept that the few an article could be a copy of are found without trying all."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from datasketch import MinHash, MinHashLSH

from pipeline.fold.decide import LEAST_ALIKE, WINDOW, Article, Candidate, similarity

__all__ = ["Window"]

# 12 bands of 2 find 88% of the titles that are .4 alike and 97% of those that are .5 (1 - (1 - s²)¹²); more bands
# find a little more and cost most of the time there is. A chance find is compared word by word and costs a microsecond.
_BANDS, _ROWS = 12, 2


class Window:
    """Members by text, by title and by likeness (MinHash and locality-sensitive hashing of the words).

    Likeness is kept in blocks of one window's length: an article looks into its own, the one before and the one after,
    so that the work per article does not grow with the span of what is loaded.
    """

    def __init__(self) -> None:
        self._members: list[tuple[Article, str]] = []
        self._companies: dict[str, frozenset[str]] = {}
        self._by_key: dict[str, list[int]] = {}
        self._blocks: dict[int, MinHashLSH] = {}
        self._hashes: dict[str, MinHash] = {}

    def prepare(self, articles: Iterable[Article]) -> None:
        """Hash many articles at once, which is several times faster than one by one."""
        news = [a for a in articles if a.kind == "news" and a.gist.words]
        words = [[word.encode("utf-8", "surrogatepass") for word in a.gist.words] for a in news]
        hashed = MinHash.bulk(words, num_perm=_BANDS * _ROWS, seed=1, hashfunc=zlib.crc32)
        self._hashes.update(zip((a.article_id for a in news), hashed, strict=True))

    def add(self, article: Article, story: str) -> None:
        """Remember `article` as a member of `story`."""
        index = len(self._members)
        self._members.append((article, story))
        self._companies[story] = self._companies.get(story, frozenset()) | article.companies
        for key in {article.gist.title_key, article.gist.text_key}:
            self._by_key.setdefault(key, []).append(index)
        if article.article_id in self._hashes:
            block = _block(article)
            if block not in self._blocks:
                self._blocks[block] = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
            self._blocks[block].insert(index, self._hashes.pop(article.article_id), check_duplication=False)

    def candidates(self, article: Article) -> list[Candidate]:
        """Members within the window that share the text, the title, or enough words, in the order they were added."""
        same = set(self._by_key.get(article.gist.title_key, ())) | set(self._by_key.get(article.gist.text_key, ()))
        alike = {index for index in self._found(article) if self._shares_enough(article, index)}
        return list(self._near(article, sorted(same | alike)))

    def _found(self, article: Article) -> Iterator[int]:
        hashed = self._hashes.get(article.article_id)
        if hashed is not None:
            block = _block(article)
            for near in (block - 1, block, block + 1):
                if near in self._blocks:
                    yield from self._blocks[near].query(hashed)

    def _shares_enough(self, article: Article, index: int) -> bool:
        return similarity(article.gist.words, self._members[index][0].gist.words) >= LEAST_ALIKE

    def _near(self, article: Article, indices: Iterable[int]) -> Iterator[Candidate]:
        for index in indices:
            member, story = self._members[index]
            if abs(member.happened_at - article.happened_at) <= WINDOW:
                yield Candidate(member, story, self._companies[story])


def _block(article: Article) -> int:
    return int(article.happened_at.timestamp() // WINDOW.total_seconds())
