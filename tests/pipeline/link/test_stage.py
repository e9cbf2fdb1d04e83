"""`link` on the store: what it writes, that a repeat adds nothing, and whose clock its rows carry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipeline import link, watchlists
from pipeline.context import Context
from pipeline.link import gazetteer
from pipeline.settings import Settings
from pipeline.warehouse import Warehouse
from tests.conftest import MovableClock
from tests.support.rows import rows

ARCHIVED = datetime(2019, 5, 1, 9, tzinfo=UTC)


def add_article(
    context: Context, name: str, title: str, *, revision: int = 1, imported: bool = False, dated: datetime | None = None
) -> None:
    rows = pa.table(
        {
            "article_id": [name],
            "revision": pa.array([revision], pa.int32()),
            "kind": ["news"],
            "title": [title],
            "summary": [""],
            "imported": [imported],
            "published_at": pa.array([dated], pa.timestamp("us", tz="UTC")),
            "date_flag": [""],
        }
    )
    if imported:
        rows = rows.append_column("known_at", pa.array([ARCHIVED], pa.timestamp("us", tz="UTC")))
    context.warehouse.transact("articles", lambda tx: tx.insert_new("articles", rows, ["article_id", "revision"]))


def test_mentions_themes_and_entities_are_written_once(context: Context) -> None:
    add_article(context, "a", "Boeing recalls 40 jets")
    add_article(context, "b", "Nothing of note happened")
    first = link.run(context)
    assert first.counts["articles"] == 2
    assert rows(context, "SELECT article_id, entity_id FROM mentions ORDER BY ALL") == [
        ("a", ""), ("a", "co:boeing"), ("b", ""),
    ]  # fmt: skip
    assert rows(context, "SELECT entity_id, theme FROM themes ORDER BY ALL") == [
        ("", "recall"),
        ("co:boeing", "recall"),
    ]
    assert rows(context, "SELECT count(*) FROM entities") == [(len(gazetteer.load().entities),)]
    before = rows(context, "SELECT * FROM mentions ORDER BY ALL")
    assert link.run(context).counts == {}
    assert rows(context, "SELECT * FROM mentions ORDER BY ALL") == before


def test_a_new_revision_is_linked_and_an_old_one_left(context: Context) -> None:
    add_article(context, "a", "Boeing recalls 40 jets")
    link.run(context)
    add_article(context, "a", "Airbus recalls 40 jets", revision=2)
    link.run(context)
    found = rows(context, "SELECT revision, entity_id FROM mentions WHERE entity_id <> '' ORDER BY ALL")
    assert found == [(1, "co:boeing"), (2, "co:airbus")]


def test_imported_articles_hand_down_their_clock(context: Context, clock: MovableClock) -> None:
    add_article(context, "old", "Boeing recalls 40 jets", imported=True)
    add_article(context, "new", "Airbus recalls 40 jets")
    clock.now += timedelta(minutes=5)
    link.run(context)
    for table in ("mentions", "themes"):
        known = dict(rows(context, f"SELECT DISTINCT article_id, known_at FROM {table}"))
        assert known == {"old": ARCHIVED, "new": clock.now}


def test_new_names_link_everything_again(context: Context, clock: MovableClock, tmp_path: Path) -> None:
    add_article(context, "a", "Tolva sinks as Boeing soars")
    link.run(context)
    extra = tmp_path / "entities.csv"
    header = ",".join(gazetteer.COLUMNS)
    extra.write_text(f"{header}\ndemo:tolva,Tolva,company,technology,,,,XX\n", encoding="utf-8")
    values = context.settings.model_dump() | {"link": {"entities": (extra,)}}
    clock.now += timedelta(minutes=5)
    again = Context(Settings(**values), context.warehouse, context.clock)
    assert link.run(again).counts["articles"] == 1
    newest = "linker_version = (SELECT max_by(linker_version, recorded_at) FROM mentions)"
    assert len(rows(context, "SELECT DISTINCT linker_version FROM mentions")) == 2
    assert ("demo:tolva",) in rows(context, f"SELECT entity_id FROM mentions WHERE {newest}")
    assert ("demo:tolva",) in rows(context, "SELECT entity_id FROM entities")


def test_a_former_name_counts_as_of_the_articles_date_on_both_engines(
    warehouse_setting: str, context: Context, clock: MovableClock
) -> None:
    warehouse = Warehouse(warehouse_setting, clock, lock_timeout_s=10)
    warehouse.prepare()
    context = Context(context.settings, warehouse, clock)
    add_article(context, "then", "Square shares jump", dated=datetime(2019, 5, 1, tzinfo=UTC))
    add_article(context, "now", "Square shares jump")
    link.run(context)
    assert rows(context, "SELECT article_id FROM mentions WHERE entity_id <> ''") == [("then",)]
    with warehouse.read() as con:
        assert watchlists.parents_of(con)["co:instagram"] == "co:meta-platforms"
