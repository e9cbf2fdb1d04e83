"""Labelled texts: read from files, article-level rows derived, split without near twins on both sides."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from models import SENTIMENTS, tables
from models.errors import DataInvalid, LabelsUnknown
from models.taxonomy import taxonomy
from models.text import clean, share

UNLABELLED = -1
_FIELDS = ("text", "sentiment", "topic", "entity")


@dataclass(frozen=True)
class Example:
    """One labelled text. `sentiment` and `topic` are indices into SENTIMENTS and the taxonomy, or UNLABELLED.

    `made_of`: the (text, entity) that this one is a variant of.
    """

    text: str
    entity: str | None = None
    sentiment: int = UNLABELLED
    topic: int = UNLABELLED
    source: str = ""
    news: bool = False
    made_of: tuple[str, str | None] | None = None


@dataclass(frozen=True)
class Source:
    """Where labelled texts stand and how to read them.

    `columns`: our field (text, sentiment, topic, entity) to the file's column; `labels`: the file's sentiment words
    to ours; `article_level`: add each text once more without its entity where all its entities share a label;
    `news`: wire headlines.
    """

    path: Path
    name: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sha256: str | None = None
    article_level: bool = False
    news: bool = False
    licence: str = ""


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Problem:
    """Why a row of a file is not used: `kind` is empty, unlabelled, sentiment or topic (a label we do not know)."""

    kind: str
    line: int
    value: str = ""


@dataclass(frozen=True)
class Parsed:
    """A labelled file: the rows that can be used, the line each stands in, and what is wrong with the others."""

    rows: list[Example]
    lines: list[int]
    problems: list[Problem]


def _sentiment(value: str, labels: Mapping[str, str]) -> int | None:
    word = labels.get(value, value).strip().lower()
    return SENTIMENTS.index(word) if word in SENTIMENTS else None


def _topic(value: str) -> int | None:
    names = taxonomy().labels
    if value in names:
        return names.index(value)
    return int(value) if value.isdecimal() and int(value) < len(names) else None


def _unknown(problem: Problem, path: Path) -> LabelsUnknown:
    if problem.kind == "sentiment":
        return LabelsUnknown(
            f"{path.name}: sentiment {problem.value!r} (line {problem.line}) is not one of {', '.join(SENTIMENTS)}; "
            f"name it with --labels {problem.value}=negative"
        )
    return LabelsUnknown(
        f"{path.name}: topic {problem.value!r} (line {problem.line}) is not one of the {len(taxonomy().labels)} in "
        "models/taxonomy.toml; correct the file"
    )


def _columns(source: Source, present: Sequence[str]) -> dict[str, str]:
    """Our fields that the file has; text and at least one kind of label are a must where labels are asked for."""
    found = {name: source.columns.get(name, name) for name in _FIELDS}
    for name, column in found.items():
        if column not in present and (name == "text" or name in source.columns):
            raise DataInvalid(
                f"{source.path.name} has no column {column!r}; it has {', '.join(present)}: use --map {name}=COLUMN"
            )
    return {name: column for name, column in found.items() if column in present}


def read_table(source: Source) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a CSV, JSONL or Parquet file as text; return it with our field names to its columns.

    Raises DataInvalid where the file is missing, unreadable, altered, or lacks a column asked for.
    """
    path = source.path
    if not path.is_file():
        raise DataInvalid(f"{path} is not there; name an existing CSV, JSONL or Parquet file")
    if source.sha256 is not None and file_sha256(path) != source.sha256:
        raise DataInvalid(
            f"{path.name} is not the file of the recipe (its sha256 differs); fetch it again or use --data"
        )
    table = tables.read(path)
    return table, _columns(source, list(table.columns))


def parse(source: Source) -> Parsed:
    """Read labelled rows, and say which cannot be used and why; raise DataInvalid as `read_table` does."""
    path = source.path
    table, columns = read_table(source)
    if not {"sentiment", "topic"} & set(columns):
        raise DataInvalid(f"{path.name} has neither sentiment nor topic; add a column or use --map sentiment=COLUMN")
    blank = pd.Series([""] * len(table), index=table.index)
    parts = [table[columns[name]] if name in columns else blank for name in _FIELDS]
    found = Parsed([], [], [])
    for line, text, sentiment, topic, entity in zip(tables.lines(path, len(table)), *parts, strict=True):
        if not clean(text) or not (sentiment or topic):
            found.problems.append(Problem("unlabelled" if clean(text) else "empty", line))
            continue
        of_sentiment = _sentiment(sentiment, source.labels) if sentiment else UNLABELLED
        of_topic = _topic(topic) if topic else UNLABELLED
        if of_sentiment is None or of_topic is None:
            kind, value = ("sentiment", sentiment) if of_sentiment is None else ("topic", topic)
            found.problems.append(Problem(kind, line, value))
            continue
        name = source.name or path.stem
        found.rows.append(Example(text, entity.strip() or None, of_sentiment, of_topic, name, source.news))
        found.lines.append(line)
    return found


def read(source: Source) -> list[Example]:
    """Read labelled rows. Rows whose text is empty after cleaning, or without any label, are dropped.

    Raises DataInvalid as `read_table` does, and where no labelled row is left; LabelsUnknown for a strange label.
    """
    found = parse(source)
    for problem in found.problems:
        if problem.kind in ("sentiment", "topic"):
            raise _unknown(problem, source.path)
    return usable(source, found)


def usable(source: Source, found: Parsed) -> list[Example]:
    """Return a file's rows as training takes them, article level derived; raise DataInvalid where there is none."""
    if not found.rows:
        raise DataInvalid(f"{source.path.name} has no row with a text and a label; check the file")
    return found.rows + (article_rows(found.rows) if source.article_level else [])


def article_rows(rows: Iterable[Example]) -> list[Example]:
    """Return each text once, without entity, where all its entities share one sentiment."""
    by_text: dict[str, list[Example]] = {}
    for row in rows:
        if row.entity is not None and row.sentiment != UNLABELLED:
            by_text.setdefault(row.text, []).append(row)
    return [replace(group[0], entity=None) for group in by_text.values() if len({row.sentiment for row in group}) == 1]


def unique(rows: Iterable[Example]) -> list[Example]:
    """Return the rows in their order, each (cleaned text, entity, labels) once."""
    seen: dict[tuple[str, str | None, int, int], Example] = {}
    for row in rows:
        seen.setdefault((clean(row.text), row.entity, row.sentiment, row.topic), row)
    return list(seen.values())


def split(rows: Iterable[Example], dev_share: float) -> tuple[list[Example], list[Example]]:
    """Return (train, dev). The side follows from the text's twin key alone, so near twins never stand on both."""
    train: list[Example] = []
    dev: list[Example] = []
    for row in rows:
        (dev if share(row.text) < dev_share else train).append(row)
    return train, dev
