"""The page of a run: the lowest kinds first, every failure on it, and a status that follows the gate."""

from __future__ import annotations

from models.challenge import Case, Failure, Result, Tally
from models.challenge.__main__ import page

CASE = Case("1", "rumour", "open", "Velmont | said to seek a buyer", "Velmont", "positive", "S18")


def test_lowest_kinds_come_first_and_failures_are_listed() -> None:
    result = Result(
        "x", ("open",), (Tally("credit", "open", 4, 4), Tally("rumour", "open", 4, 1)),
        (Failure(CASE, "neutral", 0.8),),
    )  # fmt: skip
    text = page(result, "m@1", "python -m models.challenge")
    assert text.index("| rumour | 1 | 4 | 0.25 |") < text.index("| credit | 4 | 4 | 1.00 |")
    assert "**5 of 8 passed (0.625).**" in text
    assert "It is shut: " in text
    assert "| rumour | S18 | Velmont \\| said to seek a buyer | Velmont | positive | neutral |" in text
