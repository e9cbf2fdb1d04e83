"""The checks of `train` as a person sees them: labelled files read once, and what is wrong with them in a table."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from cli.common import out
from models.errors import DataInvalid

if TYPE_CHECKING:
    from models.checks import Checked, Part
    from models.data import Example
    from models.recipe import Recipe

__all__ = ["check_files", "show", "stop_at"]


def check_files(recipe: Recipe) -> Checked:
    """Read all files of a recipe and check them, the length of their texts by the tokenizer of its encoder."""
    from models.checks import Part, check
    from models.data import parse
    from models.start import settled, start_of, tokenizer_of
    from models.tokens import encode

    roles = {"train": recipe.data, "dev": recipe.dev, "test": recipe.final, "replay": recipe.replay}
    parts: list[Part] = []
    for role, sources in roles.items():
        parts += [Part(role, source.path.name, parse(source)) for source in sources]
    start = start_of(recipe.start, recipe.encoder, recipe.revision)
    # What cannot be trained is said before anything is written.
    settled(recipe.settings, start, steps=1)
    tokenizer = tokenizer_of(start)

    def too_long(rows: Sequence[Example]) -> list[bool]:
        pairs = [(row.text, row.entity) for row in rows]
        found = encode(tokenizer, pairs, recipe.settings.max_length, recipe.settings.reading)
        return [one.truncated for one in found]

    return check(parts, too_long)


def stop_at(found: Checked, recipe: Recipe, *, strict: bool) -> None:
    """Raise the first error in words that help, or (strict) DataInvalid at any warning."""
    from models.data import read

    if found.errors:
        for source in (*recipe.data, *recipe.dev, *recipe.final, *recipe.replay):
            read(source)
        raise DataInvalid(f"{found.errors[0].file}: {found.errors[0].says}; correct the file")
    if strict and found.findings:
        raise DataInvalid(f"{len(found.findings)} warnings about the files; correct them, or leave --strict out")


def show(found: Checked, *, as_json: bool) -> None:
    """Print the files with their labels, and the findings."""
    if as_json:
        sys.stdout.write(json.dumps({"checks": found.to_json()}, indent=2, ensure_ascii=False) + "\n")
        return
    files = _table("file", "used as", "rows", "negative", "neutral", "positive", "with a topic")
    for part in found.files:
        counts = [part.sentiment.get(label, 0) for label in ("negative", "neutral", "positive")]
        cells = [part.rows, *counts, sum(part.topic.values())]
        files.add_row(part.file, part.role, *(str(cell) for cell in cells))
    out.print(files)
    if not found.findings:
        out.print("checks: nothing found")
        return
    table = _table("checks", "rows", "file", "lines", "what")
    for finding in found.findings:
        lines = ", ".join(str(line) for line in finding.lines[:5]) + (
            " …" if finding.count > 5 and finding.lines else ""
        )
        table.add_row(f"{finding.severity}: {finding.kind}", str(finding.count), finding.file, lines, finding.says)
    out.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        number = column in ("rows", "negative", "neutral", "positive", "with a topic")
        # The first one names the row, and a number broken in two is another number.
        table.add_column(column, justify="right" if number else "left", no_wrap=number or column in ("file", "checks"))
    return table
