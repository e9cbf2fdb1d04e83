"""The first answer holds the page already where the browser says which it is on; else the router is asked for it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import dash
import pytest
from flask.testing import FlaskClient

from dashboards import app
from dashboards.app import create_app
from pipeline.settings import Settings
from tests.dashboards import sample

HERE = "http://localhost"
UPDATE = [("page", "children"), ("nav", "children"), ("name", "children"), ("rendered", "children")]


@pytest.fixture(scope="module")
def client(published: Path) -> FlaskClient:
    found: FlaskClient = create_app(
        Settings(store={"published": published}), clock=lambda: sample.NOW
    ).server.test_client()
    return found


def layout(client: FlaskClient, referer: str | None) -> dict[str, Any]:
    """What each named part of the frame holds: its children; of `url`, the address."""
    answer = client.get("/_dash-layout", headers={"Referer": referer} if referer else {})
    assert answer.status_code == 200
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    parts = {part["props"]["id"]: part["props"] for part in named(answer.get_json())}
    told = {
        name: parts[name].get("children") for name in ("page", "nav", "name", "rendered", "banners", "as-of", "foot")
    }
    return {**told, "url": tuple(parts["url"].get(name) for name in ("pathname", "search"))}


def named(part: Any) -> list[dict[str, Any]]:
    """All parts of a layout that have a name, but for those within the page."""
    if isinstance(part, list):
        return [one for child in part for one in named(child)]
    if not isinstance(part, dict):
        return []
    own = part["props"]
    within = [] if own.get("id") == "page" else named(own.get("children"))
    return [part, *within] if isinstance(own.get("id"), str) else within


def routed(client: FlaskClient, path: str, search: str, rendered: str | None) -> dict[str, Any] | None:
    """What the router answers a browser that shows `rendered`; None where it has nothing to change."""
    snapshot = json.loads(rendered)[2] if rendered else "any"
    inputs = [("url", "pathname", path), ("url", "search", search), ("snapshot", "children", snapshot)]
    body = {
        "output": ".." + "...".join(".".join(one) for one in UPDATE) + "..",
        "outputs": [{"id": name, "property": what} for name, what in UPDATE],
        "inputs": [{"id": name, "property": what, "value": value} for name, what, value in inputs],
        "state": [{"id": "rendered", "property": "children", "value": rendered}],
        "changedPropIds": ["url.pathname"],
    }
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code in (200, 204)
    return None if answer.status_code == 204 else answer.get_json()["response"]


@pytest.mark.parametrize(
    ("path", "search"),
    [("/", ""), ("/series", "?series=topic:energy&grain=hour"), ("/incidents", "?state=all"), ("/nowhere", ""),
     ("/incidents/i3", ""), ("/search", "?q=%3Cscript%3E")],
)  # fmt: skip
def test_the_page_of_the_address_is_there_and_not_asked_for_again(client: FlaskClient, path: str, search: str) -> None:
    first = layout(client, f"{HERE}{path}{search}")
    assert routed(client, path, search, first["rendered"]) in (None, {})
    asked = routed(client, path, search, None)
    assert asked is not None
    assert first["page"] == asked["page"]["children"]
    assert first["nav"] == asked["nav"]["children"]
    assert first["name"] == asked["name"]["children"]
    # As the browser has them: where they differ from its own, it asks the router once more.
    assert first["url"] == (path, search)
    assert all(first[name] for name in ("banners", "as-of", "foot"))


@pytest.mark.parametrize("referer", [None, "https://elsewhere.example/series", "about:blank", "http://[", "x" * 9_000])
def test_without_an_address_of_ours_the_router_fills_the_frame(client: FlaskClient, referer: str | None) -> None:
    first = layout(client, referer)
    assert first["page"]["props"]["children"] == "Loading …"
    assert (first["nav"], first["name"], first["rendered"]) == ([], "", "")
    assert first["url"] == (None, None), "the browser tells it to the router"
    assert routed(client, "/feeds", "", first["rendered"]) is not None


def test_a_page_that_fails_leaves_the_frame(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such page")

    monkeypatch.setattr(app, "content_of", broken)
    assert layout(client, f"{HERE}/feeds")["rendered"] == ""


def test_the_layout_that_dash_asks_for_itself_holds_no_page(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a page is made for a picture")

    monkeypatch.setattr(app, "content_of", broken)
    fresh = create_app(Settings(store={"published": published}), clock=lambda: sample.NOW).server.test_client()
    with fresh.get("/assets/icon.svg", headers={"Referer": f"{HERE}/feeds"}) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("at", ["0001-01-01T00:00%2B14:00", "9999-12-31T23:59-14:00"])
def test_a_time_that_no_calendar_has_is_none(client: FlaskClient, at: str) -> None:
    assert layout(client, f"{HERE}/series?from={at}&to={at}")["name"] == "Market"


def test_before_anything_is_published_the_frame_is_empty(tmp_path: Path) -> None:
    client = create_app(Settings(store={"published": tmp_path}), clock=lambda: sample.NOW).server.test_client()
    assert layout(client, f"{HERE}/")["rendered"] == ""


_SIMPLE = re.compile(
    r"regeneratorRuntime\.mark\(function \w+\(\)\{return regeneratorRuntime\.wrap\(function\((\w+)\)\{"
    r"for\(;;\)switch\(\1\.prev=\1\.next\)\{(?:(?!\1\.(?:abrupt|catch|finish|delegate|sent|keys)).)*?"
    r"return \1\.stop\(\)\}\}"
)


def test_dash_needs_no_more_of_generators_than_our_script_has() -> None:
    package = Path(dash.__file__).parent
    scripts = [
        *package.glob("dcc/*.js"),
        *package.glob("html/*.js"),
        package / "dash-renderer/build/dash_renderer.min.js",
    ]
    used = {path.name: path.read_text(encoding="utf-8") for path in scripts}
    used = {name: text for name, text in used.items() if "regeneratorRuntime" in text}
    assert used, "then `assets/barograph.js` need not have it any more"
    for name, text in used.items():
        assert text.count("regeneratorRuntime") == 2 * len(_SIMPLE.findall(text)), name


def test_scripts_that_no_page_needs_are_left_out(client: FlaskClient) -> None:
    scripts = re.findall(r'<script src="([^"]+)"', client.get("/").get_data(as_text=True))
    assert [name for name in scripts if "polyfill" in name or "dash_table" in name] == []
    for needed in (
        "react@",
        "react-dom@",
        "dash_core_components.",
        "dash_html_components.",
        "barograph.js",
        "dash_renderer.",
    ):
        assert any(needed in name for name in scripts)
