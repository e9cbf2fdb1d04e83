"""Many articles folded in their order: candidates found, the encoder asked once for all, each one decided. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from pipeline.fold.compare import compare, left_open
from pipeline.fold.decide import Decision, decide
from pipeline.fold.meaning import Meaning, Reading, meaning
from pipeline.fold.neighbours import Neighbours, neighbours
from pipeline.fold.records import Article, Candidate, Reason
from pipeline.fold.weigh import shared_names
from pipeline.fold.window import Member, Window

__all__ = ["Embedder", "fold"]

_SAME = frozenset({Reason.SAME_TEXT, Reason.SAME_TITLE})
# Articles whose readings are in memory together: some 40 kB each.
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
    meanings = dict(_meanings(articles, len(known), found, embedder)) if embedder else {}
    window = Window(articles, members)
    decisions = []
    for n, article in enumerate(new):
        here = len(known) + n
        candidates = [window.candidate(at, meanings.get((here, at))) for at in (*found.alike[n], *found.kin[n])]
        decision = decide(article, candidates)
        window.place(article, decision)
        decisions.append(decision)
    return decisions


def _meanings(
    articles: Sequence[Article], start: int, found: Neighbours, embedder: Callable[[], Embedder]
) -> Iterator[tuple[tuple[int, int], Meaning]]:
    """What the encoder says of every pair that words alone leave open, by (later place, earlier place)."""
    pairs = [
        (start + n, at)
        for n, (alike, kin) in enumerate(zip(found.alike, found.kin, strict=True))
        for at in _open(articles, start + n, [*alike, *kin])
    ]
    at = 0
    readings: dict[int, Reading] = {}
    while at < len(pairs):
        places: set[int] = set()
        end = at
        while end < len(pairs) and len(places) < _READ_TOGETHER:
            places.update(pairs[end])
            end += 1
        # Those around an article are mostly those around the one before it.
        readings = {place: readings[place] for place in places & readings.keys()}
        unread = sorted(places - readings.keys())
        readings.update(zip(unread, embedder().read([articles[place].gist.text for place in unread]), strict=True))
        for a, b in pairs[at:end]:
            yield (a, b), meaning(readings[a], readings[b], shared_names(articles[a].gist, articles[b].gist))
        at = end


def _open(articles: Sequence[Article], here: int, candidates: Sequence[int]) -> list[int]:
    article = articles[here]
    judged = [(at, compare(article, _alone(articles[at]))[0]) for at in candidates]
    if any(reason in _SAME for _, reason in judged):
        return []
    return [at for at, reason in judged if left_open(article, articles[at], reason)]


def _alone(article: Article) -> Candidate:
    return Candidate(article, "", article.companies)
