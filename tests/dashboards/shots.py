"""Pictures of the pages for docs/screenshots: `python -m tests.dashboards.shots PUBLISHED FOLDER`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from dashboards.data import Reader, View, incidents_of
from tests.dashboards.conftest import CHROMIUM, QUIET
from tests.dashboards.test_browser import VIEWS, looking, settled

# What is longer than that on a phone is cut off: a list looks the same further down.
LONGEST = 2600


def main(published: Path, folder: Path) -> None:
    """Write PAGE-light.png, PAGE-dark.png and PAGE-phone.png of each page of the snapshot under `published`.

    By the clock of its publish, so that they are the same whenever they are taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(QUIET))
        snapshot = Reader(published).view()
        at = snapshot.snapshot.manifest.published_at
        for name, address in addresses(snapshot).items():
            for view in VIEWS:
                with looking(browser, published, address, view=view, clock=lambda: at) as (page, _):
                    settled(page)
                    shown = VIEWS[view]["viewport"]
                    if view == "phone":
                        tall = page.evaluate("document.documentElement.scrollHeight")
                        shown = {**shown, "height": min(tall, LONGEST)}
                    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, **shown})
                    # A palette is a third of the size; of this kind it keeps the few red dots red.
                    picture = Image.open(io.BytesIO(taken)).convert("RGB")
                    picture = picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
                    picture.save(folder / f"{name}-{view}.png", optimize=True)
        browser.close()


def addresses(view: View) -> dict[str, str]:
    """One address of each page: of the worst incident, its series, and the most told negative story."""
    incidents = incidents_of(view)
    worst = incidents[incidents["kind"] == "negative_share"].head(1)
    told = "SELECT story_id FROM stories WHERE negative ORDER BY owners DESC, articles DESC, story_id LIMIT 1"
    found = {"morning": "", "feeds": "feeds?which=all", "model": "model", "incidents": "incidents?state=all"}
    found |= {"rules": "rules", "search": "search?q=bank"}
    for _, row in worst.iterrows():
        found["incident"] = f"incidents/{row['incident_id']}"
        found["series"] = f"series?series={row['scope']}:{row['key']}&grain=hour"
    for story_id in view.query(told)["story_id"]:
        found["story"] = f"story/{story_id}"
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
