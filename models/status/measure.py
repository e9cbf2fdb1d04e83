"""How often each status is told rightly, on labelled samples; and how often real finance headlines are stopped.

    python -m models.status.measure SAMPLES [--root DATA]

SAMPLES is a folder of .tsv files (a group, a tab, a text a line) whose names say what is expected. With --root, the
train files of the shipped recipe are read too: what is stopped there is false, but for the posts that really are in
another language or about the weather. Prints Markdown (docs/statuses.md).
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.status import Status, status

EXPECTED: dict[str, Status | None] = {
    "language": Status.LANGUAGE,
    "not_financial": Status.NOT_FINANCIAL,
    "filing": Status.FILING,
    "empty": Status.EMPTY,
    "english": None,
    "financial": None,
    "news": None,
    "en": None,
}


@dataclass(frozen=True)
class Sample:
    """One labelled text. `expected`: its status, None for one that is to be scored."""

    file: str
    group: str
    text: str
    expected: Status | None


def samples(folder: Path) -> Iterator[Sample]:
    """Yield the samples of a folder. A group called `news` or `en` is to be scored, whatever its file is called."""
    for path in sorted(folder.glob("*.tsv")):
        for line in path.read_text("utf-8").splitlines():
            group, _, text = line.partition("\t")
            name = group if group in ("news", "en") else path.stem.removeprefix("second_")
            yield Sample(path.stem, group, text, EXPECTED[name])


def right(rows: Sequence[Sample]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return (right, all) by file and expected status ("scored" for None)."""
    found: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (row.file, row.expected or "to be scored")
        total[key] += 1
        found[key] += status(row.text) is row.expected
    return {key: (found[key], n) for key, n in total.items()}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--root", type=Path)
    given = parser.parse_args()
    write = sys.stdout.write
    write("| samples | expected | right | of |\n|---|---|---|---|\n")
    for (file, expected), (good, n) in right(list(samples(given.samples))).items():
        write(f"| {file} | {expected} | {good} | {n} |\n")
    if given.root is None:
        return
    from models import DEFAULT
    from models.data import read
    from models.recipe import load

    write("\n| train file | texts | filing | language | not_financial | empty | µs a text |\n" + "|---" * 7 + "|\n")
    for source in load(DEFAULT, given.root).data:
        texts = sorted({row.text for row in read(source)})
        began = time.process_time()
        counts = Counter(status(text) for text in texts)
        micros = (time.process_time() - began) / len(texts) * 1e6
        stopped = " | ".join(str(counts[Status(name)]) for name in ("filing", "language", "not_financial", "empty"))
        write(f"| {source.name} | {len(texts)} | {stopped} | {micros:.0f} |\n")


if __name__ == "__main__":
    main()
