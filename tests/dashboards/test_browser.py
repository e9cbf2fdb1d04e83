"""The page in a real Chromium: it loads, keeps to itself, follows the snapshot, and shows feed text as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from dashboards.serve import server_in_thread
from pipeline.actions import Kind, pending
from pipeline.context import utc_now
from pipeline.settings import Settings
from tests.dashboards import sample

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATIENCE = 120_000
expect.set_options(timeout=PATIENCE)
VIEWS = {
    "light": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 1000}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "device_scale_factor": 2},
}


@contextmanager
def looking(
    browser: Browser, root: Path, query: str = "", view: str = "light", clock: Callable[[], datetime] = utc_now
) -> Iterator[tuple[Page, list[str]]]:
    """A page on the snapshot under `root`, and what went wrong on it; the reports that count are empty at the end."""
    trouble: list[str] = []
    settings = Settings(store={"published": root}, dashboard={"port": 0})
    with server_in_thread(settings, clock=clock) as address:
        page = browser.new_page(timezone_id="Asia/Kolkata", **VIEWS[view])  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda m: trouble.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        ours = (address, "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(ours) else trouble.append(f"went out: {r.url}"))
        page.goto(address + query)
        try:
            yield page, trouble
        finally:
            page.close()


def drawn(page: Page) -> None:
    expect(page.locator("#topics table, #topics .quiet").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#chart .main-svg").first).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#incidents .incident, #incidents .quiet").first).to_be_visible(timeout=PATIENCE)


def settled(page: Page) -> None:
    """Until the page is filled and its charts are drawn."""
    expect(page.locator("#page .panel").first).to_be_visible()
    for chart in page.locator(".dash-graph").all():
        expect(chart.locator(".main-svg").first).to_be_visible()
    page.wait_for_timeout(1500)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("view", VIEWS)
def test_the_page_shows_everything_without_an_error_or_a_request_elsewhere(
    browser: Browser, tmp_path: Path, now: datetime, view: str
) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, view=view) as (page, trouble):
        drawn(page)
        expect(page.locator(".bar.demo")).to_contain_text("DEMO")
        expect(page.locator("#as-of")).to_contain_text("data as of")
        expect(page.locator("#companies tbody tr").first).to_contain_text("Harrowgate Mutual")
        expect(page.locator("#feeds")).to_contain_text("The Ledger Daily")
        expect(page.locator("#chart .bars .point").first).to_be_attached(timeout=PATIENCE)
        wide = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert wide, "the page scrolls sideways"
        page.locator("#incidents summary").nth(1).click()
        expect(page.locator("#incidents details[open] .evidence")).to_contain_text("range 2–9")
        assert trouble == []


def test_a_hostile_title_is_text(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now, hostile=True)
    with looking(browser, tmp_path) as (page, trouble):
        drawn(page)
        expect(page.locator("#stories")).to_contain_text(sample.HOSTILE)
        page.locator("#incidents summary").nth(1).click()
        expect(page.locator("#incidents details[open]")).to_contain_text(sample.HOSTILE)
        assert page.title() == "Barograph"
        assert page.locator("img[src='x']").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        assert trouble == []


def test_an_inline_script_is_refused_by_the_policy(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path) as (page, trouble):
        drawn(page)
        page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"';"
            " document.body.append(s); }"
        )
        assert page.title() == "Barograph"
        assert any("Content Security Policy" in line for line in trouble)


PAGES = {
    "series?series=topic:energy&grain=hour": "Energy",
    "story/s0000": "Harrowgate Mutual faces solvency probe",
    "incidents": "Pellworth Cannery",
    "incidents/i3": "usual 5, range 2–9",
    "incidents/i3?replay=1": "the chain of 13 rows holds",
    "feeds": "The Ledger Daily",
    "model": "A small model",
    "search?q=brightwater": "Brightwater Bank lifts",
    "nowhere": "No page has the address /nowhere",
}


@pytest.mark.parametrize("address", PAGES)
def test_each_page_opens_from_its_address_without_trouble(
    browser: Browser, tmp_path: Path, now: datetime, address: str
) -> None:
    sample.write(tmp_path, now=now)
    for view in ("light", "phone"):
        with looking(browser, tmp_path, address, view=view) as (page, trouble):
            expect(page.locator("#page")).to_contain_text(PAGES[address])
            settled(page)
            wide = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert wide, f"{address} scrolls sideways on a {view}"
            assert page.title().endswith(" · Barograph")
            assert trouble == []


# Dash's own dropdown keeps a hidden field for the form; nobody can reach it.
NOT_OURS = [".dash-dropdown-wrapper > input"]


LOOKED_AT = ["", "series?series=topic:energy", "story/s0000", "incidents/i3", "incidents/i3?replay=1", "feeds", "model"]


@pytest.mark.parametrize("address", LOOKED_AT)
def test_a_screen_reader_and_a_weak_eye_get_everything(
    browser: Browser, tmp_path: Path, now: datetime, address: str
) -> None:
    sample.write(tmp_path, now=now)
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    for view in ("light", "dark"):
        with looking(browser, tmp_path, address, view=view) as (page, _):
            settled(page)
            found = Axe().run(page, context={"exclude": NOT_OURS}, options=rules).response["violations"]
            assert [(one["id"], one["nodes"][0]["target"]) for one in found] == [], view


def test_the_address_names_the_view_and_follows_the_choice(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path) as (page, trouble):
        drawn(page)
        page.locator("#topics a", has_text="Markets").click()
        expect(page.locator("#chart-title")).to_have_text("Markets")
        page.wait_for_url("**/series?series=topic%3Amarkets&grain=day")
        page.get_by_role("navigation", name="Hours or days").get_by_text("Hours").click()
        page.wait_for_url("**/series?series=topic%3Amarkets&grain=hour")
        # Until the page of hours is there; the list closes when its page is drawn anew.
        expect(page.locator("#chart-words")).to_contain_text("UTC")
        settled(page)
        page.locator("#series").click()
        page.get_by_placeholder("company, topic").fill("lumen")
        expect(page.get_by_text("Company: Kestrel Air")).to_have_count(0)
        page.wait_for_timeout(1000)
        page.get_by_text("Company: Lumenwerk").click()
        page.wait_for_url("**/series?series=entity%3Ademo%3Alumenwerk&grain=hour")
        expect(page.locator("#chart-title")).to_have_text("Lumenwerk")
        page.go_back()
        expect(page.locator("#chart-title")).to_have_text("Markets")
        assert trouble == []


def test_a_zoom_chooses_the_stories_and_stands_in_the_address(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    start, end = (now - timedelta(days=9)).date(), (now - timedelta(days=6)).date()
    chart = "document.querySelector('#series-chart .js-plotly-plot')"
    zoom = f"Plotly.relayout({chart}, {{'xaxis.range': ['{start}', '{end}']}})"
    with looking(browser, tmp_path, "series?series=market:all&grain=day") as (page, trouble):
        settled(page)
        note = page.locator("#series-stories-note").text_content() or ""
        page.evaluate(zoom)
        page.wait_for_url(f"**from={start}&to={end}")
        expect(page.locator("#series-stories-note")).not_to_have_text(note)
        shown = page.locator("#series-stories-note").text_content() or ""
        page.reload()
        settled(page)
        expect(page.locator("#series-stories-note")).to_have_text(shown)
        assert trouble == []


def test_what_a_person_does_waits_for_the_next_notify(browser: Browser, tmp_path: Path, now: datetime) -> None:
    published = tmp_path / "published"
    sample.write(published, now=now)
    with looking(browser, published, "incidents/i3") as (page, trouble):
        expect(page.locator("#act form.acknowledge")).to_be_visible()
        # The sample's names are short; those of a store are hashes, which is what an action takes.
        page.locator("#act form.silence input[name=note]").fill("known outage")
        page.locator("#act form.silence input[name=incident_id]").evaluate(
            "(input, id) => { input.value = id; }", "ab" * 16
        )
        page.locator("#act form.silence button").click()
        page.wait_for_url("**/incidents/i3")
        (action,) = pending(published)
        assert (action.action, action.note) == (Kind.SILENCE, "known outage")
        assert trouble == []


@pytest.mark.parametrize("clipboard", [True, False], ids=["clipboard", "without https"])
def test_the_address_of_an_incident_is_copied_by_mouse_and_keyboard(
    browser: Browser, tmp_path: Path, now: datetime, clipboard: bool
) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, "incidents/i3?replay=1") as (page, trouble):
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        button = page.get_by_role("button", name="copy link")
        expect(button).to_be_visible()
        settled(page)
        page.evaluate("() => { const kept = navigator.clipboard; window.copied = () => kept.readText(); }")
        if not clipboard:
            # As a browser has it where the pages are served without https.
            page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#copied")).to_have_text("copied")
        assert page.evaluate("() => window.copied()") == page.url
        assert page.url.endswith("/incidents/i3?replay=1")
        expect(button).to_be_focused()
        expect(page.locator("#copied")).to_have_text("")
        button.click()
        expect(page.locator("#copied")).to_have_text("copied")
        assert trouble == []


def test_replay_is_a_link_to_the_same_page(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, "incidents/i3") as (page, trouble):
        page.locator("#replay a", has_text="Replay").click()
        page.wait_for_url("**/incidents/i3?replay=1")
        expect(page.locator("#replay .checked .same")).to_contain_text("chain 13 rows: the same")
        expect(page.locator("#replay .checked .unknown")).to_contain_text("did not freeze its inputs")
        page.locator("#replay a", has_text="put it away").click()
        page.wait_for_url("**/incidents/i3")
        expect(page.locator("#replay .checked")).to_have_count(0)
        assert trouble == []


def test_times_are_shown_in_the_readers_zone_when_asked(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, "story/s0000") as (page, trouble):
        time = page.locator("#articles time").first
        expect(time).to_be_visible()
        told = time.text_content()
        page.locator("#zone").click()
        expect(page.locator("#zone")).not_to_have_text("times: UTC")
        expect(time).not_to_have_text(told or "")
        assert "UTC" in (time.get_attribute("title") or "")
        page.locator("#zone").click()
        expect(time).to_have_text(told or "")
        assert trouble == []


def test_a_page_opened_by_its_address_asks_for_nothing_more(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, "nowhere") as (page, trouble):
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url) if "_dash-update-component" in r.url else None)
        for address in ("/feeds", "/incidents", "/search?q=brightwater"):
            page.goto(page.url.rpartition("/")[0] + address)
            settled(page)
            assert asked == []
        assert trouble == []


def test_a_header_that_was_cut_short_still_brings_the_page_of_the_address(
    browser: Browser, tmp_path: Path, now: datetime
) -> None:
    sample.write(tmp_path, now=now)
    with looking(browser, tmp_path, "nowhere") as (page, trouble):
        home = page.url.removesuffix("nowhere")
        page.route("**/_dash-layout", lambda r: r.continue_(headers={**r.request.headers, "referer": home}))
        page.goto(f"{home}search?q=brightwater")
        expect(page.locator("#page")).to_contain_text("Brightwater Bank lifts")
        assert page.url == f"{home}search?q=brightwater"
        assert page.title() == "Search · Barograph"
        assert trouble == []


def test_morning_tells_what_came_since_it_was_looked_at(browser: Browser, tmp_path: Path, now: datetime) -> None:
    sample.write(tmp_path, now=now)
    later = timedelta()
    with looking(browser, tmp_path, clock=lambda: now + later) as (page, trouble):
        drawn(page)
        expect(page.locator("#since")).to_contain_text("You have not looked here before")
        later = timedelta(hours=2)
        page.evaluate("sessionStorage.clear()")  # another day's visit
        page.reload()
        expect(page.locator("#since")).to_contain_text("Since you last looked (2 h ago): 0 new stories")
        # It stays while one goes about, and is no matter of other pages.
        page.locator("#nav a", has_text="Feeds").click()
        expect(page.locator("#feed-list")).to_be_visible()
        expect(page.locator("#since")).to_have_count(0)
        page.locator("#nav a", has_text="Morning").click()
        expect(page.locator("#since")).to_contain_text("Since you last looked (2 h ago)")
        assert trouble == []


def test_a_new_snapshot_appears_by_itself(browser: Browser, tmp_path: Path, now: datetime) -> None:
    with looking(browser, tmp_path) as (page, trouble):
        expect(page.locator(".bar.stale")).to_contain_text("nothing was published yet")
        sample.write(tmp_path, now=now - timedelta(hours=2), demo=False)
        expect(page.locator(".bar.stale")).to_contain_text("Nothing has come in for 2 h")
        expect(page.locator("#stories tbody tr").first).to_be_visible(timeout=PATIENCE)
        assert page.locator(".bar.demo").count() == 0
        assert trouble == []
