"""Generated training text: what a template means, what comes out of it, and that no evaluation text comes near."""

import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from models import SENTIMENTS
from models import challenge as suite
from models.data import UNLABELLED, Example, Source, read
from models.errors import DataInvalid, LabelsUnknown
from models.generator import SOURCE, Made, Template, generate, grammar, leaks, load, make
from models.generator.__main__ import main, stats
from models.generator.lexicon import lexicon
from models.generator.plan import shares
from models.generator.surface import Draft, finish
from models.taxonomy import taxonomy
from models.text import twin_key

LABELS = Path(__file__).resolve().parents[2] / "docs" / "labels.md"
TRIPLES = [("lo", "mid", "hi"), ("plo", "pmid", "phi"), ("nlo", "nmid", "nhi"), ("elo", "emid", "ehi"),
           ("vlo", "vmid", "vhi"), ("price_lo", "price_mid", "price_hi")]  # fmt: skip


def template(text: str, label: str = "positive", entities: dict[str, str] | None = None, topic: str | None = None,
             rule: str = "S8") -> Template:  # fmt: skip
    return Template("here #1", rule, text, label, entities or {}, topic, grammar.parse(text))


def made(text: str, seed: int = 1, **more: dict[str, str]) -> Made:
    return make(template(text, **more), Random(seed), noise=False)


@pytest.fixture(scope="module")
def rows() -> list[Example]:
    return generate(20_000, seed=7)


@pytest.fixture(scope="module")
def each() -> list[Made]:
    """Every shipped template three times."""
    return [make(one, Random(f"{number}:{again}")) for number, one in enumerate(load()) for again in range(3)]


# The grammar


def test_alternatives_nest_and_may_be_empty() -> None:
    nodes = grammar.parse("a[ b[ c| d]|]")
    found = {"".join(str(part) for part in grammar.expand(nodes, Random(seed))) for seed in range(40)}
    assert found == {"a", "a b c", "a b d"}


def test_a_bar_outside_brackets_is_a_bar() -> None:
    assert made("Stocks rise | Reuters").rows[0].text == "Stocks rise | Reuters"


@pytest.mark.parametrize(
    "text", ["open [a|b", "shut a]", "{nobody} rises", "{C rises", "C} rises", "{} rises", "{C9x}"]
)
def test_a_broken_template_is_refused(text: str) -> None:
    with pytest.raises(DataInvalid):
        grammar.parse(text)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ('rule = "S8"\ntext = "{C} up"\nlabel = "good"', LabelsUnknown),
        ('rule = "S8"\ntext = "{C} up"\nlabel = "positive"\nentities = { C = "up" }', LabelsUnknown),
        ('rule = "S8"\ntext = "{C} up"\nlabel = "positive"\ntopic = "Weather"', LabelsUnknown),
        ('rule = "T8"\ntext = "{C} up"\nlabel = "positive"', DataInvalid),
        ('rule = "S8"\ntext = "{C} up"\nlabel = "positive"\nentities = { D = "positive" }', DataInvalid),
        ('rule = "S8"\ntext = "{C} up"\nlabel = "positive"\nentities = { Fed = "neutral" }', DataInvalid),
        ('rule = "S8"\ntext = "{C} up"\nlabel = "positive"\nnote = "x"', DataInvalid),
        ('rule = "S8"\nlabel = "positive"', DataInvalid),
        ('rule = "S8"\ntext = "{C up"\nlabel = "positive"', DataInvalid),
        ('rule = "S8', DataInvalid),
    ],
)
def test_a_wrong_row_is_refused_by_its_name(tmp_path: Path, row: str, error: type[Exception]) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(f"[[template]]\n{row}\n", "utf-8")
    with pytest.raises(error, match=r"wrong\.toml"):
        grammar.read(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid, match="no templates"):
        load(tmp_path)


# One text


def test_rows_are_the_article_and_each_entity_as_written() -> None:
    one = made("{D} outruns {C}", entities={"C": "negative", "D": "positive"})
    text = one.rows[0].text
    first, second = text.split(" outruns ")
    assert [(row.text, row.entity, SENTIMENTS[row.sentiment]) for row in one.rows] == [
        (text, None, "positive"),
        (text, second, "negative"),
        (text, first, "positive"),
    ]
    assert {(row.source, row.news, row.topic) for row in one.rows} == {(SOURCE, True, UNLABELLED)}


def test_an_entity_the_expansion_leaves_out_is_not_asked_for() -> None:
    one = template("[Loss widens at {C}|Loss widens]", entities={"C": "negative"})
    sizes = {len(make(one, Random(seed)).rows) for seed in range(20)}
    assert sizes == {1, 2}


def test_a_name_written_in_the_text_can_be_asked_for_in_any_case() -> None:
    one = template("Fed hint cheers {X}", entities={"Fed": "neutral", "X": "positive"})
    asked = {make(one, Random(seed)).rows[1].entity for seed in range(120)}
    assert asked == {"Fed", "fed", "FED"}


