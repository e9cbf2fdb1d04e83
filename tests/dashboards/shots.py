"""Pictures of the page for docs/screenshots: `python -m tests.dashboards.shots PUBLISHED FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.dashboards.conftest import CHROMIUM, QUIET
from tests.dashboards.test_browser import VIEWS, drawn, looking


def main(published: Path, folder: Path) -> None:
    """Write morning-light.png, morning-dark.png and morning-phone.png of the snapshot under `published`."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        for view in VIEWS:
            with looking(browser, published, view=view) as (page, _):
                drawn(page)
                page.wait_for_timeout(1500)
                page.screenshot(path=folder / f"morning-{view}.png", full_page=view == "phone")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
