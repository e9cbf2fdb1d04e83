"""Linking and themes on the labelled headlines: the halves held back from tuning keep what docs/link.md promises."""

from __future__ import annotations

import csv

import pytest

from pipeline.link import open_linker
from pipeline.link.themes import load_themes
from tests.pipeline.link.labelled import (
    SAMPLES,
    Counts,
    count,
    found_themes,
    held,
    linked_entities,
    linking,
    themes,
)


def test_the_samples_are_large_and_each_headline_stands_once() -> None:
    assert len(linking()) >= 420
    assert len(themes()) >= 320
    for name in ("linking", "themes"):
        with (SAMPLES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            keys = [(row["title"], row.get("date", "")) for row in csv.DictReader(file)]
        assert len(keys) == len(set(keys))
    for sample in (linking(), themes()):
        assert 0.4 < len(held(sample, True)) / len(sample) < 0.6


def test_the_labels_are_themes_that_exist() -> None:
    assert {theme for one in themes() for theme in one.truth} == set(load_themes().names)


def test_linking_on_the_half_held_back() -> None:
    linker = open_linker()
    counts = count((one.truth, linked_entities(linker, one)) for one in held(linking(), True))
    assert counts.precision >= 0.95
    assert counts.recall >= 0.85


def test_themes_on_the_half_held_back() -> None:
    linker = open_linker([SAMPLES / "theme_entities.csv"])
    part = held(themes(), True)
    counts = count((one.truth, found_themes(linker, one)) for one in part)
    assert counts.precision >= 0.9
    assert counts.recall >= 0.8
    towards = count((one.towards, frozenset(t for t in linker.link(one.title).themes if t[0])) for one in part)
    assert towards.precision >= 0.9


def test_counting_and_its_intervals() -> None:
    a, b = frozenset("ab"), frozenset("bc")
    counts = count([(a, b), (a, a)])
    assert counts == Counts((1, 2), (1, 0), (1, 0))
    assert (counts.precision, counts.recall) == (0.75, 0.75)
    low, high = counts.intervals()[0]
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(1.0)
