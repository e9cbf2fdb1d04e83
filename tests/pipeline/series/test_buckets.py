"""The bucket SQL against a slow reference in plain Python, on small random stores; as-of; and what is left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.context import Context
from pipeline.series import buckets
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, insert, put
from tests.pipeline.series import reference

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
TOPICS = {"Macro": "macro", "Legal | Regulation": "legal_regulation"}
OWNERS = {"P0": "Group", "P1": "Group", "P2": ""}
SECTORS = {"co:a": "banks", "co:b": "banks", "co:c": "", "fx:eur": None}
# Multiples of 1/16, weighted by eighths, add up exactly in any order, so that no comparison hangs on a rounding.
SIXTEENTHS = st.integers(0, 16).map(lambda n: n / 16)
MOODS = st.tuples(SIXTEENTHS, SIXTEENTHS).map(lambda m: (m[0], min(m[1], 1 - m[0])))


@st.composite
def worlds(draw: st.DrawFn) -> list[Piece]:
    world = []
    for n in range(draw(st.integers(1, 14))):
        known = NOON - timedelta(minutes=draw(st.integers(0, 4000)))
        negative, positive = draw(MOODS)
        entities = draw(
            st.dictionaries(
                st.sampled_from(sorted(SECTORS)), st.tuples(st.sampled_from([0.25, 0.375, 0.5, 1.0]), MOODS), max_size=3
            )
        )
        world.append(
            Piece(
                article_id=f"a{n}",
                published_at=draw(st.none() | st.just(known - timedelta(minutes=draw(st.integers(-60, 3000))))),
                known_at=known,
                story_id=f"s{draw(st.integers(0, 6))}",
                publisher=draw(st.sampled_from(["P0", "P1", "P2", "P3"])),
                imported=draw(st.booleans()),
                precision=draw(st.sampled_from(["second", "second", "day", "month", "none"])),
                flag=draw(st.sampled_from(["", "", "", "future", "ancient"])),
                status=draw(st.sampled_from(["scored", "scored", "scored", "abstained", "filing", None])),
                p_negative=negative,
                p_positive=positive,
                topic=draw(st.sampled_from([*TOPICS, "Weather"])),
                entities={e: (r, *m) for e, (r, m) in entities.items()},
                themes=draw(st.sampled_from([(), (("", "fraud"),), (("co:a", "fraud"),)])),
            )
        )
    return world


def catalogue(warehouse: Warehouse) -> None:
    names = [{"publisher": p, "owner": o, "timezone": "UTC"} for p, o in OWNERS.items()]
    insert(warehouse, "catalogue", "publishers", names, ["publisher"])
    entities = [{"entity_id": e, "name": e, "kind": "company", "sector": s} for e, s in SECTORS.items()]
    insert(warehouse, "catalogue", "entities", entities, ["entity_id"])


def empty(warehouse: Warehouse) -> None:
    for table in ("articles", "story_members", "mentions", "themes", "scores"):
        warehouse.transact("articles", lambda tx, table=table: tx.con.execute(f"DELETE FROM {table}"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(f"duckdb:{tmp_path_factory.mktemp('series') / 'b.duckdb'}", MovableClock())
    warehouse.prepare()
    catalogue(warehouse)
    return warehouse


def rebuilt(warehouse: Warehouse, **options: object) -> pa.Table:
    with warehouse.read() as con:
        return buckets.rebuild(con, MODEL, 0.5, topics=TOPICS, **options)  # type: ignore[arg-type]


def as_rows(table: pa.Table) -> dict[reference.Key, dict[str, float]]:
    return {
        (row["scope"], row["key"], row["grain"], row["bucket_start"].astimezone(UTC)): {
            name: row[name] for name in reference.NAMES
        }
        for row in table.to_pylist()
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(world=worlds())
def test_the_sql_counts_what_the_definitions_say(store: Warehouse, world: list[Piece]) -> None:
    empty(store)
    put(store, world)
    found = as_rows(rebuilt(store))
    days = sorted({key[3].date() for key in found})[:2]
    part = as_rows(rebuilt(store, days=days))
    expected = reference.trends(world, OWNERS, SECTORS, TOPICS, 0.5)
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key] == pytest.approx(row, abs=1e-8), key
    assert part == {key: row for key, row in found.items() if key[3].date() in days}


def test_forty_reprints_are_one_fact(context: Context) -> None:
    copies = [Piece(f"a{n}", NOON, NOON, "s", f"Paper {n}", p_negative=0.9) for n in range(40)]
    put(context.warehouse, copies)
    market = as_rows(rebuilt(context.warehouse))["market", "all", "hour", NOON]
    assert (market["news_volume"], market["story_count"], market["negative_stories"]) == (40, 1, 1)
    assert market["owners"] == 40


def test_an_article_is_about_an_entity_from_a_relevance_of_three_tenths_on(context: Context) -> None:
    about = {"co:a": (0.3, 0.9, 0.0), "co:b": (0.29, 0.9, 0.0)}
    put(context.warehouse, [Piece("a", NOON, NOON, entities=about)])
    assert {key for scope, key, *_ in as_rows(rebuilt(context.warehouse)) if scope == "entity"} == {"co:a"}


def test_the_newest_revision_speaks_from_the_place_of_the_first(context: Context) -> None:
    first = Piece("a", NOON, NOON, p_negative=0.9)
    later = NOON + timedelta(hours=2)
    put(context.warehouse, [first])
    put(context.warehouse, [replace(first, revision=1, published_at=later, known_at=later, p_negative=0.0)])
    rows = as_rows(rebuilt(context.warehouse))
    assert rows["market", "all", "hour", NOON]["negative_stories"] == 0
    assert ("market", "all", "hour", later) not in rows


def test_as_of_sees_only_what_was_recorded_then(context: Context, clock: MovableClock) -> None:
    put(context.warehouse, [Piece("a", NOON, NOON, p_negative=0.9)])
    then = clock.now
    before = rebuilt(context.warehouse, as_of=then)
    clock.now += timedelta(hours=5)
    put(context.warehouse, [Piece("b", NOON, NOON, p_negative=0.9)])
    put(context.warehouse, [Piece("a", NOON, NOON, revision=1, p_negative=0.0)])
    assert rebuilt(context.warehouse, as_of=then).equals(before)
    assert not rebuilt(context.warehouse).equals(before)


def test_simulation_reads_known_at_and_lets_one_model_score_whenever(context: Context, clock: MovableClock) -> None:
    old = NOON - timedelta(days=400)
    clock.now = NOON + timedelta(days=1)
    put(context.warehouse, [Piece("a", old, old + timedelta(minutes=15), imported=True, p_negative=0.9)])
    then = old + timedelta(hours=1)
    assert rebuilt(context.warehouse, as_of=then).num_rows == 0
    simulated = as_rows(rebuilt(context.warehouse, as_of=then, clock_column="known_at"))
    assert simulated["market", "all", "hour", old]["negative_stories"] == 1
