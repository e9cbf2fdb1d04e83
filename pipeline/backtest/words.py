"""How a backtest is said in words, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.backtest.result import Alert, Result

__all__ = ["behind", "opening"]


def opening(result: Result) -> Iterator[str]:
    """What the figures are, and what they are not."""
    yield (
        f"SIMULATED: {result.rules} over {result.start:%Y-%m-%d} to {result.end:%Y-%m-%d} ({result.weeks:.0f} weeks,"
        f" {result.articles:,} articles), as known then"
    )
    yield f"model {result.model_version}, pinned; trained on: {result.trained_on}"
    yield "the model may have been trained on texts of this time or later: read alerts as an illustration of the rules"
    for note in result.notes:
        yield f"note: {note}"


def behind(alert: Alert, most: int) -> Iterator[str]:
    """The first articles behind an alert, and how many more there are."""
    for article in alert.articles[:most]:
        side = "−" if article["negative"] else "·"
        yield f"{side} {article['title']} ({article['publisher']}, {article['known_at']:%Y-%m-%d %H:%M})"
    if len(alert.articles) > most:
        yield f"and {len(alert.articles) - most} more"
