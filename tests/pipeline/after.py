"""Everything that can happen to a store after a moment, so that tests can ask whether the past stays what it was."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.context import Context
from pipeline.warehouse import Transaction, Warehouse
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, activate_model, insert, put

__all__ = ["LATER", "before", "later"]

DAY = timedelta(days=1)


def before(context: Context, clock: MovableClock, noon: datetime) -> None:
    """Thirty-five days of three publishers about a company, polled now and then; ends at `noon`."""
    warehouse = context.warehouse
    clock.now = noon - 36 * DAY
    activate_model(warehouse)
    insert(warehouse, "catalogue", "feeds", [feed("f0", clock.now), feed("f1", clock.now)], ["feed_id"])
    entity = {"entity_id": "co:a", "name": "Ferncliff", "kind": "company", "sector": "pharma"}
    insert(warehouse, "catalogue", "entities", [entity], ["entity_id"])
    # Nine days at once: each visit to the store costs more than the rows.
    for first in range(35, -1, -9):
        clock.now = noon - max(first - 8, 0) * DAY
        put(warehouse, [piece for ago in range(first, max(first - 9, -1), -1) for piece in _day(noon, ago)])
        polls(warehouse, clock.now)


def _day(noon: datetime, ago: int) -> list[Piece]:
    at = noon - ago * DAY
    return [
        Piece(
            f"d{ago}-{n}", at, at, publisher=f"P{n}", p_negative=(ago * 5 + n * 3) % 16 / 16, p_positive=0.0,
            feed_id=f"f{n % 2}", inherited=True, entities={"co:a": (0.8, (ago + n) % 8 / 8, 0.1)},
            themes=(("", "fraud"),) if n == 0 else (),
        )
        for n in range(3)
    ]  # fmt: skip


def feed(name: str, added: datetime) -> dict[str, object]:
    return {"feed_id": name, "url": f"https://{name}.example", "title": name, "publisher": f"P{name[1:]}",
            "kind": "rss", "status": "active", "added_at": added}  # fmt: skip


def polls(warehouse: Warehouse, at: datetime, outcome: str = "new") -> None:
    rows = [
        {"fetch_id": f"{name}{at.isoformat()}", "feed_id": name, "fetched_at": at, "outcome": outcome,
         "error": None if outcome == "new" else "no route"}
        for name in ("f0", "f1")
    ]  # fmt: skip
    insert(warehouse, "articles", "fetches", rows, ["fetch_id"])


def later(context: Context, clock: MovableClock, what: str) -> None:
    """One kind of change, recorded after the moment; some of it is about long before."""
    _CHANGES[what](context.warehouse, clock.now)


def _news(warehouse: Warehouse, now: datetime) -> None:
    put(warehouse, [Piece("late", now - 3 * DAY, now, publisher="P0", p_negative=0.9, entities={"co:a": (1, 0.9, 0)})])


def _archive(warehouse: Warehouse, now: datetime) -> None:
    old = now - 10 * DAY
    put(warehouse, [Piece(f"old{n}", old, old, publisher="P0", imported=True, p_negative=0.9) for n in range(30)])


def _copy(warehouse: Warehouse, now: datetime) -> None:
    put(warehouse, [Piece("copy", now, now, story_id="story-d5-0", publisher="P9", p_negative=0.9)])


def _revision(warehouse: Warehouse, now: datetime) -> None:
    put(warehouse, [Piece("d5-0", now, now, publisher="P0", p_negative=1.0, revision=2)])


def _merge(warehouse: Warehouse, now: datetime) -> None:
    row = {"article_id": "d5-0", "story_id": "story-d6-1", "how": "merged"}
    insert(warehouse, "stories", "story_members", [row], ["article_id", "story_id"])


def _link(warehouse: Warehouse, now: datetime) -> None:
    head = {"article_id": "d5-0", "revision": 0, "linker_version": "link-2"}
    rows = [{**head, "entity_id": one, "surface": one, "relevance": 1.0} for one in ("", "co:b")]
    insert(warehouse, "mentions", "mentions", rows, ["article_id", "entity_id", "linker_version"])


def _theme(warehouse: Warehouse, now: datetime) -> None:
    row = {"article_id": "d5-1", "revision": 0, "entity_id": "", "theme": "fraud", "pattern_version": "themes-2"}
    insert(warehouse, "mentions", "themes", [row], ["article_id", "theme", "pattern_version"])


def _model(warehouse: Warehouse, now: datetime) -> None:
    pieces = [
        Piece(f"d{ago}-{n}", now - ago * DAY, now - ago * DAY, p_negative=1.0, p_positive=0.0)
        for ago in range(36) for n in range(3)
    ]  # fmt: skip
    put(warehouse, pieces, "words@2")
    activate_model(warehouse, "words@2", 0.1)


def _polls(warehouse: Warehouse, now: datetime) -> None:
    polls(warehouse, now, "network")

    def dead(tx: Transaction) -> None:
        tx.con.execute("UPDATE feeds SET status = 'removed', removed_at = ?, failures = 9 WHERE feed_id = 'f1'", [now])

    warehouse.transact("catalogue", dead)
    insert(warehouse, "catalogue", "feeds", [feed("f2", now)], ["feed_id"])


def _derived(warehouse: Warehouse, now: datetime) -> None:
    """What is derived may be rebuilt, lost or wrong: nothing of the past may rest on it."""

    def wipe(tx: Transaction) -> None:
        tx.con.execute("DELETE FROM trends")
        tx.con.execute("DELETE FROM fits")
        tx.con.execute("DELETE FROM rebuilds")
        tx.con.execute("DELETE FROM incidents")
        tx.con.execute("INSERT INTO trends BY NAME SELECT ? AS bucket_start, 'day' AS grain, 'market' AS scope,"
                       " 'all' AS key, ? AS model_version, 9 AS story_count", [now - DAY, MODEL])  # fmt: skip

    warehouse.transact("trends", wipe)


_CHANGES = {
    "news": _news, "archive": _archive, "copy": _copy, "revision": _revision, "merge": _merge, "link": _link,
    "theme": _theme, "model": _model, "polls": _polls, "derived": _derived,
}  # fmt: skip
LATER = tuple(_CHANGES)
