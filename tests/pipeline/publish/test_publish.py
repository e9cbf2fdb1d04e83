"""Publishing from a real store: what a snapshot holds, what it shares with the one before, and when it appears."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import publish
from pipeline.context import Context
from pipeline.errors import SnapshotMissing, StoreBusy, UsageError
from pipeline.publish.manifest import only_publisher
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from tests.conftest import MovableClock
from tests.pipeline.seeds import MODEL, Piece, activate_model, insert, put

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def _piece(name: str, at: datetime, **more: object) -> Piece:
    return Piece(name, at, at + timedelta(minutes=5), **more)  # type: ignore[arg-type]


def _root(context: Context) -> Path:
    return context.settings.store.published


def _opened(context: Context) -> Snapshot:
    return Snapshot.open(_root(context))


def _catalogue(context: Context) -> None:
    owners = pa.table({"publisher": ["Wire", "Post", "Post Weekly"], "owner": ["Wire", "Post Group", "Post Group"]})
    names = pa.table({"entity_id": ["co:ash"], "name": ["Ashdown Glass"], "kind": ["company"], "sector": ["materials"]})
    context.warehouse.transact("catalogue", lambda tx: tx.upsert("publishers", owners, ["publisher"]))
    context.warehouse.transact("catalogue", lambda tx: tx.upsert("entities", names, ["entity_id"]))


def test_an_empty_store_gives_a_snapshot_with_every_table_and_no_rows(context: Context) -> None:
    report = publish.run(context)
    snapshot = _opened(context)
    assert snapshot.data_as_of is None
    assert report.notes == ["no model is active yet: stories are published without scores"]
    for name, table in TABLES.items():
        assert list(snapshot.table(name).columns) == table.schema.names
        assert snapshot.table(name).empty


def test_a_story_is_told_once_with_its_owners_its_first_article_and_its_mean_score(context: Context) -> None:
    _catalogue(context)
    activate_model(context.warehouse, negative_limit=0.6)
    about = {"co:ash": (0.9, 0.9, 0.0)}
    themes = (("", "recall"), ("", "litigation"))
    put(
        context.warehouse,
        [
            _piece("b", NOON - DAY, story_id="s", title="Ashdown recalls glass", p_negative=0.9, p_positive=0.0,
                   entities=about, themes=themes, topic="Legal | Regulation"),
            _piece("a", NOON - DAY + timedelta(hours=1), story_id="s", publisher="Post", p_negative=0.5),
            # The same owner again: a copy that counts for nothing but the number of articles.
            _piece("c", NOON - DAY + timedelta(hours=2), story_id="s", publisher="Post Weekly", p_negative=0.0),
        ],
    )  # fmt: skip
    publish.run(context)
    (story,) = _opened(context).table("stories").to_dict("records")
    assert story["title"] == "Ashdown recalls glass"
    assert (story["owners"], story["articles"], story["publisher"]) == (2, 3, "Wire")
    assert story["first_at"] == NOON - DAY
    assert story["p_negative"] == pytest.approx(0.7)
    assert story["negative"] is True
    assert list(story["entities"]) == ["Ashdown Glass"]
    assert list(story["themes"]) == ["litigation", "recall"]
    assert story["topic_key"] == "legal_regulation"
    assert _opened(context).table("entities")["name"].tolist() == ["Ashdown Glass"]
    articles = _opened(context).table("articles")
    assert articles["publisher"].tolist() == ["Wire", "Post", "Post Weekly"]
    assert articles["novelty"].tolist() == [100, 75, 56]
    assert articles["owner"].tolist() == ["Wire", "Post Group", "Post Group"]
    (towards,) = articles["entities"].iloc[0]
    assert (towards["name"], towards["p_negative"], towards["status"]) == ("Ashdown Glass", 0.9, "scored")
    assert list(articles["themes"].iloc[0]) == ["litigation", "recall"]


def test_the_words_behind_a_negative_article_are_published_with_it(context: Context) -> None:
    activate_model(context.warehouse, negative_limit=0.6)
    put(context.warehouse, [_piece("a", NOON - DAY, title="Ashdown recalls glass", p_negative=0.9)])
    words = pa.table(
        {
            "article_id": ["a", "a"], "revision": pa.array([0, 0], pa.int32()), "entity_id": ["", ""],
            "model_version": [MODEL, "another"], "start": pa.array([8, 0], pa.int32()),
            "end": pa.array([15, 7], pa.int32()), "weight": [0.7, 0.1],
        }
    )  # fmt: skip
    keys = ["article_id", "revision", "entity_id", "model_version", "start"]
    context.warehouse.transact("scores", lambda tx: tx.insert_new("attributions", words, keys))
    publish.run(context)
    (article,) = _opened(context).table("articles").to_dict("records")
    assert list(article["words"]) == [{"start": 8, "end": 15, "weight": 0.7}]


def test_a_story_without_a_score_has_no_polarity_rather_than_a_neutral_one(context: Context) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, [_piece("a", NOON - DAY, status=None), _piece("b", NOON - DAY, status="abstained")])
    publish.run(context)
    stories = _opened(context).table("stories").set_index("story_id")
    assert stories["polarity"].isna().all()
    assert stories["status"].to_dict() == {"story-a": "unscored", "story-b": "abstained"}


def test_only_the_days_that_changed_are_written_again(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, [_piece("a", NOON - 3 * DAY), _piece("b", NOON - 2 * DAY)])
    publish.run(context)
    before = _opened(context).manifest
    clock.now += timedelta(minutes=5)
    again = publish.run(context)
    assert again.counts["parts written"] == 0
    put(context.warehouse, [_piece("c", NOON - 2 * DAY)])
    publish.run(context)
    after = _opened(context).manifest
    assert after.snapshot_id != before.snapshot_id
    kept, changed = (sorted(m.tables["stories"]) for m in (before, after))
    assert kept[0] == changed[0]
    assert kept[1] != changed[1]
    assert kept[1].startswith("stories/2026-03-01-")
    assert changed[1].startswith("stories/2026-03-01-")


def test_months_that_are_over_are_not_read_again_until_something_in_them_changes(
    context: Context, clock: MovableClock
) -> None:
    _trends(context, {n: 5 for n in range(0, 100, 5)})
    publish.run(context)
    first = _opened(context)
    clock.now += timedelta(minutes=5)
    publish.run(context)
    assert _opened(context).manifest.tables["trends"] == first.manifest.tables["trends"]
    # Nothing is read of a month that stands: what its part says is what is published.
    (kept,) = (file for file in first.manifest.tables["trends"] if file.startswith("trends/2025-12-"))
    doctored = pq.read_table(_root(context) / kept).slice(1)
    pq.write_table(doctored, _root(context) / kept)
    _trends(context, {0: 7})
    publish.run(context)
    assert kept in _opened(context).manifest.tables["trends"]
    assert len(_opened(context).table("trends")) == 19
    # A late article changes a count of that month; then all of it is read.
    _trends(context, {80: 6})
    publish.run(context)
    months = _opened(context)
    assert kept not in months.manifest.tables["trends"]
    assert sorted(months.table("trends")["story_count"]) == [5] * 18 + [6, 7]
    assert len(months.manifest.tables["trends"]) == len(first.manifest.tables["trends"])
    # A part that is gone is made again.
    (gone,) = (file for file in months.manifest.tables["trends"] if file.startswith("trends/2026-01-"))
    (_root(context) / gone).unlink()
    publish.run(context)
    assert len(_opened(context).table("trends")) == 20


def _trends(context: Context, counts: dict[int, int]) -> None:
    """Counts of stories of the market, by how many days ago."""
    rows = [(NOON.replace(hour=0) - ago * DAY, count) for ago, count in counts.items()]
    days = pd.DataFrame(rows, columns=["bucket_start", "story_count"])
    days = days.assign(grain="day", scope="market", key="all", model_version=MODEL)
    series = ["scope", "key", "grain", "bucket_start"]
    context.warehouse.transact("trends", lambda tx: tx.upsert("trends", pa.Table.from_pandas(days), series))


def test_a_crash_before_the_pointer_moves_leaves_the_old_snapshot(
    context: Context, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.run(context)
    old = _opened(context).snapshot_id
    replace = Path.replace

    def crash(self: Path, target: Path) -> Path:
        if Path(target).name == "CURRENT":
            raise OSError("the machine stopped here")
        return replace(self, target)

    clock.now += timedelta(minutes=5)
    monkeypatch.setattr(Path, "replace", crash)
    with pytest.raises(OSError, match="stopped here"):
        publish.run(context)
    assert _opened(context).snapshot_id == old
    assert list(_root(context).glob("*.writing"))
    monkeypatch.setattr(Path, "replace", replace)
    clock.now += timedelta(minutes=5)
    publish.run(context)
    assert _opened(context).snapshot_id > old
    assert not list(_root(context).rglob("*.writing"))


def test_a_reader_keeps_its_snapshot_while_newer_ones_are_published(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, [_piece("a", NOON - DAY)])
    publish.run(context)
    held = _opened(context)
    for n in range(4):
        clock.now += timedelta(minutes=10)
        put(context.warehouse, [_piece(f"more-{n}", NOON - DAY)])
        publish.run(context)
        assert held.table("stories")["story_id"].tolist() == ["story-a"]
    assert len(_opened(context).table("stories")) == 5


def test_what_is_old_and_in_none_of_the_last_three_manifests_goes(context: Context, clock: MovableClock) -> None:
    activate_model(context.warehouse)
    put(context.warehouse, [_piece("a", NOON - DAY)])
    publish.run(context)
    held = _opened(context)
    put(context.warehouse, [_piece("b", NOON - DAY)])
    for _ in range(3):
        clock.now += timedelta(minutes=25)
        publish.run(context)
    with pytest.raises(SnapshotMissing, match="Open the newest snapshot"):
        held.table("stories")
    assert len(list((_root(context) / "manifests").iterdir())) == 3
    assert len(_opened(context).table("stories")) == 2


def test_feeds_hide_keys_and_name_the_late_one(context: Context) -> None:
    feeds = pa.table(
        {
            "feed_id": ["f1", "f2"],
            "url": ["https://me:pw@a.example/rss?token=abc", "https://b.example/rss"],
            "last_error": [None, "GET https://b.example/rss?key=abc gave 500"],
            "last_success_at": pa.array([NOON, None], pa.timestamp("us", tz="UTC")),
        }
    )
    context.warehouse.transact("catalogue", lambda tx: tx.upsert("feeds", feeds, ["feed_id"]))
    incident = pa.table({"incident_id": ["i"], "kind": ["health"], "state": ["firing"]})
    payload = json.dumps({"feed_id": "f2", "sentence": "Silent for 9 h."})
    evidence = pa.table({"incident_id": ["i"], "event_id": ["e"], "seq": [1], "kind": ["feed"], "payload": [payload]})
    context.warehouse.transact("incidents", lambda tx: tx.upsert("incidents", incident, ["incident_id"]))
    context.warehouse.transact("incidents", lambda tx: tx.insert_new("evidence", evidence, ["event_id", "seq"]))
    publish.run(context)
    rows = _opened(context).table("feeds").set_index("feed_id")
    assert rows["url"].to_dict() == {"f1": "https://a.example/rss?…", "f2": "https://b.example/rss"}
    assert rows.loc["f2", "last_error"] == "GET https://b.example/rss?… gave 500"
    assert rows["late"].to_dict() == {"f1": False, "f2": True}
    assert rows.loc["f2", "late_sentence"] == "Silent for 9 h."
    assert _opened(context).data_as_of == NOON


def test_of_what_was_in_force_only_rule_files_are_published_each_once(context: Context) -> None:
    made = [
        ("rules", "", "then", "[[rule]] # of then"), ("rules", "", "later", "[[rule]] # of later"),
        ("rule", "bad-news", "one", "name = 'bad-news'"), ("watchlists", "", "watched", "tier1 = ['co:secret']"),
        ("settings", "", "settings", '{"detect": "secret"}'), ("model", "", "model", '{"artifact": "/secret"}'),
    ]  # fmt: skip
    rows = [dict(zip(("kind", "name", "sha256", "content"), one, strict=True), author="ada") for one in made]
    insert(context.warehouse, "incidents", "configurations", rows, ["kind", "name", "sha256"])
    # A text came into force twice.
    insert(context.warehouse, "incidents", "configurations", [rows[0] | {"name": "again"}], ["kind", "name", "sha256"])
    publish.run(context)
    found = _opened(context).table("configurations")
    assert dict(zip(found["sha256"], found["content"], strict=True)) == {
        "then": "[[rule]] # of then",
        "later": "[[rule]] # of later",
    }
    assert set(found["kind"]) == {"rules"}
    assert len(found) == 2
    for file in _opened(context).files("configurations"):
        assert "secret" not in str(pq.read_table(file).to_pylist())


def test_a_series_is_published_with_its_expected_range_and_a_young_one_says_so(context: Context) -> None:
    activate_model(context.warehouse)
    starts = [NOON.replace(hour=0) - n * DAY for n in range(30)]
    rows = [(at, "topic", "legal_regulation", 30, 14 if n == 0 else 5) for n, at in enumerate(starts)]
    rows.append((starts[0], "topic", "macro", 4, 1))
    trends = pd.DataFrame(rows, columns=["bucket_start", "scope", "key", "story_count", "negative_stories"])
    trends = trends.assign(grain="day", model_version=MODEL, news_volume=trends["story_count"], owners=2)
    fit = {
        "fit_id": "f", "scope": "topic", "key": "legal_regulation", "grain": "day", "model_version": MODEL,
        "status": "ok", "parameters": json.dumps({"rates": [0.17, 0.17], "rho": 0.02}),
        "fitted_for": NOON.replace(hour=0) - 10 * DAY,
    }  # fmt: skip
    fits = pa.Table.from_pylist([fit])
    series = ["scope", "key", "grain", "bucket_start"]
    context.warehouse.transact("trends", lambda tx: tx.upsert("trends", pa.Table.from_pandas(trends), series))
    context.warehouse.transact("trends", lambda tx: tx.upsert("fits", fits, ["fit_id"]))
    publish.run(context)
    snapshot = _opened(context)
    unusual = snapshot.table("unusual").set_index(["key", "open"])
    today = unusual.loc[("legal_regulation", True)]
    assert today["label"] == "Legal and regulation"
    assert today["expected"] == pytest.approx(5.1)
    assert today["low"] < 5.1 < today["high"] < 14
    assert today["p_value"] < 0.01
    assert unusual.loc[("macro", True), "status"] == "warming_up"
    assert pd.isna(unusual.loc[("macro", True), "expected"])
    expected = snapshot.table("expected")
    expected = expected[expected["key"] == "legal_regulation"].set_index("bucket_start")
    assert expected["hindsight"].sum() == 19
    assert not expected.loc[starts[10], "hindsight"]


def test_nothing_published_yet_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SnapshotMissing, match="barograph run"):
        Snapshot.open(tmp_path / "nowhere")


def test_a_damaged_manifest_says_what_to_run(context: Context) -> None:
    publish.run(context)
    (manifest,) = (_root(context) / "manifests").iterdir()
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(SnapshotMissing, match="barograph publish"):
        _opened(context)
    publish.run(context)
    assert _opened(context).data_as_of is None


def test_an_unknown_table_is_named_with_those_there_are(context: Context) -> None:
    publish.run(context)
    with pytest.raises(UsageError, match=r"no table is named secrets; there are .*stories"):
        _opened(context).table("secrets")


def test_a_second_publisher_is_turned_away(context: Context) -> None:
    with only_publisher(_root(context)), pytest.raises(StoreBusy, match="another process is publishing"):
        publish.run(context)


def test_another_folder_can_be_named(context: Context, tmp_path: Path) -> None:
    publish.run(context, to=tmp_path / "elsewhere")
    assert Snapshot.open(tmp_path / "elsewhere").table("stories").empty
    assert not _root(context).exists()
