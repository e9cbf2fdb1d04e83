"""`python -m tests.benchmarks.show_linking`: how right linking and themes are, the tables of docs/link.md."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.link import open_linker
from pipeline.link.linker import Linker
from tests.benchmarks import cashtags
from tests.pipeline.link.labelled import SAMPLES, Counts, Headline, count, found_themes, held, linked_entities
from tests.pipeline.link.labelled import linking as linking_sample
from tests.pipeline.link.labelled import themes as theme_sample


def main() -> None:
    """Print all tables as Markdown; the cashtags only where the training data is at hand."""
    linker = open_linker()
    print("\n".join(linking_table(linker, linking_sample())))
    print()
    print("\n".join(cashtag_table(linker)))
    print()
    print("\n".join(theme_table(open_linker([SAMPLES / "theme_entities.csv"]), theme_sample())))


def linking_table(linker: Linker, sample: list[Headline]) -> list[str]:
    """Precision and recall of both halves, and of each kind of headline over both."""
    lines = ["| headlines | n | pairs | precision | recall |", "|---|---|---|---|---|"]
    parts = [(f"**{'held back' if which else 'tuned on'}**", held(sample, which)) for which in (True, False)]
    parts += [(kind, [h for h in sample if h.kind == kind]) for kind in sorted({h.kind for h in sample})]
    for name, part in parts:
        lines.append(_row(name, len(part), count((h.truth, linked_entities(linker, h)) for h in part)))
    return lines


def cashtag_table(linker: Linker) -> list[str]:
    """Of the cashtags of the training tweets, how many the names alone find."""
    path = Path(os.environ.get("BAROGRAPH_SHARED_DATA", "../shared/data")) / "twitter_fin_sentiment" / "sent_train.csv"
    if not path.is_file():
        return [f"(cashtag tweets: {path.name} is not here; set BAROGRAPH_SHARED_DATA)"]
    seen = cashtags.counts(cashtags.measure(linker, cashtags.tweets(path)))
    named, unnamed = seen[True, True] + seen[True, False], seen[False, True] + seen[False, False]
    return [
        "| cashtags removed | n | found by name |",
        "|---|---|---|",
        f"| the text still names the company | {named} | {seen[True, True]} ({seen[True, True] / named:.1%}) |",
        f"| it does not | {unnamed} | {seen[False, True]} ({seen[False, True] / unnamed:.1%}) |",
    ]


def theme_table(linker: Linker, sample: list[Headline]) -> list[str]:
    """Precision and recall of the article's themes in both halves, towards the company, and theme by theme."""
    lines = ["| themes | n | pairs | precision | recall |", "|---|---|---|---|---|"]
    for which in (True, False):
        part = held(sample, which)
        name = "held back" if which else "tuned on"
        lines.append(_row(f"**{name}**", len(part), count((h.truth, found_themes(linker, h)) for h in part)))
        lines.append(_row(f"{name}, towards the company", len(part), count(_towards(linker, part))))
    for theme in linker.themes.names:
        only = frozenset({theme})
        counts = count((h.truth & only, found_themes(linker, h) & only) for h in sample)
        lines.append(_row(theme, sum(theme in h.truth for h in sample), counts))
    return lines


def _towards(
    linker: Linker, part: Iterable[Headline]
) -> Iterable[tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]]:
    for headline in part:
        found = linker.link(headline.title).themes
        yield headline.towards, frozenset((entity, theme) for entity, theme in found if entity)


def _row(name: str, n: int, counts: Counts) -> str:
    pairs = sum(counts.right) + sum(counts.missed)
    shown = [
        f"{value:.3f} ({low:.3f}–{high:.3f})"
        for value, (low, high) in zip((counts.precision, counts.recall), counts.intervals(), strict=True)
    ]
    return f"| {name} | {n} | {pairs} | {shown[0]} | {shown[1]} |"


if __name__ == "__main__":
    main()
