"""Promotion: a version's life in insert-only rows, a store that stays with its model, shadows that count nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.errors import WeightsCorrupt, WeightsMissing
from pipeline import promotion, score
from pipeline.aggregate import run as aggregate
from pipeline.context import Context, Report
from pipeline.errors import InputError, SettingsError
from pipeline.promotion import Known, Status, activate, active_model, agreement, history, known_models
from pipeline.score import backfill
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import Piece, put
from tests.support.fakes import WordScorer
from tests.support.rows import add_articles

KNOWN = datetime(2026, 3, 3, 11, tzinfo=UTC)


class Shelf:
    """Artifacts by name: what `models.scorer.load` finds, without weights."""

    def __init__(self, artifacts: Mapping[str, str]) -> None:
        self.artifacts = dict(artifacts)
        self.asked: list[str] = []

    def __call__(self, name: str, device: str) -> WordScorer:
        self.asked.append(name)
        if name not in self.artifacts:
            raise WeightsMissing(f"there is no model {name!r}")
        if self.artifacts[name] == "broken":
            raise WeightsCorrupt(f"{name} is cut")
        return WordScorer(self.artifacts[name])


def run(context: Context, **options: Any) -> Report:
    """One pass of `score` that explains nothing: these artifacts have no network to ask."""
    return score.run(context, explain=lambda artifact, device, model_version: None, **options)


def filled(setting: str, clock: MovableClock) -> Context:
    """A context with two articles; the settings name the artifact `first`."""
    settings = Settings(store={"warehouse": setting, "lock_timeout_s": 10}, model={"name": "first"})
    warehouse = Warehouse(settings.store.warehouse, clock, settings.store.lock_timeout_s)
    warehouse.prepare()
    add_articles(warehouse, [{"article_id": "a", "title": "Loss"}, {"article_id": "b", "title": "Profit"}], KNOWN)
    return Context(settings, warehouse, clock)


@pytest.fixture
def store(clock: MovableClock, tmp_path: Path) -> Context:
    return filled(f"duckdb:{tmp_path / 'store.duckdb'}", clock)


@pytest.fixture
def either(warehouse_setting: str, clock: MovableClock) -> Context:
    """The same on each engine in turn: for the tests that hold the SQL."""
    return filled(warehouse_setting, clock)


def named(context: Context, name: str) -> Context:
    """The same store under settings that name another artifact."""
    settings = context.settings.model_copy(update={"model": context.settings.model.model_copy(update={"name": name})})
    return Context(settings, context.warehouse, context.clock)


def promote(context: Context, scorer: WordScorer, artifact: str, **more: object) -> bool:
    backfill(context, scorer)
    return context.warehouse.transact(
        "models",
        lambda tx: activate(
            tx, scorer.model_version, scorer.negative_limit, actor="ann", reason="better", artifact=artifact, **more,  # type: ignore[arg-type]
        ),
    )  # fmt: skip


def make_shadow(context: Context, version: str, artifact: str) -> bool:
    return context.warehouse.transact(
        "models", lambda tx: promotion.shadow(tx, version, 0.5, actor="ann", reason="try", artifact=artifact)
    )


def retire(context: Context, version: str) -> bool:
    return context.warehouse.transact("models", lambda tx: promotion.retire(tx, version, actor="ann", reason="old"))


def standing(context: Context) -> dict[str, Status]:
    with context.warehouse.read() as con:
        return {model.model_version: model.status for model in known_models(con)}


def model(context: Context, version: str) -> Known:
    with context.warehouse.read() as con:
        return next(found for found in known_models(con) if found.model_version == version)


def scored(context: Context) -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute("SELECT model_version, count(*) FROM scores GROUP BY ALL ORDER BY ALL").fetchall()


def test_the_first_model_of_a_store_is_active_once_the_history_is_scored(store: Context) -> None:
    shelf = Shelf({"first": "words@1"})
    partial = run(store, load=shelf, since=KNOWN)
    assert (partial.notes, standing(store)) == ([], {})
    report = run(store, load=shelf)
    assert report.notes == ["words@1 is now the active model (first model)"]
    assert model(store, "words@1").artifact == "first"
    assert run(store, load=shelf).notes == []
    with store.warehouse.read() as con:
        assert len(history(con)) == 1, "a second run has nothing to say"


def test_another_name_in_the_settings_switches_nothing(store: Context) -> None:
    shelf = Shelf({"first": "words@1", "second": "words@2"})
    run(store, load=shelf)
    add_articles(store.warehouse, [{"article_id": "c"}], KNOWN)
    report = run(named(store, "second"), load=shelf)
    assert scored(store) == [("words@1", 3)], "the new article too is scored by the active model"
    assert standing(store) == {"words@1": Status.ACTIVE}
    assert len(report.notes) == 1
    assert "`barograph models promote second`" in report.notes[0]


def test_other_files_under_the_active_name_stop_the_scoring(store: Context) -> None:
    shelf = Shelf({"first": "words@1"})
    run(store, load=shelf)
    shelf.artifacts["first"] = "words@9"
    with pytest.raises(SettingsError, match=r"first is words@9, but words@1 is the active model.*models promote first"):
        run(store, load=shelf)
    assert scored(store) == [("words@1", 2)]
    with pytest.raises(SettingsError, match=r"not at first any more.*models promote second"):
        run(named(store, "second"), load=Shelf({"second": "words@2"}))


def test_a_store_that_kept_no_artifact_looks_where_the_settings_say(store: Context) -> None:
    run(store, scorer=WordScorer())
    assert model(store, "words@1").artifact is None
    assert run(store, load=Shelf({"first": "words@1"})).notes == []
    with pytest.raises(SettingsError, match="words@1 is the active model"):
        run(store, load=Shelf({"first": "words@2"}))


def test_a_version_scored_by_name_is_a_candidate(store: Context) -> None:
    run(store, load=Shelf({"first": "words@1"}))
    for _ in range(2):
        run(store, scorer=WordScorer("words@2"), artifact="second")
    assert standing(store) == {"words@1": Status.ACTIVE, "words@2": Status.CANDIDATE}
    assert model(store, "words@2").artifact == "second"
    assert scored(store) == [("words@1", 2), ("words@2", 2)]


def test_a_promotion_scores_the_history_switches_once_and_can_be_taken_back(
    store: Context, clock: MovableClock
) -> None:
    shelf = Shelf({"first": "words@1", "second": "words@2"})
    run(store, load=shelf)
    clock.now += timedelta(hours=1)
    assert promote(store, WordScorer("words@2", negative_limit=0.6), "second", forced=True, gates="[1]")
    assert not promote(store, WordScorer("words@2"), "second")
    assert standing(store) == {"words@1": Status.RETIRED, "words@2": Status.ACTIVE}
    assert model(store, "words@1").reason == "followed by words@2"
    now = model(store, "words@2")
    assert (now.forced, now.gates, now.reason, now.actor, now.negative_limit) == (True, "[1]", "better", "ann", 0.6)
    with store.warehouse.read() as con:
        before = active_model(con, as_of=clock.now - timedelta(minutes=1))
        after = active_model(con)
    assert before is not None
    assert after is not None
    assert (before.model_version, after.model_version, after.since) == ("words@1", "words@2", clock.now)
    assert run(store, load=shelf).notes != [], "the settings still name the first"
    clock.now += timedelta(hours=1)
    assert promote(store, WordScorer(), "first")
    assert standing(store) == {"words@1": Status.ACTIVE, "words@2": Status.RETIRED}
    assert run(store, load=shelf).notes == []
    with store.warehouse.read() as con:
        assert [(row.model_version, row.status) for row in history(con)][-1] == ("words@1", Status.ACTIVE)
        assert len(history(con)) == 5, "rows are only ever added"


def test_a_shadow_is_scored_beside_the_active_model_and_then_retired(store: Context, clock: MovableClock) -> None:
    shelf = Shelf({"first": "words@1", "second": "words@2"})
    run(store, load=shelf)
    clock.now += timedelta(minutes=1)
    assert make_shadow(store, "words@2", "second")
    assert not make_shadow(store, "words@2", "second")
    report = run(store, load=shelf)
    assert report.counts == {"shadow": 2}
    assert scored(store) == [("words@1", 2), ("words@2", 2)]
    clock.now += timedelta(minutes=1)
    assert retire(store, "words@2")
    assert not retire(store, "words@2")
    add_articles(store.warehouse, [{"article_id": "c"}], KNOWN)
    run(store, load=shelf)
    assert scored(store) == [("words@1", 3), ("words@2", 2)]
    assert standing(store)["words@2"] is Status.RETIRED


@pytest.mark.parametrize("second", ["broken", "words@9", None])
def test_a_shadow_that_cannot_be_loaded_does_not_stop_the_active_model(context: Context, second: str | None) -> None:
    shelf = Shelf({"first": "words@1"} | ({"second": second} if second else {}))
    first = named(context, "first")
    run(first, load=shelf)
    make_shadow(first, "words@2", "second")
    add_articles(context.warehouse, [{"article_id": "a"}], KNOWN)
    report = run(first, load=shelf)
    assert scored(first) == [("words@1", 1)]
    assert [note.startswith("the shadow words@2 was not scored: ") for note in report.notes] == [True]


def test_the_active_model_is_neither_shadowed_nor_retired(context: Context) -> None:
    run(context, scorer=WordScorer())
    with pytest.raises(InputError, match="promote another"):
        make_shadow(context, "words@1", "first")
    with pytest.raises(InputError, match="models promote"):
        retire(context, "words@1")
    with pytest.raises(InputError, match="knows no model words@7"):
        retire(context, "words@7")


def test_scores_of_a_shadow_never_reach_a_series(either: Context, clock: MovableClock) -> None:
    day = clock.now - timedelta(hours=3)
    pieces = [Piece(f"p{n}", day, day, p_negative=0.1) for n in range(4)]
    put(either.warehouse, pieces, "words@1")
    either.warehouse.transact(
        "models", lambda tx: activate(tx, "words@1", 0.5, actor="t", reason="t", artifact="first")
    )
    put_scores_only(either, pieces, "words@2", 0.9)
    clock.now += timedelta(minutes=1)
    make_shadow(either, "words@2", "second")
    aggregate(either, full=True)
    assert series(either) == [("words@1", 0)]
    with either.warehouse.read() as con:
        active = active_model(con)
        assert active is not None
        found = agreement(con, active, known_models(con)[0])
        assert [row.model_version for row in history(con)] == ["words@2", "words@1"]
    assert (found.overlap, found.same_label, found.same_negative) == (4, 0.0, 0.0)
    clock.now += timedelta(minutes=1)
    either.warehouse.transact("models", lambda tx: activate(tx, "words@2", 0.5, actor="t", reason="t"))
    aggregate(either, full=True)
    # Each version has a series of its own: the switch changes no point of the old one.
    assert series(either) == [("words@1", 0), ("words@2", 4)]


def put_scores_only(context: Context, pieces: list[Piece], version: str, p_negative: float) -> None:
    with context.warehouse.write("scores") as tx:
        tx.con.execute(
            "INSERT INTO scores BY NAME SELECT * REPLACE ($version AS model_version, $p AS p_negative)"
            " FROM scores WHERE model_version = 'words@1' AND article_id LIKE 'p%'",
            {"version": version, "p": p_negative},
        )


def series(context: Context) -> list[tuple[object, ...]]:
    with context.warehouse.read() as con:
        return con.execute(
            "SELECT model_version, sum(negative_stories)::INTEGER FROM trends WHERE scope = 'market' AND grain = 'day'"
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()


def test_agreement_is_counted_where_both_have_probabilities(store: Context, clock: MovableClock) -> None:
    day = clock.now - timedelta(hours=3)
    # p_negative and p_positive of the active model; the shadow always says .9 negative.
    sure = [
        Piece("p1", day, day, p_negative=0.8, p_positive=0.1),
        Piece("p2", day, day, p_negative=0.1, p_positive=0.8),
    ]
    put(store.warehouse, [*sure, Piece("p3", day, day, status="filing")], "words@1")
    put(store.warehouse, [Piece("p4", day, day)], "words@2")
    store.warehouse.transact("models", lambda tx: activate(tx, "words@1", 0.85, actor="t", reason="t"))
    put_scores_only(store, sure, "words@2", 0.9)
    make_shadow(store, "words@2", "second")
    with store.warehouse.read() as con:
        active = active_model(con)
        assert active is not None
        found = agreement(con, active, model(store, "words@2"))
        own = agreement(con, active, model(store, "words@1"))
    assert (found.scored, found.overlap) == (4, 2)
    assert found.same_label == 0.5
    # Over its own limit: .8 is not over .85, .9 is over .5.
    assert found.same_negative == 0.0
    assert found.difference == pytest.approx((0.1 + 0.8) / 2)
    assert (own.overlap, own.same_label) == (2, 1.0)
