"""Sentences written by hand: the file holds to its rules, and its rows enter a pass as often as a recipe says."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from models import DEFAULT, SENTIMENTS, recipe
from models.data import UNLABELLED, Example, Source
from models.data import read as read_rows
from models.errors import DataInvalid, LabelsUnknown, RecipeInvalid
from models.generator import SOURCE as GENERATED
from models.generator import leaks, written
from models.generator.__main__ import main
from models.mixture import added, held_out, mixture
from models.recipe import Settings, checked
from models.text import twin_key
from pipeline.link.linker import open_linker

LABELS = Path(__file__).resolve().parents[2] / "docs" / "labels.md"
WEIGHTS = LABELS.parents[1] / "models" / "weights"
GIVEN = [Example("Central bank holds rates", sentiment=1)]
GOOD = ("Arvo shuts its mill", "negative", "Company | Product News", "Arvo", "negative", "fact")


def table(folder: Path, *rows: tuple[str, ...], columns: tuple[str, ...] = written.COLUMNS) -> Path:
    path = folder / "lines.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows((columns, *rows))
    return path


@pytest.fixture(scope="module")
def rows() -> list[Example]:
    return written.examples(written.load())


# Reading


def test_a_text_about_two_gives_its_article_once_and_a_row_for_each(tmp_path: Path) -> None:
    two = ("Arvo climbs, Belmo sinks", "neutral", "", "Arvo", "positive", "pair")
    path = table(tmp_path, two, (*two[:3], "Belmo", "negative", "pair"), ("Stocks rest", "neutral", "", "", "", "fact"))
    found = written.examples(written.read(path))
    assert [(row.text, row.entity, SENTIMENTS[row.sentiment]) for row in found] == [
        ("Arvo climbs, Belmo sinks", None, "neutral"),
        ("Arvo climbs, Belmo sinks", "Arvo", "positive"),
        ("Arvo climbs, Belmo sinks", "Belmo", "negative"),
        ("Stocks rest", None, "neutral"),
    ]
    assert {(row.source, row.news, row.topic) for row in found} == {(written.SOURCE, True, UNLABELLED)}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (("Arvo shuts", "bad", "", "", "", "fact"), LabelsUnknown),
        (("Arvo shuts", "negative", "Weather", "", "", "fact"), LabelsUnknown),
        (("Arvo shuts", "negative", "", "Arvo", "", "fact"), LabelsUnknown),
        (("Arvo shuts", "negative", "", "Arv", "negative", "fact"), DataInvalid),
        (("Arvo shuts", "negative", "", "", "negative", "fact"), DataInvalid),
        (("", "negative", "", "", "", "fact"), DataInvalid),
        (("Arvo shuts", "negative", "", "", "", ""), DataInvalid),
        (("Arvo shuts", "negative", ""), DataInvalid),
        (GOOD, DataInvalid),
        ((GOOD[0], "neutral", *GOOD[2:3], "", "", "fact"), DataInvalid),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(tmp_path: Path, row: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error, match=r"lines\.csv line 3"):
        written.read(table(tmp_path, GOOD, row))


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="must have the columns"):
        written.read(table(tmp_path, GOOD[:3], columns=("text", "sentiment", "topic")))


# The shipped file


def test_there_are_thousands_and_no_text_is_a_twin_but_for_its_figures(rows: list[Example]) -> None:
    texts = {row.text for row in rows}
    assert len(written.load()) >= 3_000
    assert len({twin_key(text) for text in texts}) > 0.97 * len(texts)
    assert len({re.sub(r"\s+", " ", text.casefold()) for text in texts}) == len(texts)


def test_texts_are_whole_and_of_headline_length(rows: list[Example]) -> None:
    for row in rows:
        assert row.text == row.text.strip(), row.text
        assert not re.search(r"[{}\[\]|]|  |\.\.", row.text), row.text
        assert 10 < len(row.text) < 240, row.text


def test_no_label_is_thin_in_articles_or_entities(rows: list[Example]) -> None:
    for chosen in ([row for row in rows if row.entity is None], [row for row in rows if row.entity]):
        shares = Counter(SENTIMENTS[row.sentiment] for row in chosen)
        assert all(0.2 < shares[label] / shares.total() < 0.5 for label in SENTIMENTS), shares


def test_a_name_is_no_sign_of_a_label(rows: list[Example]) -> None:
    seen: dict[str, list[int]] = {}
    for row in rows:
        seen.setdefault(row.entity or "", []).append(row.sentiment)
    often = {name: labels for name, labels in seen.items() if name and len(labels) >= 5}
    assert len(often) > 80
    alike = [name for name, labels in often.items() if len(set(labels)) == 1]
    assert len(alike) < 0.1 * len(often), alike


def test_no_name_of_the_labels_or_the_demo_is_used(rows: list[Example]) -> None:
    root = LABELS.parents[1]
    with (root / "demo" / "archive" / "entities.csv").open(encoding="utf-8", newline="") as stream:
        demo = {row["name"] for row in csv.DictReader(stream) if row["kind"] == "company"}
    examples = {"Arden Mills", "Brackwell", "Corvane", "Dunmore Rail", "Estwick", "Fenhall", "Garrow Bank", "Hexton",
                "Ilmar", "Juniper Freight", "Kestrel Lines"}  # fmt: skip
    assert all(name in LABELS.read_text("utf-8") for name in examples)
    used = re.compile(rf"\b(?:{'|'.join(re.escape(name) for name in sorted(demo | examples))})\b")
    assert [row.text for row in rows if used.search(row.text)] == []


def test_the_linker_finds_no_listed_company_and_nobody_known(rows: list[Example]) -> None:
    linker = open_linker()
    kinds = {entity_id: entity.kind for entity_id, entity in linker.gazetteer.entities.items()}
    for text in dict.fromkeys(row.text for row in rows):
        found = [one.surface for one in linker.link(text).mentions if kinds.get(one.entity_id) in ("company", "person")]
        assert found == [], text


def test_no_line_comes_near_the_challenge_suite(rows: list[Example]) -> None:
    found = leaks(rows, [])
    assert (found.twins, found.overlaps) == (0, 0)


def test_hardly_a_line_comes_near_an_evaluation_text(rows: list[Example], shared_data: Path) -> None:
    files = [
        Source(shared_data / "twitter_fin_sentiment" / "sent_valid.csv"),
        Source(shared_data / "twitter_fin_topic" / "valid_data.csv"),
        Source(shared_data / "sentfin" / "valid.csv", columns={"text": "headline"}),
    ]
    found = leaks(rows, files)
    assert found.checked > 7_000
    assert found.twins + found.overlaps < 0.002 * found.texts


def test_what_the_shipped_model_read_stands_first_in_the_file() -> None:
    """By its card: so its recipe reads the same again, though the file has grown."""
    before = written.sha256_of(recipe.load(DEFAULT, LABELS.parent).settings.written_lines)
    card = (WEIGHTS / DEFAULT / "MODEL_CARD.md").read_text("utf-8")
    assert f"barograph/written (Apache-2.0, of this project), sha256 `{before}`" in card


def test_a_recipe_reads_the_first_lines_only() -> None:
    few = written.examples(written.load()[:40])
    assert len(mixture([], Settings(written=1, written_lines=40, dev_share=0), 1)) == len(few)
    assert added(Settings(written=1, written_lines=40, dev_share=0)) == len(few)


# In a training


def test_a_recipe_asks_for_them_by_true_or_a_number() -> None:
    assert checked({"written": True}, "here").written == 1.0
    assert checked({"written": 0.5}, "here").written == 0.5
    with pytest.raises(RecipeInvalid, match="written"):
        checked({"written": -1}, "here")


@pytest.mark.parametrize("times", [0.25, 1.0, 2.5])
def test_a_pass_holds_them_so_many_times(rows: list[Example], times: float) -> None:
    settings = Settings(written=times, dev_share=0)
    found = mixture(GIVEN, settings, 1)
    assert found[:1] == GIVEN
    assert len(found) - 1 == added(settings) == round(times * len(rows))
    assert {row.source for row in found[1:]} == {written.SOURCE}
    often = Counter((row.text, row.entity) for row in found[1:])
    assert max(often.values()) == -(-times // 1)
    assert min(often.values()) >= max(1, times // 1)


def test_those_held_out_stand_in_no_pass(rows: list[Example]) -> None:
    settings = Settings(written=1, dev_share=0.1)
    kept, read = held_out(settings), mixture([], settings, 1)
    assert 0.05 * len(rows) < len(kept) < 0.15 * len(rows)
    assert sorted({(row.text, row.entity or "") for row in (*kept, *read)}) == sorted(
        (row.text, row.entity or "") for row in rows
    )
    assert not {twin_key(row.text) for row in kept} & {twin_key(row.text) for row in read}
    assert added(settings) == len(read)
    assert held_out(Settings(dev_share=0.1)) == []


def test_without_them_a_pass_is_what_it_was() -> None:
    settings = Settings(swap_names=0.5, generated=30)
    assert added(settings) == 30
    before, after = (mixture(GIVEN, one, 1) for one in (settings, Settings(swap_names=0.5, generated=30, written=1)))
    assert after[: len(before)] == before
    assert {row.source for row in before[1:]} == {GENERATED}


def test_a_part_of_them_differs_from_pass_to_pass() -> None:
    first, again, second = (mixture([], Settings(written=0.1), number) for number in (1, 1, 2))
    assert first == again
    assert {row.text for row in first} != {row.text for row in second}


def test_their_names_are_swapped_too(rows: list[Example]) -> None:
    found = mixture([], Settings(written=1, swap_names=1.0, dev_share=0), 1)
    changed = [row for row in found if row.made_of]
    assert len(changed) > 0.4 * len(rows)
    assert all(row.entity is None or row.entity in row.text for row in found)


def test_what_comes_near_an_evaluation_text_is_left_out(rows: list[Example], tmp_path: Path) -> None:
    held = list(dict.fromkeys(row.text for row in rows))[:5]
    path = tmp_path / "final.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], *([text] for text in held)])
    found = mixture([], Settings(written=1, dev_share=0), 1, [Source(path)])
    assert not set(held) & {row.text for row in found}
    assert len(found) > 0.98 * len(rows)


# The command


def test_the_command_counts_shows_and_writes_them(
    rows: list[Example], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.csv"
    assert main(["--written", "--stats", "--show", "7", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    texts, entities = (next(line.split() for line in lines if line.startswith(head)) for head in ("all t", "entities"))
    assert int(texts[-1]) + int(entities[-1]) == len(rows)
    assert sum(line.split()[0] in SENTIMENTS for line in lines) == 7
    assert read_rows(Source(out, name=written.SOURCE, news=True)) == rows
