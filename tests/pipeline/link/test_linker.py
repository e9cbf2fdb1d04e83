"""Relevance, versions, and the gazetteer that ships."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.link import open_linker
from pipeline.link.gazetteer import BUNDLED, COLUMNS, load, read_entities
from pipeline.link.linker import relevance

HEADER = ",".join(COLUMNS)


def _extra(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "entities.csv"
    path.write_text("\n".join((HEADER, *rows)) + "\n", encoding="utf-8")
    return path


def test_the_article_itself_comes_first_found_or_not() -> None:
    linker = open_linker()
    assert [m.entity_id for m in linker.link("Nothing to see here").mentions] == [""]
    assert [m.entity_id for m in linker.link("Boeing and Airbus agree").mentions] == ["", "co:boeing", "co:airbus"]


def test_one_mention_an_entity_at_its_first_place() -> None:
    mention = open_linker().link("Boeing jets grounded", "Boeing said so. Boeing regrets.").mentions[1]
    assert (mention.surface, mention.start, mention.end, mention.relevance) == ("Boeing", 0, 6, 1.0)


def test_relevance_orders_places_as_a_reader_would() -> None:
    early, late = relevance([0], 60, 200, 1), relevance([50], 60, 200, 1)
    in_summary, repeated = relevance([61], 60, 200, 1), relevance([50, 70, 90], 60, 200, 1)
    assert early > late > in_summary > relevance([190], 60, 200, 1)
    assert late < repeated <= 1
    assert relevance([0], 60, 200, 6) == pytest.approx(early / 2)


def test_an_entity_file_adds_names_and_changes_the_version(tmp_path: Path) -> None:
    path = _extra(tmp_path, "demo:tolva,Tolva Systems,company,technology,,TLVA,Tolva|Old Tolva,XX")
    linker, plain = open_linker([path]), open_linker()
    assert linker.link("Old Tolva stumbles; $TLVA down").mentions[1].entity_id == "demo:tolva"
    assert linker.version != plain.version
    assert plain.version == open_linker().version


@pytest.mark.parametrize(
    ("row", "named"),
    [("x,,company,,,,,", "line 2"), ("x,X,ghost,,,,,", "ghost"), ("x,X,,,,,,", "kind"),
     ("x,X,company,,,,Y [20-20],", "line 2.*20-20"), ("x,X,company,,,Z [..2020],,", "line 2.*2020")],
)  # fmt: skip
def test_a_broken_row_is_named(tmp_path: Path, row: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_entities(_extra(tmp_path, row))


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "entities.csv"
    path.write_text("entity_id,name\n", encoding="utf-8")
    with pytest.raises(InputError, match="aliases"):
        read_entities(path)


def test_the_bundled_gazetteer_is_large_and_sound() -> None:
    entities = load().entities
    kinds = [entity.kind for entity in entities.values()]
    assert kinds.count("company") >= 5000
    assert kinds.count("central_bank") >= 25
    assert kinds.count("person") >= 150
    assert sum(bool(entity.parent) for entity in entities.values()) >= 200
    assert sum(".." in alias for entity in entities.values() for alias in entity.aliases) >= 60
    assert sum(path.stat().st_size for path in BUNDLED.glob("*.csv")) < 1_500_000
    assert all(kinds.count(kind) >= 20 for kind in ("institution", "currency", "commodity", "index"))
    parents = {entity.parent for entity in entities.values() if entity.parent}
    assert parents <= entities.keys()
