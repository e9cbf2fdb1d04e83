"""Reads the bundled archive and places its end at a given moment."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["ENTITIES", "FOLDER", "WATCHLISTS", "articles", "planted", "publishers", "truth"]

FOLDER = Path(__file__).parent
ENTITIES = FOLDER / "entities.csv"
WATCHLISTS = FOLDER / "watchlists.toml"


def articles(now: datetime) -> pd.DataFrame:
    """The archive with its end at `now`, oldest first.

    Columns: published_at (UTC, whole seconds), publisher, title, summary, link, section.
    ValueError where `now` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone: datetime.now(UTC)")
    frame = pd.read_csv(FOLDER / "headlines.csv.gz", keep_default_na=False)
    end = pd.Timestamp(now.astimezone(UTC)).floor("s")
    before = pd.to_timedelta((frame.pop("minutes_before_end") * 60).round().astype("int64"), unit="s")
    frame.insert(0, "published_at", (end - before).astype("datetime64[us, UTC]"))
    return frame.sort_values(["published_at", "link"], ignore_index=True)


def publishers() -> pd.DataFrame:
    """One row per publisher: publisher, owner, site, category."""
    return pd.read_csv(FOLDER / "publishers.csv", keep_default_na=False)


def truth() -> pd.DataFrame:
    """What each article really is, for tests and benchmarks: link, story, company, topic, polarity, planted."""
    return pd.read_csv(FOLDER / "truth.csv.gz", keep_default_na=False)


def planted() -> dict[str, Any]:
    """What was planted, when (minutes before the end) and about whom, and which kind of rule should notice."""
    content: dict[str, Any] = json.loads((FOLDER / "planted.json").read_text(encoding="utf-8"))
    return content
