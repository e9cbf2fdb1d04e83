"""How often a labelled file breaks the rules of `docs/labels.md` that a pattern can check.

python -m models.challenge.conflicts FILE [--map text=headline …] [--labels 0=negative …]
"""

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models import SENTIMENTS
from models.data import UNLABELLED, Example, Source, read
from models.errors import ModelError
from models.taxonomy import taxonomy
from models.text import clean, twin_key

_PATTERNS = Path(__file__).with_name("conflicts.toml")


@dataclass(frozen=True)
class Pattern:
    """Texts that a rule labels with one of `expected`: those that `finds` matches and `but` does not.

    `head`: what the labels are of, sentiment or topic.
    """

    name: str
    rule: str
    head: str
    finds: re.Pattern[str]
    but: re.Pattern[str] | None
    expected: tuple[str, ...]

    def matches(self, text: str) -> bool:
        """Say whether the rule speaks of this text."""
        return bool(self.finds.search(text)) and not (self.but and self.but.search(text))


@dataclass(frozen=True)
class Conflict:
    """Of `n` rows a pattern found, `broken` have a label the rule does not allow; `labels` counts all, most first."""

    rule: str
    name: str
    n: int
    broken: int
    labels: dict[str, int]

    def __str__(self) -> str:
        """Return the line of the table that `main` prints."""
        counts = ", ".join(f"{label.replace(' | ', '/')} {n}" for label, n in self.labels.items())
        return f"| {self.rule} | {self.name} | {self.n} | {counts} | {self.broken / self.n:.0%} |"


def patterns(path: Path = _PATTERNS) -> tuple[Pattern, ...]:
    """Return the patterns of the shipped file."""
    rows = tomllib.loads(path.read_text("utf-8"))["patterns"]
    return tuple(
        Pattern(
            row["name"],
            row["rule"],
            row.get("head", "sentiment"),
            re.compile(row["pattern"], re.IGNORECASE),
            re.compile(row["but"], re.IGNORECASE) if "but" in row else None,
            tuple(row["expected"]),
        )
        for row in rows
    )


def conflicts(rows: Sequence[Example], known: Sequence[Pattern]) -> tuple[Conflict, ...]:
    """Hold rows against the patterns, in their order; patterns that find no labelled row are left out."""
    labelled = {
        head: [(clean(row.text), labels[at]) for row in rows if (at := getattr(row, head)) != UNLABELLED]
        for head, labels in (("sentiment", SENTIMENTS), ("topic", taxonomy().labels))
    }
    found = []
    for pattern in known:
        counts = Counter(label for text, label in labelled[pattern.head] if pattern.matches(text))
        n = counts.total()
        if n:
            broken = n - sum(counts[label] for label in pattern.expected)
            found.append(Conflict(pattern.rule, pattern.name, n, broken, dict(counts.most_common())))
    return tuple(found)


def contradicted(rows: Iterable[Example]) -> tuple[int, int]:
    """Return (rows whose near twin for the same entity has another sentiment, rows with a sentiment)."""
    groups: dict[tuple[str, str | None], list[int]] = {}
    for row in rows:
        if row.sentiment != UNLABELLED:
            groups.setdefault((twin_key(row.text), row.entity), []).append(row.sentiment)
    return sum(len(g) for g in groups.values() if len(set(g)) > 1), sum(map(len, groups.values()))


def _pair(text: str) -> tuple[str, str]:
    left, sign, right = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return left, right


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table for one file; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.challenge.conflicts", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--map", type=_pair, nargs="+", default=[], metavar="FIELD=COLUMN")
    parser.add_argument("--labels", type=_pair, nargs="+", default=[], metavar="THEIRS=OURS")
    given = parser.parse_args(arguments)
    try:
        rows = read(Source(given.file, columns=dict(given.map), labels=dict(given.labels)))
    except ModelError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_status
    write = sys.stdout.write
    write("| rule | texts | found | labels | against the rule |\n|---|---|---|---|---|\n")
    for conflict in conflicts(rows, patterns()):
        write(f"{conflict}\n")
    twins, n = contradicted(rows)
    write(f"\n{twins} of {n} rows have a near twin with another sentiment for the same entity.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
