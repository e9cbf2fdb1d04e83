"""Writes training text, generated or written by hand, to a CSV file, or tells what it covers.

python -m models.generator --rows 20000 --seed 1 --out generated.csv
python -m models.generator --stats
python -m models.generator --show 60 --rule S8 --rule S13
python -m models.generator --written --stats
python -m models.generator --written --show 60

Generated text comes from the templates, new for each seed. Written text is the sentences of `written.csv` beside this
file, the same every time: `written = 1` in the `[training]` table of a recipe adds them once to every pass.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from models import SENTIMENTS
from models.data import UNLABELLED, Example, Source
from models.errors import ModelError
from models.generator import Template, generate, leaks, load, written
from models.taxonomy import taxonomy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m models.generator", description=__doc__.split("\n")[0])
    parser.add_argument("--written", action="store_true", help="take the sentences written by hand, not the templates")
    parser.add_argument("--rows", type=int, default=20000, help="how many rows to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="the CSV file to write: text, entity, sentiment, topic")
    parser.add_argument(
        "--against", action="append", default=[], metavar="FILE[:TEXT_COLUMN]",
        help="leave out what comes near a text of this evaluation file; the challenge suite is always one",
    )  # fmt: skip
    parser.add_argument("--stats", action="store_true", help="templates per rule, or sentences per kind")
    parser.add_argument("--show", type=int, metavar="N", help="print N rows instead of writing them")
    parser.add_argument("--rule", action="append", help="with --show: only templates of this rule")
    parser.add_argument("--file", help="with --show: only templates of this file, such as results.toml")
    options = parser.parse_args(arguments)
    if options.out is None and options.show is None and not options.stats:
        parser.error("say --out FILE, --show N or --stats")
    try:
        _run(options)
    except ModelError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_status
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.stats:
        sys.stdout.write(written.counts(written.load()) if options.written else stats(load()))
    if options.show is not None:
        for row in _shown(options):
            sys.stdout.write(f"{SENTIMENTS[row.sentiment]:8} {row.entity or '-'} | {row.text}\n")
    if options.out is not None:
        rows = written.examples(written.load()) if options.written else generate(options.rows, options.seed)
        kept = leaks(rows, [_source(name) for name in options.against])
        write(kept.rows, options.out)
        sys.stdout.write(
            f"{len(kept.rows)} rows in {options.out}; left out of {kept.texts} texts: {kept.twins} twins and "
            f"{kept.overlaps} near ones of {kept.checked} evaluation texts\n"
        )


def _shown(options: argparse.Namespace) -> list[Example]:
    if options.written:
        rows = written.examples(written.load())
        rng = Random(options.seed)  # noqa: S311 - it picks what to show, it guards nothing
        return rng.sample(rows, min(options.show, len(rows)))
    return generate(options.show, options.seed, tuple(t for t in load() if _wanted(t, options)))


def _wanted(template: Template, options: argparse.Namespace) -> bool:
    of_rule = not options.rule or template.rule in options.rule
    return of_rule and (not options.file or template.name.startswith(options.file))


def _source(argument: str) -> Source:
    path, _, column = argument.partition(":")
    return Source(Path(path), columns={"text": column} if column else {})


def stats(templates: Sequence[Template]) -> str:
    """Return a table of templates per rule and label."""
    counts = Counter((template.rule, template.label) for template in templates)
    rules = sorted({template.rule for template in templates}, key=lambda rule: (rule[0] != "S", int(rule[1:])))
    lines = [f"{'rule':6}" + "".join(f"{label:>10}" for label in (*SENTIMENTS, "all"))]
    for rule in rules:
        row = [counts[rule, label] for label in SENTIMENTS]
        lines.append(f"{rule:6}" + "".join(f"{n:>10}" for n in (*row, sum(row))))
    total = [sum(counts[rule, label] for rule in rules) for label in SENTIMENTS]
    lines.append(f"{'all':6}" + "".join(f"{n:>10}" for n in (*total, sum(total))))
    return "\n".join(lines) + "\n"


def write(rows: Sequence[Example], path: Path) -> None:
    """Write rows as `models.data.read` reads them."""
    names = taxonomy().labels
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("text", "entity", "sentiment", "topic"))
        for row in rows:
            topic = "" if row.topic == UNLABELLED else names[row.topic]
            table.writerow((row.text, row.entity or "", SENTIMENTS[row.sentiment], topic))


if __name__ == "__main__":
    sys.exit(main())
