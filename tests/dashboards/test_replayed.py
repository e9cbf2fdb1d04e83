"""An incident made again on its page, of a snapshot that a real store published: the same as the command line says."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from dash import dcc, html
from typer.testing import CliRunner

from cli import replay as command
from dashboards.address import Asked
from dashboards.data import Reader, View, incidents_of
from dashboards.pages.incidents import show_one
from dashboards.pieces import records
from dashboards.replayed import checked, summary
from pipeline import publish
from pipeline.audit import Verdict
from pipeline.context import Context
from pipeline.publish.manifest import Manifest, switch
from pipeline.publish.parts import write_parts
from pipeline.publish.snapshot import Snapshot
from pipeline.publish.tables import TABLES
from tests.dashboards.sample import HOSTILE
from tests.dashboards.test_pages import _links, _parts, _text
from tests.pipeline.audit.world import cycle, generate, grow, incident_ids, store
from tests.pipeline.detect.world import NOON

Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("replayed")
    made, clock = store(folder)
    generate(made)
    grow(made, clock, cycle(made))
    publish.run(made)
    (folder / "barograph.toml").write_text('[store]\nwarehouse = "duckdb:barograph.duckdb"\n', encoding="utf-8")
    return made


@pytest.fixture
def root(context: Context, tmp_path: Path) -> Path:
    return shutil.copytree(context.settings.store.published, tmp_path / "published")


def page(view: View, incident_id: str, query: str = "?replay=1") -> list[Any]:
    return show_one(view, Asked.parse(f"/incidents/{incident_id}", query), NOON)[1]


def panel(content: list[Any]) -> Any:
    (found,) = [one for one in _parts(content) if getattr(one, "id", None) == "replay"]
    return found


def said(view: View, incident_id: str) -> str:
    return " ".join(_text(panel(page(view, incident_id))).split())


def doctored(root: Path, table: str, change: Change) -> View:
    """The snapshot with each row of a table changed, as somebody who can write it might leave it."""
    snapshot = Snapshot.open(root)
    rows = [change(row) for row in snapshot.arrow(table).to_pylist()]
    now = snapshot.manifest.published_at
    parts = write_parts(root, TABLES[table], pa.Table.from_pylist(rows, TABLES[table].schema), now)
    files = {**snapshot.manifest.tables, table: tuple(part.file for part in parts)}
    switch(root, _renamed(replace(snapshot.manifest, tables=files)))
    return Reader(root).view()


def _renamed(manifest: Manifest) -> Manifest:
    return replace(manifest, snapshot_id=f"{manifest.snapshot_id}x")


def payload_of(kind: str, old: str, new: str, *, chained: bool = False) -> Change:
    """The payloads of a kind with one text in place of another; `chained`: each sha256 made to hold again."""
    ends: dict[str, str] = {}

    def change(row: dict[str, Any]) -> dict[str, Any]:
        if row["kind"] == kind:
            row = row | {"payload": row["payload"].replace(old, new)}
        if not chained:
            return row
        previous = ends.get(row["incident_id"], "")
        ends[row["incident_id"]] = hashlib.sha256((previous + row["payload"]).encode()).hexdigest()
        return row | {"previous_sha256": previous, "sha256": ends[row["incident_id"]]}

    return change


def test_the_page_says_of_every_incident_what_the_command_line_says_of_the_store(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = Reader(context.settings.store.published).view()
    app = typer.Typer()
    command.register(app)
    # With one command alone typer would take its name for an argument.
    app.callback()(lambda: None)
    monkeypatch.chdir(Path(context.settings.store.warehouse.removeprefix("duckdb:")).parent)
    rows = records(incidents_of(view))
    assert {row["rule"] for row in rows} == {"bad-news", "share-day", "share-hour", "volume-day", "late"}
    for row in rows:
        done = CliRunner().invoke(app, ["replay", row["incident_id"], "--json"])
        assert done.exit_code == 0, done.output
        told = [one for one in json.loads(done.stdout)["checked"] if one["what"] != "message"]
        assert [vars(one) for one in checked(view, row)] == told
        assert {one["verdict"] for one in told} == {"same"}
        shown = said(view, row["incident_id"])
        for one in told:
            assert f"{one['what']} {one['name']}: the same" in shown
        assert "compares its messages too" in shown


def test_one_sentence_counts_what_came_out(context: Context) -> None:
    view = Reader(context.settings.store.published).view()
    (event,) = incident_ids(context, "bad-news")
    rows = len(view.query("SELECT * FROM evidence WHERE incident_id = $incident", incident=event))
    assert said(view, event).startswith(
        f"Made again from the evidence in this snapshot: the chain of {rows} rows holds,"
        " 2 decisions and 2 steps come out to the byte."
    )


def test_nothing_is_made_again_before_somebody_asks(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.replayed.replay", lambda _case: pytest.fail("nobody asked"))
    view = Reader(context.settings.store.published).view()
    (event,) = incident_ids(context, "bad-news")
    content = panel(page(view, event, "?grain=day"))
    (link,) = [one for one in _parts(content) if isinstance(one, dcc.Link)]
    assert (link.children, link.href) == ("Replay", f"/incidents/{event}?grain=day&replay=1")
    assert "Made again" not in _text(content)


def test_a_payload_that_was_changed_breaks_the_chain(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    view = doctored(root, "evidence", payload_of("article", "A title", "B title"))
    shown = said(view, share)
    assert "the chain DIFFERS at row 1" in shown
    assert "chain row 1: DIFFERS the article was changed after it was kept" in shown


def test_a_lie_that_keeps_the_chain_whole_is_shown_as_a_diff(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    change = payload_of("decision", '"negative_stories": 28', '"negative_stories": 3', chained=True)
    content = panel(page(doctored(root, "evidence", change), share))
    assert "rows holds, 0 of 1 decisions and 1 step come out" in " ".join(_text(content).split())
    (diff,) = [one.children for one in _parts(content) if isinstance(one, html.Pre)]
    assert '- "negative_stories": 3,' in diff
    assert '+ "negative_stories": 28,' in diff


def test_a_payload_that_nobody_can_read_is_no_reason_to_fail(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    shown = said(doctored(root, "evidence", payload_of("decision", "{", "")), share)
    assert "the chain DIFFERS at row 0, 0 of 1 decisions come out to the byte" in shown
    assert "what is kept of it cannot be read" in shown


def test_what_was_forgotten_is_said_to_be_removed(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    mark = json.dumps({"removed": {"at": "2026-03-03T12:00:00+00:00", "by": "ada", "why": HOSTILE}})
    gone = [False]

    def forget(row: dict[str, Any]) -> dict[str, Any]:
        if gone[0] or (row["incident_id"], row["kind"]) != (share, "article"):
            return row
        gone[0] = True
        return row | {"payload": mark}

    shown = said(doctored(root, "evidence", forget), share)
    assert "rows (1 removed) holds, 1 decision and 1 step come out to the byte" in shown
    assert "evidence removed 2026-03-03T12:00:00+00:00 by ada" in shown


def test_text_of_a_payload_stays_text(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    hostile = json.dumps(HOSTILE, ensure_ascii=False)[1:-1]
    change = payload_of("decision", '"label": "A"', f'"label": "{hostile}"', chained=True)
    content = page(doctored(root, "evidence", change), share)
    (diff,) = [one.children for one in _parts(panel(content)) if isinstance(one, html.Pre)]
    assert isinstance(diff, str)
    assert hostile in diff
    assert not [one for one in _parts(content) if isinstance(one, dcc.Markdown)]
    assert all(link.startswith(("/", "http")) for link in _links(content))


def test_an_older_snapshot_says_which_rule_file_it_lacks(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    manifest = Snapshot.open(root).manifest
    tables = {name: files for name, files in manifest.tables.items() if name != "configurations"}
    switch(root, _renamed(replace(manifest, tables=tables)))
    view = Reader(root).view()
    assert view.lacks == ["configurations"]
    shown = said(view, share)
    assert "decision fire #1: cannot be made again the rule file of then is not in this snapshot" in shown
    assert "rows holds, 0 of 1 decisions come out to the byte" in shown


def test_a_step_of_a_newer_version_is_said_to_be_unknown(root: Path, context: Context) -> None:
    (share,) = incident_ids(context, "share-day")
    view = doctored(root, "incident_events", lambda row: row | {"reason": "weather"})
    (row,) = [row for row in records(incidents_of(view)) if row["incident_id"] == share]
    (one,) = checked(view, row)
    assert one.verdict is Verdict.UNKNOWN
    assert "weather" in one.detail
    assert summary([one]).endswith("0 of 1 steps come out to the byte.")
