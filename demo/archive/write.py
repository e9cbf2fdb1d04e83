"""Writes the bundled archive: `python -m demo.archive.write [FOLDER]`. The same seed gives the same bytes."""

import csv
import gzip
import io
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from demo.archive.copies import SILENCE, SILENT, Article, print_stories
from demo.archive.grammar import load_scenes
from demo.archive.read import FOLDER
from demo.archive.rhythm import DAYS, WINDOWS
from demo.archive.stories import SCENE_COMPANIES, all_stories
from demo.archive.world import World, entity_rows, load_world

__all__ = ["SEED", "write"]

SEED = 20_240_229
TIER1 = ("brightwater-bank", "halvorne-oil", "nimbrix", "ferrolux-semiconductor", "corvexa", "marrick-motors")
TIER2 = (
    "larkmere-insurance",
    "quillhaven-life",
    "norvane-bank",
    "corvale-bank",
    "northquill-airways",
    "palisair",
    "velmont",
    "holt-maar",
    "drummore-energy",
    "telvanta",
    "hexley-engineering",
    "orrin-foods",
    "stonehythe-property",
    "zephyrine",
)
NOTES = {
    "market_week": ("negative_share", "a bad week for the whole market"),
    "bank_week": ("negative_share", "a bad week for banks: fines and probes"),
    "airline_week": ("negative_share", "a bad week for one airline"),
    "insurer_patch": ("negative_share", "a bad patch for insurers, above all one of them, that goes on at the end"),
    "bankruptcy": ("event", "a small company, hardly ever in the news, files for bankruptcy; then a second source"),
    "surge_now": ("none", "a trade fair: far more news than usual, no more negative than usual"),
    "surge_before": ("none", "an earlier launch: far more news than usual, no more negative than usual"),
    "silence": ("health", "a steady publisher falls silent"),
}


def gzipped_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """A CSV file with UTF-8 text and `\\n` ends, gzipped without a time or a name in it, so that bytes repeat."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def plain_csv(rows: Sequence[dict[str, str]]) -> bytes:
    """A small CSV file with the keys of the first row as header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def planted(world: World, articles: Sequence[Article]) -> dict[str, Any]:
    """What planted.json says: per plant its expected rule, who, when (minutes before the end) and how many."""
    windows = {window.name: window for window in WINDOWS}
    scenes = load_scenes()
    plants: dict[str, Any] = {}
    for name, (rule, note) in NOTES.items():
        told = [article for article in articles if article.story.planted == name]
        plant: dict[str, Any] = {"note": note, "expect": rule}
        if name == "silence":
            last = min(article.minutes for article in articles if article.publisher == SILENT)
            plants[name] = plant | {"publisher": SILENT, "start": SILENCE, "end": 0, "last_article": last}
            continue
        stories = {article.story_id: article.story for article in told}
        start, end = max(s.minutes for s in stories.values()), min(s.minutes for s in stories.values())
        if name in windows:
            start, end = windows[name].start, windows[name].end
        elif name == "bankruptcy":
            start, end = max(row[0] for row in scenes[name] if row[3] == "negative"), 0
        plant |= {"start": start, "end": end}
        if name in windows and windows[name].sector:
            plant["sector"] = windows[name].sector
        if name in SCENE_COMPANIES:
            plant["company"] = world.company(SCENE_COMPANIES[name]).entity_id
        plant |= {
            "stories": len(stories),
            "negative_stories": sum(story.polarity == "negative" for story in stories.values()),
            "articles": len(told),
        }
        plants[name] = plant
    return {"days": DAYS, "seed": SEED, "unit": "minutes before the end", "planted": plants}


def watchlists() -> bytes:
    """watchlists.toml: one list of twenty names in two tiers."""
    lines = ["# The demo's watch-list; all names are invented.", "[watchlists.core]", 'owner = "Demo desk"']
    for tier, keys in (("tier1", TIER1), ("tier2", TIER2)):
        lines += [f"{tier} = [", *(f'  "demo:{key}",' for key in keys), "]"]
    return ("\n".join(lines) + "\n").encode()


def write(folder: Path = FOLDER, seed: int = SEED) -> list[Article]:
    """Write all six files of the archive into the folder and return its articles, oldest first."""
    world = load_world()
    rng = Random(seed)
    articles = print_stories(world, all_stories(world, rng), rng)
    headlines = [(f"{a.minutes:.2f}", a.publisher, a.title, a.summary, a.link, a.section) for a in articles]
    truth = [(a.link, a.story_id, a.story.company, a.story.topic, a.story.polarity, a.story.planted) for a in articles]
    publishers = [
        {"publisher": p.name, "owner": p.owner, "site": p.site, "category": p.category} for p in world.publishers
    ]
    files = {
        "headlines.csv.gz": gzipped_csv(
            ("minutes_before_end", "publisher", "title", "summary", "link", "section"), headlines
        ),
        "truth.csv.gz": gzipped_csv(("link", "story", "company", "topic", "polarity", "planted"), truth),
        "entities.csv": plain_csv(entity_rows(world)),
        "publishers.csv": plain_csv(publishers),
        "watchlists.toml": watchlists(),
        "planted.json": (json.dumps(planted(world, articles), indent=2) + "\n").encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return articles


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    logging.getLogger(__name__).info("wrote %d articles to %s", len(write(target)), target)
