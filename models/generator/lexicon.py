"""The names and words of `lexicon.toml`, and the pool of companies the slots draw from."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("lexicon.toml")


@dataclass(frozen=True)
class Lexicon:
    """`invented` and `real`: company names; `tickers`: the known tickers of real ones; `words`: all other lists."""

    invented: tuple[str, ...]
    real: tuple[str, ...]
    tickers: dict[str, str]
    words: dict[str, tuple[str, ...]]

    def ticker(self, name: str) -> str:
        """Return the company's ticker, or one made of its first letters."""
        if name in self.tickers:
            return self.tickers[name]
        letters = "".join(c for c in name if c.isalpha() and c.isascii()).upper()
        return letters[: 3 + len(name) % 2] or "XYZ"


@cache
def lexicon() -> Lexicon:
    """Return the shipped lexicon."""
    raw = tomllib.loads(_FILE.read_text("utf-8"))
    pairs = [name.partition("=") for name in raw["real"]["companies"]]
    return Lexicon(
        invented=tuple(name for names in raw["companies"].values() for name in names),
        real=tuple(name for name, _, _ in pairs),
        tickers={name: ticker for name, _, ticker in pairs if ticker},
        words={key: tuple(values) for key, values in raw["words"].items()},
    )
