"""The store and what stands in it: schema, lock holder, integrity, clock, feeds, stages, messages, snapshot, disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from pipeline import metrics
from pipeline.context import Context, utc_now
from pipeline.doctor.check import Check, State
from pipeline.errors import StoreBusy, StoreError
from pipeline.ingest.missing import missing_days, said
from pipeline.ingest.raw import RawStore
from pipeline.metrics.facts import Facts, Latest
from pipeline.runs import Outcome
from pipeline.settings import Settings
from pipeline.stages import STAGES
from pipeline.warehouse import Warehouse, schema

__all__ = ["checks", "judge", "judge_clock", "judge_raw", "judge_stages"]

PATIENCE_S = 3.0
DISK_WRONG, DISK_WARN = 1e9, 5e9
STALE = timedelta(minutes=30)
# Clocks of several machines differ; more than this and "known before" is no longer told from "known after".
SKEW = timedelta(seconds=60)
# Rows that a table may not repeat: what the anti-joins of the stages rest on.
_KEYS = {
    "articles": "article_id, revision",
    "scores": "article_id, revision, entity_id, model_version",
    "notifications": "notification_id",
    "incident_events": "event_id",
    "guards": "name",
}
_FAILING = 3


def checks(settings: Settings) -> Iterator[Check]:
    """All of them; without a store only that, which is no fault."""
    warehouse = Warehouse(settings.store.warehouse, utc_now, min(settings.store.lock_timeout_s, PATIENCE_S))
    name = str(warehouse.engine)
    if not warehouse.engine.exists:
        yield Check("store", State.OK, f"{name} is not there yet; the first run makes it")
        return
    try:
        with warehouse.read() as con:
            version, newest = schema.current_version(con), schema.migrations()[-1].version
            if version < newest:
                todo = "The next run upgrades it; to do it now: barograph warehouse upgrade."
                yield Check("store", State.WARN, f"{name} has schema {version}, this program {newest}", todo)
                return
            yield Check("store", State.OK, f"{name}, schema {version}")
            yield _integrity(con)
            yield judge_raw(_missing(con, settings))
            yield judge_clock(_newest(con), utc_now())
            yield _feeds(con)
            yield judge_stages(_last(con))
        context = Context(settings, warehouse)
        yield from judge(metrics.read(context))
    except StoreBusy as error:
        yield Check("store", State.WRONG, f"{error}{_program(str(error))}")
    except StoreError as error:
        yield Check("store", State.WRONG, str(error))


def judge(facts: Facts) -> Iterator[Check]:
    """What the figures say. Pure."""
    waiting = ", ".join(f"{stage} {w.n}" for stage, w in facts.waiting.items() if w.n) or "nothing"
    oldest = min((w.since for w in facts.waiting.values() if w.since), default=None)
    old = oldest is not None and facts.at - oldest > timedelta(hours=1)
    since = f", since {oldest:%Y-%m-%d %H:%M} UTC" if old else ""
    todo = "Is a scheduler or `barograph watch` running? See the check of the stages." if old else ""
    yield Check("backlog", State.WARN if old else State.OK, f"waiting: {waiting}{since}", todo)
    dead, failed = facts.notifications.get("dead", 0), facts.notifications.get("failed", 0)
    state = State.WRONG if dead else State.WARN if failed else State.OK
    yield Check(
        "messages", state, f"{dead} given up, {failed} to be tried again",
        "Find the channel that refuses: barograph doctor --send." if state is not State.OK else "",
    )  # fmt: skip
    age = facts.at - facts.snapshot_at if facts.snapshot_at else None
    said = "none yet" if age is None else f"published {age.total_seconds() / 60:.0f} minutes ago"
    stale = age is None or age > STALE
    yield Check("snapshot", State.WARN if stale else State.OK, said, "Run `barograph publish`." if stale else "")
    free = facts.disk_free_bytes or 0
    room = State.WRONG if free < DISK_WRONG else State.WARN if free < DISK_WARN else State.OK
    size = f"; the store has {facts.store_bytes / 1e9:.2f} GB" if facts.store_bytes is not None else ""
    todo = "Make room, or remove what is too old: barograph warehouse maintain." if room is not State.OK else ""
    yield Check("disk", room, f"{free / 1e9:.1f} GB free{size}", todo)


def judge_clock(newest: datetime | None, now: datetime) -> Check:
    """Our clock beside the newest stamp of the store: nothing can have been recorded later than now. Pure."""
    if newest is None or newest <= now + SKEW:
        return Check("clock", State.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC")
    ahead = (newest - now).total_seconds()
    todo = "Set this machine's clock by NTP, and those of all workers; what was stamped stays as it is."
    return Check("clock", State.WRONG, f"the store was stamped {ahead:.0f} s later than it is now", todo)


def judge_stages(last: Mapping[str, tuple[Outcome, str, Latest]]) -> Check:
    """How the newest run of each stage and of all other work that is kept ended: outcome, reason, when. Pure."""
    if not last:
        return Check("stages", State.WARN, "no run is recorded", "Run `barograph run`, and look again.")
    others = sorted(last.keys() - set(STAGES))
    failed = {work: last[work][1] for work in (*STAGES, *others) if work in last and last[work][0] is Outcome.FAILED}
    if failed:
        said = ", ".join(f"{work} ({reason})" for work, reason in failed.items())
        todo = "Do it by hand with `barograph -v` (a stage, `warehouse maintain`, `report`): it says what to mend."
        return Check("stages", State.WRONG, f"the newest run failed: {said}", todo)
    newest = max(latest.ended_at for _, _, latest in last.values())
    ran = len(last) - len(others)
    return Check("stages", State.OK, f"{ran} of {len(STAGES)} have run; the newest ended {newest:%Y-%m-%d %H:%M} UTC")


def judge_raw(missing: list[date]) -> Check:
    """Whether the store has what it once took in, by the days that it lacks. Pure."""
    if missing:
        return Check("raw store", State.WRONG, said(missing), "Take it in again by that command.")
    return Check("raw store", State.OK, "the store has all that it took in of the days that are kept")


def _missing(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[date]:
    # Of older attempts the store has let some go itself; of the day on which the limit falls, too.
    keep = settings.maintain.fetches_days
    since = utc_now().date() - timedelta(days=keep) + timedelta(days=1) if keep else date.min
    return missing_days(con, RawStore(settings.store.raw), since)


def _last(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[Outcome, str, Latest]]:
    rows = con.execute(
        "SELECT stage, arg_max(outcome, ended_at), arg_max(reason, ended_at), max(ended_at), arg_max(seconds, ended_at)"
        " FROM runs GROUP BY stage"
    ).fetchall()
    return {stage: (Outcome(outcome), reason, Latest(at, seconds)) for stage, outcome, reason, at, seconds in rows}


def _integrity(con: duckdb.DuckDBPyConnection) -> Check:
    twice = [
        f"{n[0]} in {table}"
        for table, keys in _KEYS.items()
        if (n := con.execute(f"SELECT count(*) - count(DISTINCT ({keys})) FROM {table}").fetchone()) and n[0]
    ]
    if twice:
        todo = "Put the last backup back (barograph warehouse restore), and tell us how this came about."
        return Check("integrity", State.WRONG, f"rows that are there twice: {', '.join(twice)}", todo)
    return Check("integrity", State.OK, f"no row is there twice in {', '.join(_KEYS)}")


def _newest(con: duckdb.DuckDBPyConnection) -> datetime | None:
    row = con.execute(
        "SELECT greatest((SELECT max(recorded_at) FROM articles), (SELECT max(recorded_at) FROM fetches),"
        " (SELECT max(recorded_at) FROM scores), (SELECT max(ended_at) FROM runs))"
    ).fetchone()
    newest: datetime | None = row[0] if row else None
    return newest


def _feeds(con: duckdb.DuckDBPyConnection) -> Check:
    rows = con.execute(
        "SELECT coalesce(title, feed_id), coalesce(failures, 0), last_outcome, feed_id IN (SELECT key FROM incidents"
        " WHERE scope = 'feed' AND state IN ('firing', 'acknowledged')) FROM feeds"
        " WHERE kind <> 'archive' AND removed_at IS NULL ORDER BY 2 DESC, 1"
    ).fetchall()
    failing = [f"{title} ({outcome}, {n} times)" for title, n, outcome, _ in rows if n >= _FAILING]
    late = [str(title) for title, n, _, is_late in rows if is_late and n < _FAILING]
    if not failing and not late:
        return Check("feeds", State.OK, f"{len(rows)} are polled; none fails, none is late")
    words = [
        f"{len(found)} {how}: {', '.join(found[:5])}" for found, how in ((failing, "fail"), (late, "are late")) if found
    ]
    state = State.WRONG if len(failing) == len(rows) else State.WARN
    return Check("feeds", state, "; ".join(words), "barograph feeds check NAME says why, and what to do.")


def _program(error: str) -> str:
    """What the process that holds the store is called with, where the system tells."""
    pid = error.partition("(PID ")[2].partition(")")[0]
    try:
        words = Path(f"/proc/{int(pid)}/cmdline").read_bytes().split(b"\0")
    except (ValueError, OSError):
        return ""
    # No more than the program and its command: arguments may hold what nobody should read.
    return f" It is: {b' '.join(words[:4]).decode('utf-8', 'replace').strip()}."
