"""What the tests of the pages share: a published snapshot made by hand, served, and a real Chromium to look at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from dashboards.data import Reader, View
from tests.dashboards import sample

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pages") / "published"
    sample.write(root)
    return root


@pytest.fixture(scope="session")
def view(published: Path) -> View:
    return Reader(published).view()


# Not for the session: the sync API keeps an event loop running in this thread, which other tests need free.
@pytest.fixture(scope="module")
def _playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(_playwright: Playwright) -> Iterator[Browser]:
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"{CHROMIUM} is missing: apt-get install chromium")
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    browser = _playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET), timeout=120_000)
    yield browser
    browser.close()