def test_the_same_slot_keeps_its_value_and_a_numbered_one_differs() -> None:
    first, second, third = made("{C} / {C} / {D}").rows[0].text.split(" / ")
    assert first == second != third
    one, two = made("{metric}, {metric2}").rows[0].text.lower().split(", ")
    assert one != two


def test_amounts_of_one_text_are_of_one_currency() -> None:
    scale = r"[\d.,\s]+|(?:million|billion|mln|bln|mn|bn|[mMB])\b"
    for seed in range(60):
        amounts = made("{hi} and {lo} and {lo2}", seed).rows[0].text.split(" and ")
        assert len({re.sub(scale, "", amount) for amount in amounts}) == 1


def test_a_shouted_template_is_shouted_whole() -> None:
    text = made("{C} NET LOSS {lo} VS LOSS {hi}").rows[0].text
    assert text == text.upper()


def test_joints_are_mended() -> None:
    assert made("a  rise [|] , and a 8 percent fall .").rows[0].text == "A rise, and an 8 percent fall."
    assert (
        made("a US$5 note, a 11 pct rise, a 110 pct rise").rows[0].text == "A US$5 note, an 11 pct rise, a 110 pct rise"
    )


def test_a_possessive_is_not_doubled() -> None:
    assert finish(Draft("\ue000's view", [("R", "Moody's")]), Random(1), noise=False).text == "Moody's view"


def test_two_names_of_a_text_are_never_alike() -> None:
    for seed in range(300):
        names = made("{C} / {D} / {F} / {G} / {B}", seed).rows[0].text.lower().split(" / ")
        assert len({name.split()[0] for name in names}) == len(names)


# The shipped templates


def test_every_rule_stands_in_the_labels() -> None:
    known = set(re.findall(r"\*\*([SE]\d+)\.", LABELS.read_text("utf-8")))
    assert {one.rule for one in load()} <= known


def test_every_rule_of_sentiment_and_entity_has_templates() -> None:
    known = set(re.findall(r"\*\*([SE]\d+)\.", LABELS.read_text("utf-8")))
    assert known - {one.rule for one in load()} == set()


def test_templates_do_not_repeat_each_other() -> None:
    twice = [text for text, n in Counter(one.text for one in load()).items() if n > 1]
    assert twice == []


def test_smaller_is_smaller(each: list[Made]) -> None:
    compared = 0
    for one in each:
        for names in TRIPLES:
            for index in ("", "2", "3"):
                values = [one.figures[name + index].value for name in names if name + index in one.figures]
                compared += len(values) > 1
                assert values == sorted(set(values)), (one.template.name, one.rows[0].text)
    assert compared > 500


def test_every_text_is_whole(each: list[Made]) -> None:
    for one in each:
        for row in one.rows:
            assert not re.search(r"[{}\[\]\ue000-\uf8ff]|  |\bNone\b|\.\.(?!\.)", row.text), one.template.name
            assert row.entity is None or row.entity in row.text, one.template.name
            assert len(row.text) < 400, one.template.name


def test_entities_of_a_text_are_told_apart(each: list[Made]) -> None:
    for one in each:
        asked = [row.entity for row in one.rows if row.entity]
        assert len(asked) == len(set(asked)), (one.template.name, one.rows[0].text)


def test_no_company_of_the_labels_or_the_demo_is_a_slot_value() -> None:
    root = LABELS.parents[1]
    text = LABELS.read_text("utf-8") + (root / "demo" / "archive" / "entities.csv").read_text("utf-8")
    used = [name for name in lexicon().invented if re.search(rf"\b{re.escape(name)}\b", text)]
    assert used == []
    assert len(set(lexicon().invented)) > 700


# Many rows


def test_generation_repeats_itself_and_seeds_differ() -> None:
    assert generate(400, seed=3) == generate(400, seed=3)
    texts = {row.text for row in generate(400, seed=3)}
    assert len(texts & {row.text for row in generate(400, seed=4)}) < 20


def test_as_many_rows_as_asked_for_and_none_twice(rows: list[Example]) -> None:
    assert len(rows) == 20_000
    assert len({(row.text, row.entity) for row in rows}) == 20_000


def test_labels_are_a_third_each(rows: list[Example]) -> None:
    articles = Counter(SENTIMENTS[row.sentiment] for row in rows if row.entity is None)
    assert all(0.31 < n / articles.total() < 0.36 for n in articles.values())
    entities = Counter(SENTIMENTS[row.sentiment] for row in rows if row.entity is not None)
    assert all(0.27 < n / entities.total() < 0.40 for n in entities.values())


def test_texts_seldom_meet() -> None:
    pool = load()
    drawn = [make(pool[number % len(pool)], Random(number)).rows[0].text for number in range(20_000)]
    assert len(set(drawn)) > 15_000
    assert len({twin_key(text) for text in drawn}) > 15_000


