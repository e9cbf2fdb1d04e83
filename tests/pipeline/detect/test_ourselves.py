"""The pipeline watches itself: each of its rules fires in words, ends when it is mended, and comes out again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline import detect, health, notify
from pipeline.audit import Verdict, refit, replay
from pipeline.context import Context
from pipeline.detect import vitals
from pipeline.detect.ourselves import Vitals, findings
from pipeline.detect.rules import Health, Rules, load, parse
from pipeline.errors import RulesError
from pipeline.machine import Disk, disk, fullest
from pipeline.runs import Outcome, Run, keep
from pipeline.series.coverage import histories
from pipeline.warehouse.engines import DuckDBFile
from tests.conftest import ROOT, MovableClock
from tests.pipeline.audit.world import cases
from tests.pipeline.detect.world import NOON
from tests.pipeline.notify.world import Memory
from tests.pipeline.seeds import Piece, activate_model, insert, put

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
SHIPPED = ROOT / "pipeline" / "defaults" / "rules.toml"
OURS = [rule for rule in load(SHIPPED).rules if rule.scope == "pipeline"]
# A rule that a disk of any size breaks, and one that none does.
FULL, ROOMY = ("\n\n".join(rule.text for rule in OURS).replace("0.05", share) for share in ("1.0", "0.000001"))


def ran(context: Context, stage: str, at: datetime, reason: str = "") -> None:
    outcome = Outcome.FAILED if reason else Outcome.DONE
    run = Run(f"run-{at:%H%M}", stage, at, at + MINUTE, 60.0, outcome, reason)
    context.warehouse.transact("runs", lambda tx: keep(tx, run))


def published(context: Context, at: datetime) -> None:
    folder = context.settings.store.published
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "CURRENT").write_text(f"{at:%Y%m%dT%H%M%S%fZ}-0a1b2c3d\n", encoding="ascii")


def states(context: Context) -> dict[str, tuple[str, str]]:
    with context.warehouse.read() as con:
        rows = con.execute("SELECT rule, state, summary FROM incidents ORDER BY 1").fetchall()
    return {row[0]: row[1:] for row in rows}


def test_each_of_them_fires_in_words_ends_when_it_is_mended_and_replays(context: Context, clock: MovableClock) -> None:
    context.settings.detect.rules.write_text(FULL, encoding="utf-8")
    activate_model(context.warehouse)
    feed = {"feed_id": "f", "url": "u", "title": "Wire", "publisher": "Wire", "kind": "wire", "added_at": NOON}
    insert(context.warehouse, "catalogue", "feeds", [feed], ["feed_id"])
    put(context.warehouse, [Piece("a", NOON, NOON, status=None), Piece("old", NOON, NOON, status=None, imported=True)])
    published(context, NOON)
    for minutes in (0, 5, 10):
        ran(context, "publish", NOON + minutes * MINUTE, "StoreBusy")
    clock.now = NOON + 10 * MINUTE
    detect.run(context)
    assert states(context).keys() == {"disk-full"}, "the others have not lasted long enough"

    clock.now = NOON + 65 * MINUTE
    detect.run(context)
    found = states(context)
    assert {rule: state for rule, (state, _) in found.items()} == dict.fromkeys(
        ("disk-full", "failed-stage", "no-articles", "old-snapshot", "scoring-behind"), "firing"
    )
    assert found["no-articles"][1] == "no article from the one feed for 65 minutes"
    assert found["scoring-behind"][1] == "1 article waits for a score, the oldest for 65 minutes"
    assert found["failed-stage"][1].startswith("publish failed 3 times in a row since 2026-03-03 12:01 UTC, the last")
    assert found["old-snapshot"][1].startswith("the published snapshot is 65 minutes old: pages and reports show 2026")
    assert found["disk-full"][1].startswith(f"the disk of {context.settings.store.raw.parent.parent} is nearly full: ")
    channel = Memory()
    notify.run(context, {"log": channel})
    told = "\n".join(message.body for message in channel.accepted)
    assert all(said in told for _, said in found.values())
    detect.run(context)
    with context.warehouse.read() as con:
        assert con.execute("SELECT count(*) FROM incident_events WHERE action NOT IN ('open', 'fire')").fetchone() == (
            1,  # the disk, an hour after it was found first
        )

    context.settings.detect.rules.write_text(ROOMY, encoding="utf-8")
    clock.now += 5 * MINUTE
    put(context.warehouse, [Piece("a", NOON, NOON), Piece("b", clock.now, clock.now)])
    ran(context, "publish", clock.now)
    published(context, clock.now)
    detect.run(context)
    assert {state for state, _ in states(context).values()} == {"resolved"}
    for case in cases(context):
        with context.warehouse.read() as con:
            checked = [*replay(case), *refit(con, case)]
        assert {one.what for one in checked} >= {"chain", "decision", "life", "message", "refit"}
        assert all(one.verdict is Verdict.SAME for one in checked), (case.incident["rule"], checked)


def look(vitals: Vitals, what: Health, now: datetime = NOON) -> list[str]:
    (rule,) = (rule for rule in OURS if rule.what is what)
    return [one.detection.summary for one in findings(vitals, rule, Rules((rule,), ()), now)]


def test_a_night_is_no_alarm_where_the_feeds_have_a_cadence() -> None:
    quiet = Vitals(feeds=40, article_at=NOON - 5 * HOUR)
    assert look(quiet, Health.NO_ARTICLES) == ["no article from 40 feeds for 5 h"]
    for p, n in ((0.2, 0), (0.0005, 1)):
        assert len(look(Vitals(40, NOON - 5 * HOUR, p), Health.NO_ARTICLES)) == n
    assert look(Vitals(feeds=0, article_at=NOON - 5 * HOUR), Health.NO_ARTICLES) == [], "an archive has no feeds"


def test_a_store_that_never_got_an_article_is_not_calm(context: Context, clock: MovableClock) -> None:
    feed = {"feed_id": "f", "url": "u", "title": "Wire", "publisher": "Wire", "kind": "wire", "added_at": NOON}
    insert(context.warehouse, "catalogue", "feeds", [feed], ["feed_id"])
    put(context.warehouse, [Piece("old", NOON, NOON, imported=True)])
    for minutes, said in ((30, []), (65, ["no article from the one feed for 65 minutes, nor ever before"])):
        clock.now = NOON + minutes * MINUTE
        with context.warehouse.read() as con:
            seen = vitals.of_store(con, "", histories(con, clock.now), clock.now)
        assert look(seen, Health.NO_ARTICLES, clock.now) == said


def test_an_import_waits_for_no_alarm(context: Context, clock: MovableClock) -> None:
    put(context.warehouse, [Piece("old", NOON, NOON, status=None, imported=True)])
    clock.now = NOON + 2 * HOUR
    with context.warehouse.read() as con:
        assert vitals.of_store(con, "", (), clock.now).waiting == 0


@pytest.mark.parametrize("what", [rule.what for rule in OURS])
def test_a_fresh_store_and_a_clock_set_back_find_nothing(what: Health) -> None:
    assert look(Vitals(), what) == []
    ahead = NOON + HOUR
    later = Vitals(3, ahead, None, 5, ahead, (), Disk(90, 100), ahead)
    assert look(later, what) == []


@pytest.mark.parametrize(
    ("lines", "line", "said"),
    [
        ('what = "disk_full"\nmin_free = 0\n', 5, "min_free = 0 would never fire"),
        ('what = "disk_full"\nafter = "1h"\n', 5, "after is not looked at by what = 'disk_full'"),
        ('what = "no_articles"\nmin_free = 0.1\n', 5, "min_free is not looked at by what = 'no_articles'"),
        ('what = "disk_full"\nmin_free = 0.1\np_limit = 0.1\n', 6, "p_limit is not looked at by what = 'disk_full'"),
        ('what = "failed_stage"\nmin_coverage = 0.1\n', 5, "min_coverage is not looked at by what = 'failed_stage'"),
        ('what = "old_snapshot"\nscope = "market"\n', 5, "scope is not looked at by what = 'old_snapshot'"),
        ('what = "blind_spot"\nkeys = ["entity"]\n', 5, "keys is not looked at by what = 'blind_spot'"),
        ('what = "blind_spot"\nscope = "entity"\n', 5, "scope 'entity': what = 'blind_spot' has the scope 'market'"),
        ('what = "no_articles"\nafter = "soon"\n', 5, "after = 'soon' is not a time"),
        ('what = "no_coffee"\n', 4, "what = 'no_coffee' must be one of late_feed, blind_spot, no_articles"),
    ],
)
def test_what_is_wrong_with_such_a_rule_is_one_line(lines: str, line: int, said: str) -> None:
    with pytest.raises(RulesError) as error:
        parse(f'[[rule]]\nname = "r"\nkind = "health"\n{lines}')
    assert str(error.value).startswith(f"rules.toml:{line}: rule r: {said}")


def test_the_silence_of_all_feeds_is_held_against_their_own_pace(context: Context, clock: MovableClock) -> None:
    """A feed that brings one article an hour: two silent hours are nothing, twelve are."""
    feed = {"feed_id": "f", "url": "u", "title": "Wire", "publisher": "Wire", "kind": "wire",
            "added_at": NOON - 30 * timedelta(days=1)}  # fmt: skip
    insert(context.warehouse, "catalogue", "feeds", [feed], ["feed_id"])
    put(context.warehouse, [Piece(f"p{n}", NOON - n * HOUR, NOON - n * HOUR, feed_id="f") for n in range(24 * 20)])
    chances = []
    for hours in (2, 12):
        clock.now = NOON + hours * HOUR
        with context.warehouse.read() as con:
            seen = vitals.of_store(con, "", histories(con, clock.now), clock.now)
        assert seen.silence_p is not None
        chances.append(seen.silence_p)
    assert chances[0] > 0.05 > health.ALARM_P > chances[1]


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    found = disk(tmp_path / "not" / "yet")
    assert 0 < found.free <= found.total


def test_the_fullest_of_the_disks_that_we_write_on_is_named(context: Context) -> None:
    disks = [Disk(50, 100, "/data"), Disk(1, 30, "/backups"), Disk(2, 20, "/raw"), Disk(0, 0, "/proc")]
    assert look(Vitals(disk=fullest(disks)), Health.DISK_FULL)[0].startswith("the disk of /backups is nearly full: ")
    assert look(Vitals(disk=Disk(1, 30)), Health.DISK_FULL)[0].startswith("the disk is nearly full: "), "as kept once"
    settings = context.settings
    kept = settings.maintain.model_copy(update={"backups": Path("/backups")})
    with_backups = replace(context, settings=settings.model_copy(update={"maintain": kept}))
    store = settings.store
    engine = context.warehouse.engine
    assert isinstance(engine, DuckDBFile)
    assert set(vitals.folders(with_backups)) == {engine.path.parent, store.raw, store.published, Path("/backups")}
