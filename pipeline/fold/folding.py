"""Many articles folded in order: candidates found, the encoder asked about many at once, each decided. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from pipeline.fold.compare import compare, left_open
from pipeline.fold.decide import Decision, decide
from pipeline.fold.meaning import Meaning, Read, Reading, meanings, ready
from pipeline.fold.neighbours import Neighbours, neighbours
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.weigh import shared_names
from pipeline.fold.window import Member, Window

__all__ = ["Embedder", "fold"]

_SAME = frozenset({Reason.SAME_TEXT, Reason.SAME_TITLE})
# Texts read at once and kept in memory together: some 40 kB each.
_READ_TOGETHER = 2_048


class Embedder(Protocol):
    """All that `fold` knows of a sentence encoder: readings, in the order of the texts."""

    def read(self, texts: Sequence[str]) -> Sequence[Reading]: ...


def fold(
    members: Sequence[Member], new: Sequence[Article], embedder: Callable[[], Embedder] | None = None
) -> list[Decision]:
    """Decide each of `new`, in that order, with the members around and the new ones before it.

    `embedder` is called at the first pair that needs it; without it, rewrites in other words are missed.
    """
    known = [article for article, _, _ in members]
    articles = [*known, *new]
    found = neighbours(known, new, kin=embedder is not None)
    read = _meanings(articles, len(known), found, embedder) if embedder else None
    window = Window(articles, members)
    decisions = []
    for n, article in enumerate(new):
        meant = next(read) if read else {}
        decision = decide(article, [window.candidate(at, meant.get(at)) for at in (*found.alike[n], *found.kin[n])])
        window.place(article, decision)
        decisions.append(decision)
    return decisions


def _meanings(
    articles: Sequence[Article], start: int, found: Neighbours, embedder: Callable[[], Embedder]
) -> Iterator[Mapping[int, Meaning]]:
    """For each new article what the encoder says of every pair that words alone leave open, by the earlier place."""
    open_pairs = [
        _open(articles, start + n, [*alike, *kin])
        for n, (alike, kin) in enumerate(zip(found.alike, found.kin, strict=True))
    ]
    readings: dict[str, Read] = {}
    ahead = 0
    for n, others in enumerate(open_pairs):
        if n >= ahead:
            texts: set[str] = set()
            while ahead < len(open_pairs) and (n == ahead or len(texts) < _READ_TOGETHER):
                if open_pairs[ahead]:
                    texts.update(articles[at].gist.text for at in (start + ahead, *open_pairs[ahead]))
                ahead += 1
            if wanted := sorted(texts):
                readings = dict(zip(wanted, map(ready, embedder().read(wanted)), strict=True))
        if others:
            mine, theirs = articles[start + n].gist, [articles[at].gist for at in others]
            names = [shared_names(mine, other) for other in theirs]
            said = meanings(readings[mine.text], [readings[other.text] for other in theirs], names)
            yield dict(zip(others, said, strict=True))
        else:
            yield {}


def _open(articles: Sequence[Article], here: int, candidates: Sequence[int]) -> list[int]:
    article = articles[here]
    judged = [(at, compare(article, _alone(articles[at]))[0]) for at in candidates]
    if any(reason in _SAME for _, reason in judged):
        return []
    return [at for at, reason in judged if left_open(article, articles[at], reason)]


def _alone(article: Article) -> Candidate:
    return Candidate(article, "", article.companies)
