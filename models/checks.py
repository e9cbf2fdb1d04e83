"""What is wrong with labelled files before anything is trained on them: one pure function over what was parsed."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models import SENTIMENTS
from models.data import UNLABELLED, Example, Parsed
from models.taxonomy import taxonomy
from models.text import clean, twin_key

_LINES_SHOWN = 10
_FEW = 20
_FEW_SHOWN = 4
_RARE = 0.02
TooLong = Callable[[Sequence[Example]], Sequence[bool]]
"""Tells of each row whether its end would not be read."""


class Kind(StrEnum):
    """What a finding is about."""

    SENTIMENT = "unknown sentiment"
    TOPIC = "unknown topic"
    NOTHING = "no usable row"
    EMPTY = "empty text"
    UNLABELLED = "no label"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    LEAKAGE = "leakage"
    TOO_LONG = "too long"
    BALANCE = "class balance"


ERRORS = frozenset({Kind.SENTIMENT, Kind.TOPIC, Kind.NOTHING})
"""Findings with which nothing is trained; the others are warnings."""


@dataclass(frozen=True)
class Part:
    """One labelled file. `role`: train, dev, test or replay; `name`: as it is shown."""

    role: str
    name: str
    parsed: Parsed


@dataclass(frozen=True)
class Finding:
    """`count` rows of a file are of a kind; `lines`: where the first of them stand; `says`: the same in words."""

    kind: Kind
    file: str
    count: int
    says: str
    lines: tuple[int, ...] = ()

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return "error" if self.kind in ERRORS else "warning"


@dataclass(frozen=True)
class Summary:
    """A file's usable rows, and how often each label occurs among them."""

    file: str
    role: str
    rows: int
    sentiment: dict[str, int]
    topic: dict[str, int]


@dataclass(frozen=True)
class Checked:
    """What the checks found."""

    files: tuple[Summary, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that stop a training."""
        return tuple(finding for finding in self.findings if finding.kind in ERRORS)

    def to_json(self) -> dict[str, Any]:
        """Return files and findings by field name."""
        found = [{**asdict(finding), "severity": finding.severity} for finding in self.findings]
        return {"files": [asdict(summary) for summary in self.files], "findings": found}


def check(parts: Sequence[Part], too_long: TooLong | None = None) -> Checked:
    """Check labelled files, each by itself and against each other; near twins (models.text.twin_key) are leakage."""
    findings = [finding for part in parts for finding in _of_file(part, too_long)]
    train = [part for part in parts if part.role == "train"]
    findings += [*_repeated(train), *_leakage(parts), *_balance(train)]
    return Checked(tuple(_summary(part) for part in parts), tuple(findings))


def _of_file(part: Part, too_long: TooLong | None) -> Iterator[Finding]:
    problems = part.parsed.problems
    for kind, name in ((Kind.SENTIMENT, "sentiment"), (Kind.TOPIC, "topic")):
        for value, times in Counter(problem.value for problem in problems if problem.kind == name).most_common():
            lines = [problem.line for problem in problems if problem.kind == name and problem.value == value]
            cure = "name it with --labels" if kind is Kind.SENTIMENT else "see models/taxonomy.toml"
            yield _finding(kind, part, f"{name} {value!r}; {cure}", lines, times)
    for kind, name in ((Kind.EMPTY, "empty"), (Kind.UNLABELLED, "unlabelled")):
        if lines := [problem.line for problem in problems if problem.kind == name]:
            yield _finding(kind, part, "left out", lines)
    if not part.parsed.rows:
        yield _finding(Kind.NOTHING, part, "no row has a text and a known label", [])
    elif too_long is not None:
        long = [line for line, is_long in zip(part.parsed.lines, too_long(part.parsed.rows), strict=True) if is_long]
        if long:
            yield _finding(Kind.TOO_LONG, part, "end not read; see --max-length", long)


def _finding(kind: Kind, part: Part, says: str, lines: Sequence[int], count: int | None = None) -> Finding:
    return Finding(kind, part.name, len(lines) if count is None else count, says, tuple(lines[:_LINES_SHOWN]))


def _repeated(train: Sequence[Part]) -> Iterator[Finding]:
    """Duplicates (all labels equal) and contradictions (text and entity with another label), over all files."""
    seen: dict[tuple[str, str | None], Example] = {}
    for part in train:
        same: list[int] = []
        against: list[int] = []
        for row, line in zip(part.parsed.rows, part.parsed.lines, strict=True):
            first = seen.setdefault((clean(row.text), row.entity), row)
            if first is not row:
                (against if _contradicts(first, row) else same).append(line)
        if same:
            yield _finding(Kind.DUPLICATE, part, "as an earlier row, label and all", same)
        if against:
            yield _finding(Kind.CONTRADICTION, part, "an earlier row has another label", against)


def _contradicts(first: Example, second: Example) -> bool:
    pairs = ((first.sentiment, second.sentiment), (first.topic, second.topic))
    return any(UNLABELLED not in pair and pair[0] != pair[1] for pair in pairs)


def _leakage(parts: Sequence[Part]) -> Iterator[Finding]:
    """Rows of dev and test files that have a near twin in train, and rows of test files with one in dev."""
    keys: dict[str, set[str]] = {"train": set(), "dev": set()}
    if {part.role for part in parts} <= {"train", "replay"}:
        return
    for part in parts:
        if part.role in keys:
            keys[part.role] |= {twin_key(row.text) for row in part.parsed.rows} - {""}
    for part in parts:
        for role in {"dev": ("train",), "test": ("train", "dev")}.get(part.role, ()):
            lines = [
                line
                for row, line in zip(part.parsed.rows, part.parsed.lines, strict=True)
                if twin_key(row.text) in keys[role]
            ]
            if lines:
                yield _finding(Kind.LEAKAGE, part, f"near twin among the {role} rows", lines)


def _balance(train: Sequence[Part]) -> Iterator[Finding]:
    for head, labels in (("sentiment", SENTIMENTS), ("topic", taxonomy().labels)):
        counts = Counter(
            getattr(row, head) for part in train for row in part.parsed.rows if getattr(row, head) != UNLABELLED
        )
        total = counts.total()
        least = max(_FEW, _RARE * total) if head == "sentiment" else _FEW
        few = [label for at, label in enumerate(labels) if counts[at] < least]
        if total and few:
            rarest = sorted(few, key=lambda label: counts[labels.index(label)])[:_FEW_SHOWN]
            shown = ", ".join(f"{label} {counts[labels.index(label)]}" for label in rarest)
            shown += f" and {len(few) - len(rarest)} more" if len(few) > len(rarest) else ""
            count = sum(counts[labels.index(label)] for label in few)
            yield Finding(Kind.BALANCE, "all train files", count, f"{head}: few {shown}")


def _summary(part: Part) -> Summary:
    rows = part.parsed.rows
    found = {
        head: {label: sum(getattr(row, head) == at for row in rows) for at, label in enumerate(labels)}
        for head, labels in (("sentiment", SENTIMENTS), ("topic", taxonomy().labels))
    }
    some = {head: {label: n for label, n in counts.items() if any(counts.values())} for head, counts in found.items()}
    return Summary(part.name, part.role, len(rows), some["sentiment"], some["topic"])
