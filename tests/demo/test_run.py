"""The demo from end to end, with the shipped model: what was planted is found, what must stay calm stays calm."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from demo.archive import read
from demo.run import Summary, prepare, run
from demo.serve import FeedServer
from pipeline import audit
from pipeline.context import Clock, silent, utc_now
from pipeline.errors import InputError, PortInUse
from pipeline.publish.snapshot import Snapshot

pytestmark = pytest.mark.timeout(1200)


def last_evening() -> Clock:
    """The wall clock, moved back to nine in the evening.

    The insurers' bad hours are planted before the end of the archive. In the small hours of the night midnight cuts
    them in two, and neither day is out of its range by itself.
    """
    now = utc_now()
    evening = now.replace(hour=21, minute=0)
    behind = now - (evening if evening <= now else evening - timedelta(days=1))
    return lambda: utc_now() - behind


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return run(tmp_path_factory.mktemp("demo") / "here", check_port=False, clock=last_evening())


def incidents(summary: Summary) -> list[tuple[str, str, str]]:
    with summary.context.warehouse.read() as con:
        return con.execute("SELECT rule, key, label FROM incidents ORDER BY ALL").fetchall()


def test_the_planted_bankruptcy_the_insurers_and_the_silent_feed_are_found(summary: Summary) -> None:
    found = incidents(summary)
    assert ("event-watchlist", "demo:holt-maar", "Holt & Maar") in found
    assert any(rule.startswith("negative-share-sector") and key == "insurers" for rule, key, _ in found)
    assert any(rule == "late-feed" and "Harbour Financial" in label for rule, _, label in found)


def test_the_volume_surge_and_everything_else_stays_calm(summary: Summary) -> None:
    planted = read.planted()["planted"]
    found = incidents(summary)
    assert planted["surge_now"]["company"] not in {key for _, key, _ in found}
    # What was planted, where it is looked for: the companies, their sector, and the market that they are a part of.
    with summary.context.warehouse.read() as con:
        insurers = {
            key for (key,) in con.execute("SELECT entity_id FROM entities WHERE sector = 'insurers'").fetchall()
        }
    known = insurers | {planted["bankruptcy"]["company"], "insurers", "all"}
    assert [one for one in found if one[1] not in known and one[0] != "late-feed"] == []
    assert sum(rule == "late-feed" for rule, *_ in found) == 1
    assert len({(rule, key) for rule, key, _ in found}) == len(found)


def test_the_surge_was_really_in_the_store(summary: Summary) -> None:
    """So that its calm is the detector's doing and not a linking gap."""
    surge = read.planted()["planted"]["surge_now"]["company"]
    with summary.context.warehouse.read() as con:
        days = con.execute(
            "SELECT story_count FROM trends WHERE scope = 'entity' AND key = ? AND grain = 'day' ORDER BY bucket_start",
            [surge],
        ).fetchall()
    counts = [count for (count,) in days]
    usual = sorted(counts)[len(counts) // 2]
    assert max(counts[-2:]) >= 4 * usual


def test_every_message_and_the_snapshot_say_demo(summary: Summary) -> None:
    sent = (summary.folder / "data" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line) for line in sent]
    assert messages
    assert all(m["title"].startswith("DEMO") and m["body"].startswith("DEMO") for m in messages)
    assert Snapshot.open(summary.context.settings.store.published).demo
    assert next(iter(summary.lines())).startswith("DEMO")


def test_the_evidence_of_an_alert_is_chained_and_names_articles(summary: Summary) -> None:
    with summary.context.warehouse.read() as con:
        rows = con.execute(
            "SELECT e.incident_id, e.kind, e.payload, e.sha256, e.previous_sha256 FROM evidence e"
            " JOIN incidents i USING (incident_id) WHERE i.kind = 'negative_share' ORDER BY ALL"
        ).fetchall()
    kinds = [kind for _, kind, *_ in rows]
    assert "decision" in kinds
    assert kinds.count("article") >= 10
    chained = {row[3] for row in rows}
    assert all(not previous or previous in chained for *_, previous in rows)


def test_every_incident_of_the_demo_comes_out_again(summary: Summary) -> None:
    with summary.context.warehouse.read() as con:
        ids = [row[0] for row in con.execute("SELECT incident_id FROM incidents ORDER BY 1").fetchall()]
        for incident_id in ids:
            case = audit.read(con, incident_id, demo=True)
            checked = [*audit.replay(case), *audit.refit(con, case)]
            assert {one.what for one in checked} >= {"chain", "decision", "life", "refit"}
            assert not [one for one in checked if one.verdict is not audit.Verdict.SAME], case.incident["label"]
    assert ids


def test_a_folder_that_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="--dir"):
        run(tmp_path, check_port=False)
    assert (tmp_path / "precious.txt").read_text(encoding="utf-8") == "mine"


def test_a_taken_port_is_said_before_the_work(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PortInUse, match="--port"):
            run(tmp_path / "demo", port=taken.getsockname()[1])
    assert not (tmp_path / "demo").exists()


def test_the_command_says_one_line_and_exits_two_on_a_wrong_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--once", "--dir", str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_variables_of_a_real_store_do_not_reach_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAROGRAPH_STORE__WAREHOUSE", f"duckdb:{tmp_path / 'real.duckdb'}")
    monkeypatch.setenv("BAROGRAPH_NOTIFY__ROUTES", str(tmp_path / "real.toml"))
    with FeedServer(categories={}, owners={}) as server:
        context = prepare(tmp_path / "demo", server, 8050, utc_now, silent)
    assert not (tmp_path / "real.duckdb").exists()
    assert context.settings.notify.routes == tmp_path / "demo" / "routes.toml"
