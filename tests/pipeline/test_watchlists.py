"""Watch-lists: tiers, lookups, and files that name their mistake."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import watchlists
from pipeline.context import Context
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


FAMILY = """
[watchlists.core]
include_subsidiaries = true
tier1 = ["t:holt"]
tier2 = ["t:maar", "t:kid"]
[watchlists.up]
include_parents = true
tier1 = ["t:kid"]
[watchlists.plain]
tier1 = ["t:holt"]
"""
# holt owns kid and sub, sub owns grand, maar and grand own each other: a ring in the data must not hang us
PARENTS = {"t:kid": "t:holt", "t:sub": "t:holt", "t:grand": "t:sub", "t:maar": "t:ring", "t:ring": "t:maar"}


def test_a_list_takes_in_its_family_where_it_asks_for_it(tmp_path: Path) -> None:
    lists = watchlists.load(_file(tmp_path, FAMILY)).with_families(PARENTS)
    core, up, plain = lists.lists
    assert core.tier1 == {"t:holt", "t:sub", "t:grand"}
    assert core.tier2 == {"t:maar", "t:kid", "t:ring"}  # what the list names itself keeps its tier
    assert up.tier1 == {"t:kid", "t:holt"}
    assert plain.tier1 == {"t:holt"}


def test_parents_come_from_the_store(context: Context) -> None:
    rows = pa.table({"entity_id": ["t:kid", "t:holt"], "name": ["Kid", "Holt"], "parent": ["t:holt", ""]})
    context.warehouse.transact("catalogue", lambda tx: tx.upsert("entities", rows, ["entity_id"]))
    with context.warehouse.read() as con:
        assert watchlists.parents_of(con) == {"t:kid": "t:holt"}


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
        ("\n[lists.a]\n", ":2: lists"),
        ("[watchlists.a]\ntier3 = []\n", ":2: .*tier3"),
        ("[watchlists.a]\ntier1 = 'x'\n", ":2: .*tier1"),
        ("[watchlists.a]\n# who\nowner = 3\n", ":3: .*owner"),
        ("[watchlists.a]\ninclude_subsidiaries = 'yes'\n", ":2: .*include_subsidiaries"),
        ("[watchlists.a]\ntier1 = [\n 'x']\ntier2 = ['x']\n", ":4: .*Keep one"),
        ("[watchlists]\na = 3\n", ":2: .*must be a table"),
        ("watchlists = 3\n", ":1: .*watchlists.NAME"),
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
