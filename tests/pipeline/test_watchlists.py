"""Watch-lists: tiers, lookups, and files that name their mistake."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline import watchlists
from pipeline.errors import RulesError
from pipeline.link.gazetteer import load as gazetteer
from pipeline.settings import file_or_default

TEXT = """
[watchlists.core]
owner = "Desk"
tier1 = ["t:holt"]
tier2 = ["t:maar", "t:tolva"]
[watchlists.more]
owner = "Risk"
tier1 = ["t:maar"]
"""


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "watchlists.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_best_tier_of_all_lists_counts(tmp_path: Path) -> None:
    lists = watchlists.load(_file(tmp_path, TEXT))
    assert [lists.tier_of(i) for i in ("t:holt", "t:maar", "t:tolva", "t:none")] == [1, 1, 2, None]
    assert lists.entities() == {"t:holt", "t:maar", "t:tolva"}
    assert [one.owner for one in lists.holding("t:maar")] == ["Desk", "Risk"]
    core = lists.named("core")
    assert core is not None
    assert core.tier_of("t:maar") == 2
    assert lists.named("absent") is None


def test_unknown_ids_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        watchlists.load(_file(tmp_path, TEXT), known={"t:holt", "t:maar"})
    assert "t:tolva" in caplog.text
    assert "t:holt" not in caplog.text


def test_an_empty_file_watches_nobody(tmp_path: Path) -> None:
    assert watchlists.load(_file(tmp_path, "")).entities() == frozenset()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[lists.a]\n", "lists"),
        ("[watchlists.a]\ntier3 = []\n", "tier3"),
        ("[watchlists.a]\ntier1 = 'x'\n", "tier1"),
        ("[watchlists.a]\nowner = 3\n", "owner"),
        ("[watchlists.a]\ntier1 = ['x']\ntier2 = ['x']\n", "Keep one"),
        ("watchlists = 3\n", "watchlists.NAME"),
        ("[watchlists\n", "cannot be read"),
    ],
)
def test_mistakes_are_named_with_the_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(RulesError, match=named) as caught:
        watchlists.load(_file(tmp_path, text))
    assert "watchlists.toml" in str(caught.value)


def test_the_bundled_lists_name_entities_that_exist() -> None:
    lists = watchlists.load(file_or_default(Path("watchlists.toml")))
    assert lists.unknown(gazetteer().entities) == ()
    assert {lists.tier_of(i) for i in lists.entities()} == {1, 2}
