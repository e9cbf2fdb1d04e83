"""Labelled texts: read from CSV, article-level rows derived, split without near twins on both sides."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from models import SENTIMENTS
from models.errors import DataInvalid, LabelsUnknown
from models.taxonomy import taxonomy
from models.text import clean, share

UNLABELLED = -1
_FIELDS = ("text", "sentiment", "topic", "entity")


@dataclass(frozen=True)
class Example:
    """One labelled text. `sentiment` and `topic` are indices into SENTIMENTS and the taxonomy, or UNLABELLED."""

    text: str
    entity: str | None = None
    sentiment: int = UNLABELLED
    topic: int = UNLABELLED
    source: str = ""
    news: bool = False


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


def _sentiment(value: str, labels: Mapping[str, str], path: Path) -> int:
    word = labels.get(value, value).strip().lower()
    if word not in SENTIMENTS:
        known = ", ".join(SENTIMENTS)
        raise LabelsUnknown(
            f"{path.name}: sentiment {value!r} is not one of {known}; name it with --labels {value}=negative"
        )
    return SENTIMENTS.index(word)


def _topic(value: str, path: Path) -> int:
    names = taxonomy().labels
    if value in names:
        return names.index(value)
    if value.isdigit() and int(value) < len(names):
        return int(value)
    raise LabelsUnknown(
        f"{path.name}: topic {value!r} is not one of the {len(names)} in models/taxonomy.toml; correct the file"
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
    """Read a CSV file (UTF-8, with a header line) as text; return it with our field names to its columns.

    Raises DataInvalid where the file is missing, unreadable, altered, or lacks a column asked for.
    """
    path = source.path
    if not path.is_file():
        raise DataInvalid(f"{path} is not there; name an existing CSV file")
    if source.sha256 is not None and file_sha256(path) != source.sha256:
        raise DataInvalid(
            f"{path.name} is not the file of the recipe (its sha256 differs); fetch it again or use --data"
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as problem:
        reason = str(problem).strip().splitlines()[0]
        raise DataInvalid(f"{path.name} cannot be read as CSV in UTF-8 ({reason}); save it as such") from problem
    return table, _columns(source, list(table.columns))


def read(source: Source) -> list[Example]:
    """Read labelled rows. Rows whose text is empty after cleaning, or without any label, are dropped.

    Raises DataInvalid as `read_table` does, and where no labelled row is left; LabelsUnknown for a strange label.
    """
    path = source.path
    table, columns = read_table(source)
    if not {"sentiment", "topic"} & set(columns):
        raise DataInvalid(f"{path.name} has neither sentiment nor topic; add a column or use --map sentiment=COLUMN")
    blank = pd.Series([""] * len(table), index=table.index)
    parts = [table[columns[name]] if name in columns else blank for name in _FIELDS]
    rows: list[Example] = []
    for text, sentiment, topic, entity in zip(*parts, strict=True):
        if not clean(text) or not (sentiment or topic):
            continue
        rows.append(
            Example(
                text,
                entity.strip() or None,
                _sentiment(sentiment, source.labels, path) if sentiment else UNLABELLED,
                _topic(topic, path) if topic else UNLABELLED,
                source.name or path.stem,
                source.news,
            )
        )
    if not rows:
        raise DataInvalid(f"{path.name} has no row with a text and a label; check the file")
    return rows + (article_rows(rows) if source.article_level else [])


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
