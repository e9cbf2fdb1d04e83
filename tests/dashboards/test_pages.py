"""The panels and the server without a browser: what is on the page in each state, and the headers it comes with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import pytest
from dash import html

from dashboards import panels
from dashboards.address import Asked, href
from dashboards.app import create_app
from dashboards.controls import zoomed
from dashboards.data import Reader, View, incidents_of, parse_series, ranked
from dashboards.evidence import incident_list
from dashboards.export import safe_cell, spreadsheet_safe
from dashboards.pages import PAGES, page_of
from dashboards.pages.incidents import _facts, grain_of
from dashboards.pages.model import _challenge
from dashboards.pages.morning import since
from dashboards.pages.series import in_view
from dashboards.pages.story import marked
from dashboards.serve import server_in_thread
from dashboards.stories import newest_stories
from pipeline.errors import PortInUse, SnapshotMissing
from pipeline.publish.manifest import switch
from pipeline.settings import Settings
from tests.dashboards import sample
from tests.dashboards.sample import MODEL


def _text(part: Any) -> str:
    """All text in a component, in reading order."""
    if isinstance(part, list | tuple):
        return " ".join(_text(child) for child in part)
    if hasattr(part, "children"):
        return _text(part.children)
    return "" if part is None else str(part)


def _parts(part: Any) -> Iterator[Any]:
    """A component and all within it."""
    if isinstance(part, list | tuple):
        for child in part:
            yield from _parts(child)
    elif part is not None:
        yield part
        yield from _parts(getattr(part, "children", None))


def _links(part: Any) -> list[str]:
    if isinstance(part, list | tuple):
        return [link for child in part for link in _links(child)]
    own = [part.href] if isinstance(part, html.A) else []
    return own + (_links(part.children) if hasattr(part, "children") else [])


def _ids(part: Any) -> list[str]:
    if isinstance(part, list | tuple):
        return [name for child in part for name in _ids(child)]
    own = [part.id] if isinstance(getattr(part, "id", None), str) else []
    return own + (_ids(part.children) if hasattr(part, "children") else [])


def test_the_most_unusual_comes_first_and_the_young_say_so(view: View) -> None:
    rows = ranked(view, "entity", "today", 20)
    assert rows["label"].iloc[0] == "Harrowgate Mutual"
    assert rows["p_value"].dropna().is_monotonic_increasing
    assert rows["status"].iloc[-1] == "warming_up"
    said = _text(panels.unusual(view, "entity", "today", 20))
    assert f"{rows['negative_stories'].iloc[0]} of {rows['story_count'].iloc[0]} negative" in said
    assert "warming up: no range" in said


def test_what_was_withdrawn_before_it_fired_is_not_listed(tmp_path: Path) -> None:
    sample.write(tmp_path, withdrawn="i5")
    view = Reader(tmp_path).view()
    assert set(view.table("incidents")["incident_id"]) == {"i1", "i2", "i3", "i4", "i5"}
    assert set(incidents_of(view)["incident_id"]) == {"i1", "i2", "i3", "i4"}


def test_no_stories_is_said_to_be_no_data(view: View) -> None:
    assert "no data, not calm" in _text(panels.unusual(view, "sector", "today", 10))


def test_demo_and_stale_and_empty_are_bars(view: View, tmp_path: Path) -> None:
    fresh = view.snapshot.manifest.published_at
    assert "DEMO" in _text(panels.banners(view, fresh))
    assert "STALE" not in _text(panels.banners(view, fresh))
    assert "Nothing has come in for 4 h" in _text(panels.banners(view, fresh + timedelta(hours=4)))
    sample.write(tmp_path, demo=False, empty=True)
    empty = Reader(tmp_path).view()
    assert "No news has come in yet" in _text(panels.banners(empty, fresh))
    assert "DEMO" not in _text(panels.banners(empty, fresh))
    assert "No stories yet" in _text(newest_stories(empty))
    assert "None so far" in _text(incident_list(empty, fresh))
    assert "Market no stories" in _text(panels.tiles(empty, None))
    title, content = page_of("/series").show(empty, Asked("/series"), fresh)  # type: ignore[union-attr]
    assert title == "Market"
    assert "above its range" not in _text(content)


def test_a_snapshot_of_an_earlier_version_says_so_and_still_opens(tmp_path: Path) -> None:
    manifest = sample.write(tmp_path)
    later = ("backtests", "configurations", "limits", "members", "model_cards", "model_pictures")
    tables = {name: files for name, files in manifest.tables.items() if name not in later}
    switch(tmp_path, replace(manifest, tables=tables))
    old = Reader(tmp_path).view()
    bars = _text(panels.banners(old, sample.NOW))
    assert "earlier version, without backtests, configurations, limits" in bars
    assert "barograph publish" in bars
    for page in PAGES:
        title, content = page.show(old, Asked.parse(page.path, "?q=bank"), sample.NOW)
        assert title
        assert content


def test_late_feeds_are_named_with_their_silence_and_last_error(view: View) -> None:
    listing, note = panels.feeds(view, sample.NOW)
    said = _text(listing)
    assert note == "2 late"
    assert "The Ledger Daily late silent for 9 h" in said
    assert "did not answer within 20 s" in said
    assert "Harbour Wire" not in said


def test_an_incident_unfolds_to_its_evidence(view: View) -> None:
    shown, note = incident_list(view, sample.NOW)
    assert note == "4 open, 1 resolved"
    assert [d.id for d in shown] == ["incident-i1", "incident-i3", "incident-i2", "incident-i4", "incident-i5"]
    event, topic = _text(shown[0]), _text(shown[1])
    assert "single source" in event
    assert "single source" not in topic
    assert "14 of 31 stories negative on 3 Mar; usual 5, range 2–9." in topic
    assert "Negative (5)" in topic
    assert "Counter-evidence (7)" in topic
    assert "and 2 more" in topic
    assert "and 6 more" in topic


def test_a_link_of_a_feed_is_a_web_address_or_no_link(tmp_path: Path) -> None:
    sample.write(tmp_path, hostile=True)
    hostile = Reader(tmp_path).view()
    table, _ = newest_stories(hostile)
    assert sample.HOSTILE in _text(table)
    links = _links(table) + _links(incident_list(hostile, sample.NOW)[0])
    assert links
    assert all(link.startswith("https://") for link in links)


SHOWN = {
    "/": ("Morning", ["Unusual topics", "Top stories", "Harrowgate Mutual"]),
    "/series?series=topic:energy&grain=hour": ("Energy", ["Stories in view", "Ostermark Energy cuts output guidance"]),
    "/series?series=entity:demo:harrowgate-mutual&with=topic:macro": ("Harrowgate Mutual", ["Compared", "i2"]),
    "/story/s0000": ("Harrowgate Mutual faces solvency", ["made negative by", "Towards each company", "75"]),
    "/incidents": ("Incidents", ["Pellworth Cannery", "4 of 4 shown"]),
    "/incidents?state=past": ("Incidents", ["61 of 118 stories negative", "1 of 1 shown"]),
    "/incidents?q=bankruptcy+pellworth": ("Incidents", ["1 of 1 shown"]),
    "/incidents?q=nonesuch": ("Incidents", ["No incident has all these words"]),
    "/incidents/i3": ("Topic: Legal and regulation", ["usual 5, range 2–9", "first · warning", "Negative (5)"]),
    "/rules": (
        "Rules",
        [
            "1 a week",
            "0.9 a week over 8 weeks (counted)",
            "1 (0.2 a week)",
            "negative-share-market",
            "8 alerts, 0.9 a week, 3 in the busiest, median delay 4 h",
            "never-fired",
        ],
    ),
    "/feeds": ("Feeds", ["The Ledger Daily", "9 h ago"]),
    "/feeds?which=all": ("Feeds", ["Harbour Wire"]),
    "/model": (MODEL, ["0.871", "A small model", "To be labelled", "43 of 52 right", "31 of 40", "tweets, sentiment"]),
    "/search?q=brightwater+-kestrel": ("Search", ["Brightwater Bank lifts"]),
    "/search?q=nonesuch": ("Search", ["No title of the last 90 days"]),
}


@pytest.mark.parametrize("address", SHOWN)
def test_every_page_shows_what_it_was_asked_for(view: View, address: str) -> None:
    path, _, query = address.partition("?")
    page = page_of(path)
    assert page is not None
    _, content = page.show(view, Asked.parse(path, query), sample.NOW)
    said = _text(content) + " ".join(_ids(content))
    for words in (*SHOWN[address][1], *([SHOWN[address][0]] if path != "/series" else [])):
        assert words in said, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_every_page_says_something_where_nothing_is(tmp_path: Path, page: Any) -> None:
    sample.write(tmp_path, empty=True)
    _, content = page.show(Reader(tmp_path).view(), Asked(page.path), sample.NOW)
    assert len(_text(content)) > 40


@pytest.mark.parametrize("path", ["/incidents/none", "/story/none", "/story/'; DROP TABLE stories; --"])
def test_what_is_not_there_says_where_to_go(view: View, path: str) -> None:
    page = page_of(path)
    assert page is not None
    _, content = page.show(view, Asked.parse(path, ""), sample.NOW)
    assert "is in this snapshot" in _text(content)


def test_nothing_has_an_address_without_a_page() -> None:
    assert page_of("/nowhere") is None
    assert page_of("/story/s0000") is page_of("/story")


def test_an_open_incident_that_nobody_saw_again_is_not_said_to_be_seen_now(view: View) -> None:
    row = incidents_of(view).iloc[0].copy()
    assert _text(_facts(row, sample.NOW)).replace("  ", " ").count("15:20") == 1
    row["last_seen_at"] = pd.NaT
    assert "last seen –" in _text(_facts(row, sample.NOW)).replace("  ", " ")


def test_each_value_of_a_long_row_has_the_name_of_its_column_for_a_phone(view: View) -> None:
    _, content = page_of("/rules").show(view, Asked("/rules"), sample.NOW)
    (row,) = [row for row in _parts(content) if isinstance(row, html.Tr) and "negative-share-topic" in _text(row)]
    props = [cell.to_plotly_json()["props"] for cell in row.children]
    assert [cell.get("data-label", "") for cell in props] == [
        "", "Budget", "Fires under", "Its past", "Sent, 4 weeks", "Last", "Its last backtest",
    ]  # fmt: skip


def test_the_stories_in_view_are_what_is_downloaded(view: View) -> None:
    asked = Asked.parse("/series", "?series=topic:energy&from=2026-03-01T00:00:00&to=2026-03-04T00:00:00")
    content, note = in_view(view, asked, view.series("topic", "energy", "day"), sample.NOW)
    assert note.startswith("4 of 4")
    files = [link for link in _links(content) if link.startswith("/download/")]
    assert len(files) == 3
    assert all("from=2026-03-01" in link for link in files)


def test_a_meter_is_named_as_it_is_seen() -> None:
    suite = json.dumps({"hostile_text": {"n": 4, "passed": 3}})
    (row,) = [part for part in _parts(_challenge(suite)) if isinstance(part, html.Tr)]
    (meter,) = [part for part in _parts(row) if isinstance(part, html.Meter)]
    assert meter.to_plotly_json()["props"]["aria-label"] == _text(row.children[0]) == "hostile text"


def test_since_you_last_looked_counts_what_came_after(view: View) -> None:
    said = since(view, sample.NOW - timedelta(hours=3), sample.NOW)
    recent = view.table("stories")["first_at"] > pd.Timestamp(sample.NOW - timedelta(hours=3))
    assert said.startswith("Since you last looked (3 h ago): ")
    assert f"{recent.sum()} new stories" in said
    assert "2 incidents opened, 0 resolved" in said


def test_an_address_is_read_and_written_without_loss() -> None:
    asked = Asked.parse("/series", "?series=entity%3Aa%26b&grain=hour&from=2026-03-01T00:00:00")
    assert asked.text("series") == "entity:a&b"
    assert asked.moment("from") == datetime(2026, 3, 1, tzinfo=UTC)
    assert asked.one_of("grain", ("day", "week"), "day") == "day"
    assert Asked.parse("/series", asked.href(**{"from": None}).partition("?")[2]).values == {
        "series": "entity:a&b", "grain": "hour",
    }  # fmt: skip
    assert href("/story/a b?c") == "/story/a%20b%3Fc"
    assert Asked.parse(None, None) == Asked()


@pytest.mark.parametrize(
    ("event", "span"),
    [
        (
            {"xaxis.range[0]": "2026-03-01 10:30:00.5", "xaxis.range[1]": "2026-03-02"},
            ("2026-03-01T10:30:00", "2026-03-02"),
        ),
        ({"xaxis.range": ["2026-03-01", "2026-03-02"]}, ("2026-03-01", "2026-03-02")),
        ({"xaxis.autorange": True}, ("", "")),
        ({"autosize": True}, None),
        ({"yaxis.range[0]": 1, "yaxis.range[1]": 2}, None),
        ({}, None),
    ],
)
def test_a_zoom_is_read_from_what_plotly_tells(event: dict[str, Any], span: tuple[str, str] | None) -> None:
    assert zoomed(event) == span


def test_the_words_behind_a_score_are_marked_and_nothing_is_lost() -> None:
    title = "Velmont <b>falls</b> hard"
    places = [(11, 16, 0.8), (21, 99, 0.3), (0, 7, -0.4)]
    behind = [{"start": start, "end": end, "weight": weight} for start, end, weight in places]
    parts = marked(title, behind)
    assert _text(parts).replace(" ", "") == title.replace(" ", "")
    assert [part.children for part in parts if isinstance(part, html.Mark)] == ["falls", "hard"]
    assert marked(title, [{"start": 0, "end": 7, "weight": -0.4}]) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "ATTACH '/tmp/x.duckdb'",
        "COPY stories TO '/tmp/x.csv'",
        "SET threads = 9",
        "INSTALL httpfs",
    ],
)
def test_the_pages_reach_nothing_but_the_snapshot(view: View, sql: str) -> None:
    with pytest.raises(duckdb.Error):
        view.query(sql)


def test_the_view_follows_the_pointer(tmp_path: Path) -> None:
    with pytest.raises(SnapshotMissing):
        Reader(tmp_path).view()
    reader = Reader(tmp_path)
    first = sample.write(tmp_path)
    assert reader.view().snapshot.snapshot_id == first.snapshot_id
    assert reader.view() is reader.view()
    second = sample.write(tmp_path, now=sample.NOW + timedelta(minutes=5))
    assert reader.view().snapshot.snapshot_id == second.snapshot_id


@pytest.mark.parametrize("asked", ["", None, "nonsense", "secret:x", "topic:", 5])
def test_a_strange_series_is_the_market(asked: object) -> None:
    assert parse_series(asked) == ("market", "all")


def test_the_page_comes_with_a_strict_policy_and_asks_nobody_else(published: Path) -> None:
    app = create_app(Settings(store={"published": published}))
    answer = app.server.test_client().get("/")
    policy = answer.headers["Content-Security-Policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe" not in script
    assert "default-src 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    text = answer.get_data(as_text=True)
    sources = [piece.split('"')[0] for piece in text.split('src="')[1:]]
    assert sources
    assert all(source.startswith("/") for source in sources)
    config = json.loads(text.split('id="_dash-config" type="application/json">')[1].split("</script>")[0])
    assert config["disable_version_check"] is True
    assert config["ui"] is False


def test_a_taken_port_says_what_to_do(published: Path) -> None:
    settings = Settings(store={"published": published}, dashboard={"port": 0})
    with server_in_thread(settings) as address:
        assert httpx.get(f"{address}healthz").status_code == 200
        taken = httpx.URL(address).port
        again = settings.model_copy(update={"dashboard": settings.dashboard.model_copy(update={"port": taken})})
        with pytest.raises(PortInUse, match=f"{taken} is taken"), server_in_thread(again):
            pass


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", "|x"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert safe_cell(text) == f"'{text}"
    frame = pd.DataFrame({"title": [text, None], "n": [-1, 2], "themes": [[text, "recall"], []]})
    safe = spreadsheet_safe(frame)
    assert safe["title"].tolist()[0] == f"'{text}"
    assert safe["n"].tolist() == [-1, 2]
    assert safe["themes"].tolist() == [f"'{text}; recall", ""]


def test_ordinary_text_stays_as_it_is() -> None:
    assert safe_cell("Profit up 3% - a record") == "Profit up 3% - a record"
    assert safe_cell(-3.5) == -3.5


@pytest.mark.parametrize(
    ("judged", "hours", "drawn"), [("day", 1, "day"), ("hour", 1, "hour"), (None, 1, "hour"), ("hour", 200, "day")]
)
def test_an_incident_is_drawn_by_the_grain_that_was_judged(judged: str | None, hours: int, drawn: str) -> None:
    assert grain_of([{"grain": judged}], timedelta(hours=hours)) == drawn
    assert grain_of([], timedelta(hours=1)) == "hour"
