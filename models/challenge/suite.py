"""The cases of the challenge suite: read from `cases/`, one TOML file per kind, checked, and held to their sha256."""

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from models import SENTIMENTS
from models.errors import DataInvalid, LabelsUnknown

FROZEN = "ee39406a6ceff5cda7d8adc6b99dcc630f122aa6e5538ca8e7bb6bb903faf577"
"""`digest` of the shipped cases. Figures of models are comparable under one value; change it only on purpose."""

HALVES: tuple[str, str] = ("open", "release")
_CASES = Path(__file__).with_name("cases")
_RULE = re.compile(r"[SET]\d+")
_MUST = ("id", "half", "sentiment", "rule", "text")


@dataclass(frozen=True)
class Case:
    """One sentence and its sentiment: of the article or, with `entity` (as written there), towards that entity.

    `kind`: the file it stands in; `rule`: the rule of `docs/labels.md` that decides it; `half`: open or release.
    """

    id: str
    kind: str
    half: str
    text: str
    entity: str | None
    sentiment: str
    rule: str


def load(folder: Path = _CASES) -> tuple[Case, ...]:
    """Return the cases of all kinds, in the order of kinds and files.

    Raises DataInvalid where a file cannot be read, or a case lacks a field, has an unknown one, or repeats another;
    LabelsUnknown for a sentiment that is not one of ours.
    """
    cases = tuple(case for path in sorted(folder.glob("*.toml")) for case in _kind(path))
    if not cases:
        raise DataInvalid(f"{folder} holds no challenge cases; install the package again")
    for what, keys in (("id", [case.id for case in cases]), ("text and entity", [(c.text, c.entity) for c in cases])):
        twice = [key for key, n in Counter(keys).items() if n > 1]
        if twice:
            raise DataInvalid(f"challenge cases share their {what}: {twice[0]!r}; keep one of them")
    return cases


def digest(cases: Iterable[Case]) -> str:
    """Return the sha256, in hex, of the cases' content, whatever their order and the files' layout."""
    rows = sorted(astuple(case) for case in cases)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()


def _kind(path: Path) -> Iterator[Case]:
    try:
        rows = tomllib.loads(path.read_text("utf-8"))["cases"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as problem:
        raise DataInvalid(f"{path.name} is not a list of cases in TOML ({problem}); correct it") from problem
    for row in rows:
        yield _case(row, path)


def _case(row: Mapping[str, str], path: Path) -> Case:
    named = f"{path.name}: case {row.get('id', '?')!r}"
    for field in _MUST:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise DataInvalid(f"{named} has no {field}; add it")
    strange = set(row) - {*_MUST, "entity"}
    if strange:
        raise DataInvalid(f"{named} has an unknown field {min(strange)!r}; remove it")
    if row["half"] not in HALVES:
        raise DataInvalid(f"{named} is of half {row['half']!r}; say {' or '.join(HALVES)}")
    if row["sentiment"] not in SENTIMENTS:
        raise LabelsUnknown(f"{named} has sentiment {row['sentiment']!r}; say one of {', '.join(SENTIMENTS)}")
    if not _RULE.fullmatch(row["rule"]):
        raise DataInvalid(f"{named} cites {row['rule']!r}; cite a rule of docs/labels.md such as S8")
    entity = row.get("entity")
    if entity is not None and entity not in row["text"]:
        raise DataInvalid(f"{named} asks for {entity!r}, which is not in its text; write it as it stands there")
    return Case(row["id"], path.stem, row["half"], row["text"], entity, row["sentiment"], row["rule"])
