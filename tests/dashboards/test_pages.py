"""The panels and the server without a browser: what is on the page in each state, and the headers it comes with."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from dash import html

from dashboards import panels
from dashboards.app import create_app
from dashboards.data import Reader, View, incidents_of, parse_series, ranked
from dashboards.export import safe_cell, spreadsheet_safe
from dashboards.incidents import incidents
from dashboards.serve import server_in_thread
from pipeline.errors import PortInUse, SnapshotMissing
from pipeline.settings import Settings
from tests.dashboards import sample


def _text(part: Any) -> str:
    """All text in a component, in reading order."""
    if isinstance(part, list | tuple):
        return " ".join(_text(child) for child in part)
    if hasattr(part, "children"):
        return _text(part.children)
    return "" if part is None else str(part)


def _links(part: Any) -> list[str]:
    if isinstance(part, list | tuple):
        return [link for child in part for link in _links(child)]
    own = [part.href] if isinstance(part, html.A) else []
    return own + (_links(part.children) if hasattr(part, "children") else [])


def test_the_most_unusual_comes_first_and_the_young_say_so(view: View) -> None:
    rows = ranked(view, "entity", "today", 20)
    assert rows["label"].iloc[0] == "Harrowgate Mutual"
    assert rows["p_value"].dropna().is_monotonic_increasing
    assert rows["status"].iloc[-1] == "warming_up"
    said = _text(panels.unusual(view, "entity", "today", 20))
    assert f"{rows['negative_stories'].iloc[0]} of {rows['story_count'].iloc[0]} negative" in said
    assert "warming up: no range" in said


def test_what_was_withdrawn_before_it_fired_is_not_listed(view: View) -> None:
    known = view.table("incidents")
    withdrawn = known.assign(fired_at=known["fired_at"].where(known["incident_id"] != "i5"))
    listed = incidents_of(View(view.snapshot, {"incidents": withdrawn}))
    assert set(listed["incident_id"]) == set(known["incident_id"]) - {"i5"}


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
    assert "No stories yet" in _text(panels.stories(empty))
    assert "None so far" in _text(incidents(empty, fresh))
    assert "no stories" in _text(panels.tiles(empty, None))


def test_late_feeds_are_named_with_their_silence_and_last_error(view: View) -> None:
    listing, note = panels.feeds(view, sample.NOW)
    said = _text(listing)
    assert note == "2 late"
    assert "The Ledger Daily late silent for 9 h" in said
    assert "did not answer within 20 s" in said
    assert "Harbour Wire" not in said


def test_an_incident_unfolds_to_its_evidence(view: View) -> None:
    shown, note = incidents(view, sample.NOW)
    assert note == "4 open, 1 resolved"
    assert [d.id for d in shown] == ["incident-i1", "incident-i3", "incident-i2", "incident-i4", "incident-i5"]
    event, topic = _text(shown[0]), _text(shown[1])
    assert "single source" in event
    assert "single source" not in topic
    assert "14 of 31 stories negative on 3 Mar; usual 5, range 2–9." in topic
    assert "Negative (5)" in topic
    assert "Counter-evidence (7)" in topic
    assert "and 5 more" in topic


def test_a_link_of_a_feed_is_a_web_address_or_no_link(tmp_path: Path) -> None:
    sample.write(tmp_path, hostile=True)
    hostile = Reader(tmp_path).view()
    table, _ = panels.stories(hostile)
    assert sample.HOSTILE in _text(table)
    links = _links(table) + _links(incidents(hostile, sample.NOW)[0])
    assert links
    assert all(link.startswith("https://") for link in links)


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
    app = create_app(published)
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
