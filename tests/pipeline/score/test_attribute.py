"""attributions: the newest negative rows get their words, few a run, once; and nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models import Item
from models.errors import WeightsCorrupt
from models.explanation import Explanation, Word
from pipeline.context import Context, Report
from pipeline.score.attribute import MOST_WORDS, PER_RUN, Explains, attribute, strongest
from pipeline.score.choose import Chosen
from pipeline.score.stage import explain_waiting, run
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.support.fakes import WordScorer
from tests.support.rows import add_articles, add_mentions

KNOWN = datetime(2026, 3, 3, 11, tzinfo=UTC)


@dataclass
class WordExplainer:
    """Every word weighs its length, the second the other way."""

    model_version: str = "words@1"
    asked: list[Item] = field(default_factory=list)

    def explain(self, items: Sequence[Item], *, predicted: bool = True, tolerance: float = 0.02) -> list[Explanation]:
        self.asked += items
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Explanation:
        words, at = [], 0
        for n, text in enumerate(item.text.split()):
            at = item.text.index(text, at)
            words.append(Word(text, at, at + len(text), len(text) / 100 * (-1 if n == 1 else 1), 0.0))
        sure = (0.9, 0.06, 0.04)
        return Explanation(item, self.model_version, sure, (0.1, 0.8, 0.1), tuple(words), 0.0, 0.0, 24, False)


def score(context: Context, explainer: WordExplainer, artifact: str | None = "words") -> Report:
    """One run of the stage with both fakes."""

    def load(artifact: str, device: str, model_version: str) -> Explains | None:
        return explainer if model_version == explainer.model_version else None

    return run(context, scorer=WordScorer(), artifact=artifact, explain=load)


def kept(context: Context, columns: str) -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute(f"SELECT {columns} FROM attributions ORDER BY ALL").fetchall()


def test_negative_rows_get_their_words_once(context: Context) -> None:
    articles = [
        {"article_id": "bad", "title": "Heavy loss again"},
        {"article_id": "good", "title": "Record profit"},
        {"article_id": "unsure", "title": "Maybe a loss"},
        {"article_id": "form", "title": "Loss", "kind": "filing"},
    ]
    add_articles(context.warehouse, articles, KNOWN)
    add_mentions(context.warehouse, [("bad", "co:x", 0.9)])
    explainer = WordExplainer()
    assert score(context, explainer).counts["explained"] == 2
    assert kept(context, 'article_id, entity_id, model_version, start, "end", round(weight, 2)') == [
        ("bad", entity, "words@1", start, end, weight)
        for entity in ("", "co:x")
        for start, end, weight in ((0, 5, 0.05), (6, 10, -0.04), (11, 16, 0.05))
    ]
    assert [item.entity for item in explainer.asked] == [None, "CO:X"]
    assert "explained" not in score(context, explainer).counts
    assert len(explainer.asked) == 2


def test_words_may_wait_until_the_alert_is_out(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a", "title": "Heavy loss again"}], KNOWN)

    def load(name: str, device: str) -> WordScorer:
        return WordScorer()

    def explainer(artifact: str, device: str, model_version: str) -> Explains:
        return WordExplainer()

    assert run(context, load=load, explain=explainer, words=False).counts == {"scored": 1}
    assert kept(context, "article_id") == []
    assert explain_waiting(context, load=load, explain=explainer).counts == {"explained": 1}
    assert len(kept(context, "article_id")) == 3
    assert explain_waiting(context, load=load, explain=explainer).counts == {}


def test_on_both_stores(warehouse_setting: str, settings: Settings, clock: MovableClock) -> None:
    warehouse = Warehouse(warehouse_setting, clock, 10)
    warehouse.prepare()
    context = Context(settings, warehouse, clock)
    titles = ["Loss", "Actress stuns in emerald gown on red carpet", "Actress stuns in scarlet gown on red carpet"]
    add_articles(warehouse, [{"article_id": f"a{n}", "title": title} for n, title in enumerate(titles)], KNOWN)
    add_mentions(warehouse, [("a2", "co:x", 0.9)])
    report = score(context, WordExplainer())
    assert report.counts == {"scored": 3, "not_financial": 1, "explained": 1}
    assert kept(context, "article_id, entity_id, round(weight, 2)") == [("a0", "", 0.04)]


def test_a_run_explains_few_and_the_next_goes_on(context: Context) -> None:
    articles = [
        {"article_id": f"a{n:02}", "title": f"Loss of the {n}th", "known_at": KNOWN + timedelta(minutes=n)}
        for n in range(PER_RUN + 3)
    ]
    add_articles(context.warehouse, articles, KNOWN)
    explainer = WordExplainer()
    assert score(context, explainer).counts["explained"] == PER_RUN
    assert ("a00",) not in kept(context, "DISTINCT article_id")
    assert score(context, explainer).counts["explained"] == 3
    assert len(kept(context, "DISTINCT article_id")) == PER_RUN + 3


def test_old_articles_are_explained_on_demand_only(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "old", "title": "Loss"}], KNOWN - timedelta(days=9))
    explainer = WordExplainer()
    assert "explained" not in score(context, explainer).counts
    assert explainer.asked == []


def test_an_imported_row_hands_on_when_it_was_known(context: Context) -> None:
    before = KNOWN - timedelta(hours=5)
    add_articles(context.warehouse, [{"article_id": "a", "title": "Loss", "imported": True}], before)
    score(context, WordExplainer())
    assert kept(context, "DISTINCT known_at, recorded_at") == [(before, context.clock())]


def test_without_the_artifact_of_this_version_nothing_is_explained(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a", "title": "Loss"}], KNOWN)
    other, nowhere = WordExplainer("other@1"), WordExplainer()
    score(context, other)
    score(context, nowhere, artifact=None)
    assert kept(context, "article_id") == []
    assert other.asked == nowhere.asked == []


def test_a_broken_explainer_is_told_and_stops_nothing(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a", "title": "Loss"}], KNOWN)

    def broken(artifact: str, device: str, model_version: str) -> Explains | None:
        raise WeightsCorrupt("the weights are cut; restore them")

    report = run(context, scorer=WordScorer(), artifact="words", explain=broken)
    assert report.counts["scored"] == 1
    assert "no words were kept: the weights are cut; restore them" in report.notes


def test_it_can_be_switched_off(context: Context) -> None:
    add_articles(context.warehouse, [{"article_id": "a", "title": "Loss"}], KNOWN)
    explainer, report = WordExplainer(), Report("score")
    run(context, scorer=WordScorer())
    attribute(context, Chosen(WordScorer(), "words"), lambda *_: explainer, report, most=0)  # type: ignore[misc]
    assert explainer.asked == []


def test_the_strongest_words_either_way_that_can_be_found() -> None:
    words = [Word(str(n), n if n != 3 else -1, n + 1, 0.1 * n * (-1) ** n, 0.0) for n in range(12)]
    assert [word.text for word in strongest(words)] == ["11", "10", "9", "8", "7", "6", "5", "4"]
    assert len(strongest(words, most=2)) == 2
    assert MOST_WORDS == 8
