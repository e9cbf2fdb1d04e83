"""400 real headlines labelled by docs/labels.md, for evaluation only: kept as hashes, joined to their archives.

`python -m models.news ARCHIVES [--model M]` measures a model on them.
"""

import csv
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from models import SENTIMENTS
from models.data import Example, Source, read_table
from models.errors import DataInvalid
from models.text import clean

__all__ = ["ARCHIVES", "labels", "read"]

_LABELS = Path(__file__).with_name("labels.csv")
ARCHIVES = ("guardian_headlines.csv", "cnbc_headlines.csv")


@cache
def labels() -> dict[str, int]:
    """Return the index into SENTIMENTS by sha256 of the cleaned headline."""
    with _LABELS.open(encoding="utf-8", newline="") as stream:
        return {row["sha256"]: SENTIMENTS.index(row["sentiment"]) for row in csv.DictReader(stream)}


def read(folder: Path, archives: Iterable[str] = ARCHIVES) -> list[Example]:
    """Return the labelled headlines found in the archives (CSV files with a column Headlines), each once.

    Raises DataInvalid where an archive is missing, or where not all of the labelled headlines are found.
    """
    found: dict[str, Example] = {}
    for name in archives:
        table, columns = read_table(Source(folder / name, columns={"text": "Headlines"}))
        for text in table[columns["text"]]:
            key = hashlib.sha256(clean(text).encode()).hexdigest()
            if key in labels():
                found.setdefault(key, Example(text, sentiment=labels()[key], source="news", news=True))
    if len(found) < len(labels()):
        raise DataInvalid(
            f"{folder} holds {len(found)} of the {len(labels())} labelled headlines; name the folder of the archives "
            f"{', '.join(ARCHIVES)} as they were published"
        )
    return [found[key] for key in sorted(found)]
