"""Reads the word lists of this folder: plain text, where a line that begins with # says what the list is."""

from pathlib import Path

__all__ = ["lines_in", "words_in"]


def lines_in(name: str) -> list[str]:
    """Return the lines of a list that are neither empty nor a comment."""
    raw = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return [line for line in raw if line and not line.startswith("#")]


def words_in(name: str) -> frozenset[str]:
    """Return the words of a list, however they are spread over its lines."""
    return frozenset(" ".join(lines_in(name)).split())
