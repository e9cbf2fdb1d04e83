"""Sentences written and labelled by hand, by the rules of `docs/labels.md`: read from a file, checked, counted."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from models import SENTIMENTS
from models.data import UNLABELLED, Example, Source
from models.errors import DataInvalid, LabelsUnknown
from models.taxonomy import taxonomy

__all__ = ["COLUMNS", "FILE", "SOURCE", "WRITTEN", "Line", "counts", "examples", "load", "read", "sha256_of"]

SOURCE = "barograph/written"
FILE = Path(__file__).with_name("written.csv")
WRITTEN = Source(FILE, SOURCE, licence="Apache-2.0, of this project")
"""The file as a training names what it has read."""
COLUMNS = ("text", "sentiment", "topic", "entity", "entity_sentiment", "kind")


@dataclass(frozen=True)
class Line:
    """One line of the file: a text with its labels, and at most one entity of it.

    `sentiment`: of the article; `topic`: one of the 20 labels, empty where the rules give none; `entity`: a name as it
    stands in the text, or empty; a text about two stands in two lines; `kind`: what sort of sentence, for the counts.
    """

    text: str
    sentiment: str
    topic: str
    entity: str
    entity_sentiment: str
    kind: str


def read(path: Path) -> tuple[Line, ...]:
    """Return the file's lines in their order.

    Raises DataInvalid or LabelsUnknown, naming the line, where a column, a label or an entity is wrong, where a line
    stands twice, and where two lines of one text disagree about the article.
    """
    found: list[Line] = []
    articles: dict[str, tuple[str, str, str]] = {}
    asked: set[tuple[str, str]] = set()
    with path.open(encoding="utf-8", newline="") as stream:
        table = csv.DictReader(stream)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise DataInvalid(f"{path.name} must have the columns {', '.join(COLUMNS)}; it has {table.fieldnames}")
        for row in table:
            line = _line(row, f"{path.name} line {table.line_num}")
            about = (line.sentiment, line.topic, line.kind)
            if articles.setdefault(line.text, about) != about:
                raise DataInvalid(f"{path.name} line {table.line_num} labels {line.text!r} otherwise than before")
            if (line.text, line.entity) in asked:
                raise DataInvalid(f"{path.name} line {table.line_num} repeats {line.text!r}; remove it")
            asked.add((line.text, line.entity))
            found.append(line)
    return tuple(found)


def _line(row: Mapping[Any, Any], where: str) -> Line:
    if None in row or None in row.values() or not row["text"].strip() or not row["kind"]:
        raise DataInvalid(f"{where} needs a text, a kind and {len(COLUMNS)} columns; correct it")
    line = Line(**row)
    for label in (line.sentiment, *([line.entity_sentiment] if line.entity else [])):
        if label not in SENTIMENTS:
            raise LabelsUnknown(f"{where} has sentiment {label!r}; say one of {', '.join(SENTIMENTS)}")
    if line.topic and line.topic not in taxonomy().labels:
        raise LabelsUnknown(f"{where} has topic {line.topic!r}, which is not in models/taxonomy.toml; correct it")
    if line.entity and not re.search(rf"(?<!\w){re.escape(line.entity)}(?!\w)", line.text):
        raise DataInvalid(f"{where} asks for {line.entity!r}, which is not in its text; write it as it stands there")
    if line.entity_sentiment and not line.entity:
        raise DataInvalid(f"{where} has a sentiment towards an entity but names none; name it or leave both empty")
    return line


@cache
def load() -> tuple[Line, ...]:
    """Return the shipped lines."""
    return read(FILE)


def sha256_of(lines: int = 0) -> str:
    """Return the hash of the file down to that many lines, 0 for all of it: it grows at its end."""
    kept = FILE.read_bytes().splitlines(keepends=True)[: 1 + lines if lines else None]
    return hashlib.sha256(b"".join(kept)).hexdigest()


def examples(lines: Iterable[Line]) -> list[Example]:
    """Return rows as training takes them: each text once as an article, then once for each entity asked for."""
    names = taxonomy().labels
    found: list[Example] = []
    texts: set[str] = set()
    for line in lines:
        topic = names.index(line.topic) if line.topic else UNLABELLED
        if line.text not in texts:
            texts.add(line.text)
            found.append(Example(line.text, None, SENTIMENTS.index(line.sentiment), topic, SOURCE, True))
        if line.entity:
            towards = SENTIMENTS.index(line.entity_sentiment)
            found.append(Example(line.text, line.entity, towards, topic, SOURCE, True))
    return found


def counts(lines: Sequence[Line]) -> str:
    """Return a table of texts per kind and sentiment, with sums, and one of entities asked for per sentiment."""
    articles = {line.text: line for line in lines}
    number = Counter((line.kind, line.sentiment) for line in articles.values())
    rows = [f"{'kind':18}" + "".join(f"{label:>10}" for label in (*SENTIMENTS, "all"))]
    for kind in sorted({line.kind for line in articles.values()}):
        rows.append(_row(kind, [number[kind, label] for label in SENTIMENTS]))
    rows.append(_row("all texts", [sum(n for (_, s), n in number.items() if s == label) for label in SENTIMENTS]))
    towards = Counter(line.entity_sentiment for line in lines if line.entity)
    rows.append(_row("entities", [towards[label] for label in SENTIMENTS]))
    return "\n".join(rows) + "\n"


def _row(name: str, numbers: Sequence[int]) -> str:
    return f"{name:18}" + "".join(f"{n:>10}" for n in (*numbers, sum(numbers)))
