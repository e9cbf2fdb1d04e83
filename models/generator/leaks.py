"""Drops generated rows that come near a text of an evaluation set or of the challenge suite. No text is ever shown."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from models import challenge as suite
from models.data import Example, Source, read_table
from models.text import twin_key

WORDS = 8
OVERLAP = 0.7
NAME = 3
"""A name has at most this many words."""
ENOUGH = 4
"""A text that has fewer words once its names are taken out says too little to be compared without them."""


@dataclass(frozen=True)
class Leaks:
    """What is left, and how many texts were dropped.

    `twins`: the same but for figures, marks and the names asked for; `overlaps`: more than OVERLAP of the shingles of
    WORDS words are known; `texts`: generated ones; `checked`: texts they were compared with.
    """

    rows: list[Example]
    texts: int
    checked: int
    twins: int
    overlaps: int


@dataclass(frozen=True)
class _Known:
    texts: frozenset[str]
    whole: frozenset[str]
    nameless: frozenset[str]
    shingles: frozenset[str]


def leaks(rows: Sequence[Example], files: Iterable[Source], challenge: bool = True) -> Leaks:
    """Drop all rows of each text that comes near one of the labelled files or of the challenge suite.

    A known text says nothing of where its names stand. So each of its runs of up to NAME words counts as a name once;
    in the challenge suite any two of them. Raises DataInvalid where a file cannot be read.
    """
    known = _known(list(files), challenge)
    names: dict[str, set[str]] = {}
    for row in rows:
        names.setdefault(row.text, set()).update({row.entity} if row.entity else ())
    verdicts = {text: _verdict(text, found, known) for text, found in names.items()}
    counts = list(verdicts.values())
    return Leaks(
        rows=[row for row in rows if not verdicts[row.text]],
        texts=len(counts),
        checked=len(known.texts),
        twins=counts.count("twin"),
        overlaps=counts.count("overlap"),
    )


def _known(files: Sequence[Source], challenge: bool) -> _Known:
    texts = {text for file in files for text in _texts(file)}
    cases = {case.text for case in suite.load()} if challenge else set()
    once = {key for text in texts | cases for key in _gaps(twin_key(text).split())}
    twice = {key for text in cases for left in _gaps(twin_key(text).split()) for key in _gaps(left.split())}
    return _Known(
        texts=frozenset(texts | cases),
        whole=frozenset(twin_key(text) for text in texts | cases),
        nameless=frozenset(once | twice),
        shingles=frozenset(shingle for text in texts | cases for shingle in _shingles(text)),
    )


def _texts(file: Source) -> Iterator[str]:
    table, columns = read_table(file)
    for text in table[columns["text"]]:
        yield str(text)


def _gaps(words: Sequence[str]) -> Iterator[str]:
    """The words without each run of up to NAME of them, where enough are left."""
    for length in range(1, min(NAME, len(words) - ENOUGH) + 1):
        for start in range(len(words) - length + 1):
            yield " ".join((*words[:start], *words[start + length :]))


def _shingles(text: str) -> set[str]:
    words = twin_key(text).split()
    return {" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}


def _verdict(text: str, names: Iterable[str], known: _Known) -> str:
    nameless = text
    for name in sorted(names, key=len, reverse=True):
        nameless = nameless.replace(name, " ")
    words = twin_key(nameless).split()
    if twin_key(text) in known.whole or (len(words) >= ENOUGH and " ".join(words) in known.nameless):
        return "twin"
    own = _shingles(text)
    return "overlap" if own and len(own & known.shingles) > OVERLAP * len(own) else ""
