"""The rows of a pass: swapped names are names, all rows of a text change alike, and a pass can be made again."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from models.data import Example, Source
from models.generator import SOURCE
from models.generator.lexicon import lexicon
from models.mixture import mixture, swapped
from models.recipe import Settings

NEGATIVE, NEUTRAL, POSITIVE = 0, 1, 2
BOTH = "Infosys beats Wipro as Nifty slips"
ROWS = [
    Example(BOTH, "Infosys", POSITIVE),
    Example(BOTH, "Wipro", NEGATIVE),
    Example(BOTH, "Nifty", NEGATIVE),
    Example("$AAPL down 3% after hours", sentiment=NEGATIVE),
    Example("Gold firms on weak dollar", "Gold", POSITIVE),
    Example("Central bank holds rates", sentiment=NEUTRAL),
]
SETTINGS = Settings(swap_names=0.5, generated=40)


def swap(rows: list[Example], share: float = 1.0, seed: int = 1) -> list[Example]:
    return swapped(rows, share, Random(seed))


def test_companies_and_cashtags_get_other_names_and_keep_their_labels() -> None:
    found = swap(ROWS)
    assert [(row.sentiment, row.topic) for row in found] == [(row.sentiment, row.topic) for row in ROWS]
    names = set(lexicon().invented) | set(lexicon().real)
    for before, after in zip(ROWS[:2], found[:2], strict=True):
        assert after.entity in names
        assert after.entity in after.text
        assert before.entity not in after.text
    assert found[3].text != ROWS[3].text
    assert found[3].text.startswith("$")


def test_all_rows_of_a_text_change_alike() -> None:
    assert len({row.text for row in swap(ROWS)[:3]}) == 1


def test_indices_commodities_and_texts_without_names_stay() -> None:
    found = swap(ROWS)
    assert found[2].entity == "Nifty"
    assert "Nifty" in found[2].text
    assert found[4:] == ROWS[4:]


def test_a_name_inside_a_word_or_a_new_name_is_not_replaced() -> None:
    row = Example("Visage and Visa part ways", "Visa", NEUTRAL)
    for seed in range(20):
        (found,) = swap([row], seed=seed)
        assert found.text == f"Visage and {found.entity} part ways"


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_the_share_of_texts_is_as_asked(share: float) -> None:
    rows = [Example(f"$AAPL falls {number}%", sentiment=NEGATIVE) for number in range(800)]
    changed = sum(before != after for before, after in zip(rows, swap(rows, share), strict=True))
    assert changed / len(rows) == pytest.approx(share, abs=0.06)


def test_a_pass_can_be_made_again_and_differs_from_the_next() -> None:
    first, again, second = (mixture(ROWS, SETTINGS, number) for number in (1, 1, 2))
    assert first == again
    assert [row.text for row in first if row.source == SOURCE] != [row.text for row in second if row.source == SOURCE]
    assert len(first) == len(ROWS) + SETTINGS.generated


def test_without_either_the_rows_are_those_given() -> None:
    assert mixture(ROWS, Settings(), 1) == ROWS


def test_generated_text_near_an_evaluation_set_is_left_out(tmp_path: Path) -> None:
    texts: defaultdict[str, int] = defaultdict(int)
    for row in mixture(ROWS, replace(SETTINGS, swap_names=0.0), 1)[len(ROWS) :]:
        texts[row.text] += 1
    path = tmp_path / "final.csv"
    held = list(texts)[:5]
    path.write_text("text\n" + "".join(f'"{text.replace(chr(34), chr(34) * 2)}"\n' for text in held), "utf-8")
    found = mixture(ROWS, replace(SETTINGS, swap_names=0.0), 1, [Source(path)])
    assert not set(held) & {row.text for row in found}