def test_entities_of_one_text_often_disagree(rows: list[Example]) -> None:
    labels: dict[str, set[int]] = {}
    for row in rows:
        if row.entity is not None:
            labels.setdefault(row.text, set()).add(row.sentiment)
    assert sum(len(found) > 1 for found in labels.values()) > 0.15 * len(labels)


def test_rules_have_their_weight() -> None:
    weights = Counter[str]()
    pool = load()
    for one, share in zip(pool, shares(pool), strict=True):
        weights[one.rule] += share
    assert weights.total() == pytest.approx(1)
    assert weights["S13"] > 1.3 * weights["S25"]
    assert max(weights.values()) < 0.08


def test_few_templates_give_what_they_can() -> None:
    assert [row.text for row in generate(50, 1, (template("Stocks rise"),)) if row.text == "Stocks rise"] == [
        "Stocks rise"
    ]


def test_the_table_counts_each_template_once() -> None:
    last = stats(load()).splitlines()[-1].split()
    assert last[0] == "all"
    assert int(last[-1]) == len(load()) == sum(int(n) for n in last[1:-1])


# Leakage


def evaluation(folder: Path, *lines: str) -> Source:
    path = folder / "held.csv"
    path.write_text("\n".join(("text,entity,sentiment", *lines)) + "\n", "utf-8")
    return Source(path)


def test_a_twin_of_an_evaluation_text_is_dropped_with_all_its_rows(tmp_path: Path) -> None:
    one = Example("Arvo loss 4.1 mln vs 3.9 mln", None, 0)
    rows = [one, Example(one.text, "Arvo", 0), Example("Something else altogether", None, 1)]
    found = leaks(rows, [evaluation(tmp_path, '"ARVO loss 7.7 mln vs 9 mln!",,positive')], challenge=False)
    assert found.rows == rows[2:]
    assert (found.texts, found.checked, found.twins, found.overlaps) == (2, 1, 1, 0)


def test_a_text_that_differs_in_the_entity_alone_is_dropped(tmp_path: Path) -> None:
    rows = [Example("Arvo takes charge on idle wells", None, 0), Example("Arvo takes charge on idle wells", "Arvo", 0)]
    held = evaluation(tmp_path, "Belmo takes charge on idle wells,Belmo,negative")
    assert leaks(rows, [held], challenge=False).rows == []


def test_a_text_that_shares_most_of_its_words_in_order_is_dropped(tmp_path: Path) -> None:
    shared = "the group expects sales in its home market to fall clearly this year because of weak demand"
    held = evaluation(tmp_path, f"Yesterday {shared},,negative")
    found = leaks([Example(f"{shared} again", None, 0)], [held], challenge=False)
    assert (found.rows, found.overlaps) == ([], 1)


def test_names_are_not_what_tells_texts_apart(tmp_path: Path) -> None:
    text = "Arvo loses its oldest client to Belmo Oil & Gas"
    rows = [Example(text, None, 1), Example(text, "Arvo", 0), Example(text, "Belmo Oil & Gas", 2)]
    one = evaluation(tmp_path, "Arvo loses its oldest client to Dulvin,,negative")
    assert leaks(rows[:1] + rows[2:], [one], challenge=False).rows == []
    other = evaluation(tmp_path, "Arvo keeps its oldest client from Dulvin,,positive")
    assert leaks(rows, [other], challenge=False).rows == rows


def test_the_challenge_suite_is_held_against_the_rows() -> None:
    case = suite.load()[0]
    found = leaks([Example(case.text, None, 0)], [])
    assert not found.rows
    assert found.twins == 1


def test_hardly_a_generated_row_comes_near_an_evaluation_text(shared_data: Path) -> None:
    files = [
        Source(shared_data / "twitter_fin_sentiment" / "sent_valid.csv"),
        Source(shared_data / "twitter_fin_topic" / "valid_data.csv"),
        Source(shared_data / "sentfin" / "valid.csv", columns={"text": "headline"}),
    ]
    rows = generate(2_000, seed=1)
    found = leaks(rows, files)
    assert found.checked > 7_000
    assert (found.twins + found.overlaps) / found.texts < 0.02
    again = leaks(found.rows, files)
    assert len(again.rows) == len(found.rows)
    assert (again.twins, again.overlaps) == (0, 0)


# The command


def test_the_command_writes_what_training_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.csv"
    assert main(["--rows", "300", "--seed", "5", "--out", str(out)]) == 0
    found = read(Source(out, name=SOURCE, news=True))
    kept = leaks(generate(300, 5), []).rows
    assert found == kept
    assert f"{len(kept)} rows" in capsys.readouterr().out


def test_the_command_shows_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "12", "--rule", "E10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(line.split()[0] in SENTIMENTS for line in lines)


def test_the_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = ["--rows", "9", "--out", str(tmp_path / "x.csv"), "--against", str(tmp_path / "none.csv")]
    assert main(missing) == 2
    assert "none.csv" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_topics_are_given_where_the_template_says_so(rows: list[Example]) -> None:
    named = Counter(taxonomy().labels[row.topic] for row in rows if row.topic != UNLABELLED)
    assert len(named) == 20
