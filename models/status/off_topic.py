"""Which texts are no financial news at all (sport, recipes, horoscopes…): a weight per word, and finance has a veto.

`words.tsv` is made by `models.status.fit`; a text is off topic where the weights of its words sum to more than nothing,
and they are shifted so that real financial headlines almost never do. Whatever names money, a market, a
company's business or politics (finance.txt) is never off topic: what is lost there is worse than what slips through.
"""

import re
from functools import cache
from pathlib import Path

from models.status.lists import lines_in

__all__ = ["forget_weights", "is_off_topic", "names_finance", "weight", "words_of"]

_FEWEST_WORDS = 5
_NAME = -9.0
_FILE = Path(__file__).with_name("words.tsv")
_LETTERS = re.compile(r"[A-Za-z]{2,}")


def _pattern(name: str, more: str = "") -> re.Pattern[str]:
    return re.compile(rf"{more}\b(?:{'|'.join(lines_in(name))})(?!\w)", re.IGNORECASE)


_COLUMN = _pattern("columns.txt")
_FINANCE = _pattern("finance.txt", "[$€£¥₹%]|")


@cache
def _weights() -> dict[str, float]:
    with _FILE.open(encoding="utf-8") as lines:
        return {word: float(weight) for word, _, weight in (line.rstrip("\n").partition("\t") for line in lines)}


def forget_weights() -> None:
    """Read words.tsv again at the next text."""
    _weights.cache_clear()


def names_finance(text: str) -> bool:
    """Tell whether something of finance.txt stands in the text."""
    return _FINANCE.search(text) is not None


def words_of(text: str) -> list[str]:
    """Return the runs of two or more letters a-z of a text, in lower case."""
    return _LETTERS.findall(text.lower())


def weight(text: str) -> float | None:
    """Return the sum of the weights of a text's words, above 0 for off topic; None where fewer than five are known.

    An unknown word with a capital is most often the name of a company and weighs -9, as two words of finance do.
    On four known words nothing is decided: "Mars to swallow Kellanova".
    """
    table = _weights()
    known, total = 0, 0.0
    for word in _LETTERS.findall(text):
        found = table.get(word.lower())
        if found is not None:
            known += 1
            total += found
        elif word[0].isupper():
            total += _NAME
    return total if known >= _FEWEST_WORDS else None


def is_off_topic(text: str) -> bool:
    """Tell whether a cleaned English text is surely no financial news."""
    if names_finance(text):
        return False
    if _COLUMN.search(text):
        return True
    found = weight(text)
    return found is not None and found > 0
