"""What is forgotten is nowhere any more: tables, evidence, messages, raw answers, file and snapshot; replay says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline import publish
from pipeline.audit import Case, Verdict, export, replay
from pipeline.context import Context
from pipeline.errors import InputError
from pipeline.forget import Target, find, forget
from pipeline.forgotten import without
from pipeline.ingest.archive import import_frame
from pipeline.ingest.exchange import Fetched
from pipeline.ingest.raw import RawStore
from pipeline.ingest.records import Spooled, frame, records
from pipeline.publish.snapshot import Snapshot
from pipeline.warehouse.scrub import scrub
from tests.conftest import MovableClock
from tests.pipeline.audit.world import RULES, bankruptcy, cases, cycle, incident_ids, store
from tests.pipeline.detect.world import NOON
from tests.pipeline.notify.world import Memory
from tests.pipeline.seeds import Piece, activate_model, put

TITLE = "Zyqwxvutsrponm Kjihgfedcba files for bankruptcy"
OTHER = "Another paper says the same of it"
WHY = "asked by the person it names"


@pytest.fixture
def on_both(warehouse_setting: str, tmp_path: Path) -> tuple[Context, MovableClock]:
    """A bankruptcy told by two papers, alerted and sent; on each engine."""
    return seeded(tmp_path, warehouse_setting)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Context, MovableClock]:
    """The same in a file."""
    return seeded(tmp_path, f"duckdb:{tmp_path / 'store.duckdb'}")


def seeded(at: Path, setting: str) -> tuple[Context, MovableClock]:
    context, clock = store(at, setting)
    context.settings.detect.rules.write_text(RULES, encoding="utf-8")
    context.settings.detect.watchlists.write_text('[watchlists.core]\nowner = "d"\ntier1 = ["co:small"]\n')
    activate_model(context.warehouse)
    put(context.warehouse, [replace(bankruptcy(1, "Paper 1", 50), title=TITLE, feed_id="feed-1")])
    put(context.warehouse, [replace(bankruptcy(2, "Paper 2", 40, story_id="story-b1"), title=OTHER, feed_id="feed-2")])
    put(context.warehouse, [Piece("calm", NOON, NOON, publisher="Paper 3", title="Rates stay")])
    cycle(context, Memory())
    return context, clock


def everything(context: Context) -> str:
    """Every cell of every table."""
    with context.warehouse.read() as con:
        names = con.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = current_database()"
        ).fetchall()
        return "\n".join(str(con.execute(f"SELECT * FROM {name}").fetchall()) for (name,) in names)


def one_case(context: Context) -> Case:
    (case,) = cases(context, "bad-news")
    return case


def test_an_article_is_forgotten_everywhere_and_replay_says_so(on_both: tuple[Context, MovableClock]) -> None:
    context, _ = on_both
    before = one_case(context)
    assert TITLE in everything(context)
    report = forget(context, Target("b1"), "ada", WHY)
    assert {name: report.counts[name] for name in ("articles", "evidence", "messages")} == {
        "articles": 1, "evidence": 1, "messages": 1
    }  # fmt: skip
    left = everything(context)
    assert TITLE not in left
    assert "news.example/b1" not in left
    assert OTHER in left, "the other paper's article stays"
    case = one_case(context)
    assert [p.sha256 for p in case.evidence] == [p.sha256 for p in before.evidence], "the chain keeps its hashes"
    (gone,) = [p.removed for p in case.evidence if p.removed]
    assert gone == {"at": NOON.isoformat(), "by": "ada", "why": WHY}
    checked = replay(case)
    assert {one.what for one in checked if one.verdict is Verdict.REMOVED} == {"chain", "message"}
    assert {one.what for one in checked if one.verdict is Verdict.SAME} == {"decision", "life"}
    assert f"evidence removed {NOON.isoformat()} by ada: {WHY}" in checked[0].detail


def test_the_file_of_the_incident_says_removed_and_still_holds(
    made: tuple[Context, MovableClock], tmp_path: Path
) -> None:
    context, _ = made
    forget(context, Target("b1"), "ada", WHY)
    path = tmp_path / "incident.zip"
    path.write_bytes(export(one_case(context)))
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert WHY in done.stdout
    assert TITLE.encode() not in path.read_bytes()


def test_no_byte_of_it_stays_in_the_files_of_the_store(on_both: tuple[Context, MovableClock], tmp_path: Path) -> None:
    context, _ = on_both
    files = [tmp_path / "store.duckdb"] if (tmp_path / "store.duckdb").exists() else []

    def holds() -> bool:
        if files:
            return any(b"Zyqwxvutsrponm" in path.read_bytes() for path in files)
        parts = (tmp_path / "lake").rglob("*.parquet")
        return any("Zyqwxvutsrponm" in str(pq.read_table(path).to_pylist()) for path in parts)

    if files:
        with context.warehouse.exclusive() as con:
            con.execute("CHECKPOINT")
        assert holds(), "the words stand in the file as they are, so that their absence means something"
    forget(context, Target("b1"), "ada", WHY)
    assert not holds()
    assert not list(tmp_path.glob("*.scrub*"))
    assert all(one.verdict is not Verdict.DIFFERS for one in replay(one_case(context)))


def test_a_publisher_is_forgotten_with_all_it_wrote_and_does_not_come_back(
    made: tuple[Context, MovableClock],
) -> None:
    context, _ = made
    report = forget(context, Target(publisher="Paper 2"), "ada", "the licence has ended")
    assert report.counts["articles"] == 1
    assert OTHER not in everything(context)
    assert TITLE in everything(context)
    again = [{"article_id": "new", "publisher": "Paper 2"}, {"article_id": "other", "publisher": "Paper 1"}]
    rows = pd.DataFrame(
        {"title": ["One more", "Another"], "publisher": ["Paper 2", "Paper 4"], "published_at": [NOON, NOON]}
    )
    assert import_frame(context, rows).counts["new_articles"] == 1
    with context.warehouse.read() as con:
        assert con.execute("SELECT count(*) FROM articles WHERE publisher = 'Paper 2'").fetchone() == (0,)
        assert [row["article_id"] for row in without(con, again)] == ["other"]
        assert find(con, "Paper 2") == Target(publisher="Paper 2")


def test_the_next_snapshot_holds_nothing_of_it(made: tuple[Context, MovableClock], tmp_path: Path) -> None:
    context, clock = made
    publish.run(context)
    forget(context, Target("b1"), "ada", WHY)
    clock.now += timedelta(hours=2)
    for _ in range(4):
        clock.now += timedelta(minutes=1)
        publish.run(context)
    parts = list(context.settings.store.published.rglob("*.parquet"))
    assert parts
    assert not [path for path in parts if TITLE in str(pq.read_table(path).to_pylist())]


def test_a_snapshot_of_months_later_holds_nothing_of_it(made: tuple[Context, MovableClock]) -> None:
    """The month of the evidence is one part by then, which is carried on for as long as nothing in it changes."""
    context, clock = made
    clock.now += timedelta(days=60)
    publish.run(context)
    snapshot = Snapshot.open(context.settings.store.published)
    assert snapshot.manifest.tables["evidence"][0].startswith("evidence/2026-03-"), "one part for the month"
    assert snapshot.table("evidence")["payload"].str.contains(TITLE).any()
    forget(context, Target("b1"), "ada", WHY)
    publish.run(context)
    evidence = Snapshot.open(context.settings.store.published).table("evidence")
    assert len(evidence) == len(snapshot.table("evidence"))
    assert not evidence["payload"].str.contains(TITLE).any()


def test_what_its_feed_answered_is_let_go_and_what_others_did_is_kept(made: tuple[Context, MovableClock]) -> None:
    context, _ = made
    folder = context.settings.store.raw / "2026-03-03"
    folder.mkdir(parents=True)
    path = folder / "20260303T120000.000000-aa.zst"
    answers = [
        Spooled(
            path, "f1", NOON - timedelta(minutes=45), Fetched("feed-1", "u", None, body=f"<rss>{TITLE}".encode()), NOON
        ),
        Spooled(path, "f2", NOON - timedelta(minutes=45), Fetched("feed-2", "u", None, body=b"<rss>others"), NOON),
        Spooled(path, "f3", NOON - timedelta(days=9), Fetched("feed-1", "u", None, body=b"<rss>long before"), NOON),
    ]
    path.write_bytes(b"".join(frame([one]) for one in answers))
    damaged = [context.settings.store.raw / "rejected" / name for name in ("of-then", "of-long-before")]
    damaged[0].parent.mkdir()
    for one, at in zip(damaged, (NOON, NOON - timedelta(days=9)), strict=True):
        one.write_bytes(b"no frame")
        os.utime(one, (at.timestamp(), at.timestamp()))
    report = forget(context, Target("b1"), "ada", WHY)
    assert report.counts["answers"] == 1
    assert [one.fetched.body for one in records(path)] == [b"", b"<rss>others", b"<rss>long before"]
    assert [one.exists() for one in damaged] == [False, True]
    assert forget(context, Target("b1"), "ada", WHY).counts["answers"] == 0, "run again, it finds nothing more"


def test_retention_and_compaction_never_remove_what_an_incident_cites(
    on_both: tuple[Context, MovableClock],
) -> None:
    context, clock = on_both
    cited = [piece for case in cases(context) for piece in case.evidence]
    RawStore(context.settings.store.raw).retire((clock.now + timedelta(days=4000)).date(), keep=1)
    scrub(context.warehouse)
    assert [piece for case in cases(context) for piece in case.evidence] == cited
    assert all(one.verdict is Verdict.SAME for case in cases(context) for one in replay(case))


def test_what_nobody_knows_is_refused(made: tuple[Context, MovableClock]) -> None:
    context, _ = made
    with context.warehouse.read() as con:
        assert find(con, "https://news.example/b1") == Target("b1")
        for strange in ("nobody", "", "b"):
            with pytest.raises(InputError, match="no article has the id"):
                find(con, strange)


def test_an_incident_without_it_is_left_alone(made: tuple[Context, MovableClock]) -> None:
    context, _ = made
    before = json.dumps([p.payload for case in cases(context) for p in case.evidence])
    report = forget(context, Target("calm"), "ada", WHY)
    assert (report.counts["articles"], report.counts["evidence"]) == (1, 0)
    assert json.dumps([p.payload for case in cases(context) for p in case.evidence]) == before
    assert incident_ids(context)
