"""The daily report: one HTML file without a script, to read on a phone, in a mail, or printed in black and white."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import pandas as pd

from dashboards import words
from dashboards.data import View, incidents_of, stories_of
from dashboards.panels import STALE_AFTER
from dashboards.pieces import listed, text_of, when_of
from dashboards.vector import index_chart

__all__ = ["CHART", "daily", "last_day", "subject"]

# The name of the attached chart, by which a mailed page refers to it.
CHART = "barograph-market.png"

_RANKED = {"topic": "Topics", "entity": "Companies", "theme": "Themes", "sector": "Sectors"}
_ROWS, _STORIES, _INCIDENTS = 8, 12, 20
_ATTACHED = (
    f'<img width="720" src="cid:{CHART}" alt="The sentiment index and the stories a day of the last 90 days. Your mail'
    ' program does not show pictures.">'
)
_DAY = """
SELECT e.*, coalesce(l.label, e.key) AS label FROM expected AS e LEFT JOIN labels AS l USING (scope, key)
LEFT JOIN entities AS n ON n.entity_id = e.key
WHERE e.grain = 'day' AND e.bucket_start = $day AND e.scope = $scope AND e.story_count > 0
    AND (e.scope <> 'entity' OR n.kind IS NULL OR n.kind = 'company')
ORDER BY p_value NULLS LAST, negative_stories DESC, story_count DESC, key LIMIT $most"""


def last_day(view: View) -> date:
    """The newest closed UTC day of a snapshot."""
    return (view.until() - timedelta(days=1)).astimezone(UTC).date()


def subject(view: View, day: date) -> str:
    """The subject of the mail: whether it is made up, the day, and the market in counts."""
    rows = _on(view.series("market", "all", "day").rows, day)
    demo = "DEMO " if view.snapshot.demo else ""
    return f"{demo}Barograph, {day:%-d %B %Y}: {_market(rows)['counts']}"


def daily(view: View, day: date, now: datetime, zone: ZoneInfo, *, mailed: bool = False) -> str:
    """The report on one UTC day as HTML; times in `zone`. All of it comes from the snapshot.

    `mailed`: the chart is the picture that is attached as `CHART` (`dashboards.picture`), with a text in its
    place: many mail programs drop drawings from a page.
    """
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    market = view.series("market", "all", "day")
    today = _on(market.rows, day)
    as_of = view.snapshot.data_as_of
    page = _PAGE.get_template("report.html")
    return page.render(
        day=f"{day:%A, %-d %B %Y}",
        demo=view.snapshot.demo,
        stale=as_of is not None and as_of < end and now - as_of > STALE_AFTER,
        as_of=_told(as_of, zone),
        zone=zone.key,
        model=view.model_version or "no model",
        snapshot=view.snapshot.snapshot_id,
        market=_market(today),
        chart=(_ATTACHED if mailed else index_chart(market)) if len(market.rows) else "",
        mailed=mailed,
        ranked={title: _ranked(view, scope, start) for scope, title in _RANKED.items()},
        incidents=_incidents(view, start, end, zone),
        stories=_stories(view, start, end, zone),
        coverage=_coverage(today),
        late=[text_of(t) for t in view.table("feeds").query("late == True and kind != 'archive'")["title"]],
    )


def _on(rows: pd.DataFrame, day: date) -> pd.DataFrame:
    return rows[rows["bucket_start"] == pd.Timestamp(day, tz="UTC")] if len(rows) else rows


def _market(rows: pd.DataFrame) -> dict[str, str]:
    if rows.empty:
        return {"counts": "no stories", "usual": "This is no data, not calm.", "index": ""}
    row: Any = rows.iloc[-1]
    status = row["status"] if isinstance(row["status"], str) else "warming_up"
    index = row["sentiment_index"]
    return {
        "counts": words.counts_words(int(row["negative_stories"]), int(row["story_count"])),
        "usual": words.range_words(row["expected"], row["low"], row["high"], status),
        "index": f"index {index:+.1f}" if index == index else "no index",
    }


def _ranked(view: View, scope: str, start: datetime) -> list[dict[str, Any]]:
    rows = view.query(_DAY, scope=scope, day=start, most=_ROWS)
    return [
        {
            "label": row["label"],
            "counts": words.counts_words(int(row["negative_stories"]), int(row["story_count"])),
            "usual": words.range_words(row["expected"], row["low"], row["high"], str(row["status"])),
            "chance": words.chance_words(row["p_value"]) or "–",
            "above": bool(row["status"] == "ok" and row["negative_stories"] > row["high"]),
        }
        for _, row in rows.iterrows()
    ]


def _incidents(view: View, start: datetime, end: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    rows = incidents_of(view)
    fired, resolved = rows["fired_at"], rows["resolved_at"]
    rows = rows[(fired < pd.Timestamp(end)) & (resolved.isna() | (resolved >= pd.Timestamp(start)))]
    return [
        {
            "mark": words.SEVERITY_MARK.get(str(row["severity"]), "○"),
            "severity": row["severity"],
            "label": text_of(row["label"]) or row["key"],
            "summary": text_of(row["summary"]),
            "rule": row["rule"],
            "fired": _told(when_of(row["fired_at"]), zone),
            "resolved": _told(when_of(row["resolved_at"]), zone) if not row["open"] else "",
            "single": row["single_source"] is True,
        }
        for _, row in rows.head(_INCIDENTS).iterrows()
    ]


def _stories(view: View, start: datetime, end: datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    rows = stories_of(view, "market", "all", start, end, _STORIES)
    return [
        {
            "mark": words.polarity_mark(row["polarity"]),
            "title": text_of(row["title"]) or "(no title)",
            "url": words.safe_url(row["url"]),
            "publisher": text_of(row["publisher"]),
            "told": words.corroboration_words(row["owners"], row["articles"]),
            "about": ", ".join(str(name) for name in listed(row["entities"])[:3]),
            "time": _told(when_of(row["first_at"]), zone),
        }
        for _, row in rows.iterrows()
    ]


def _coverage(rows: pd.DataFrame) -> str:
    share = rows["coverage"].iloc[-1] if len(rows) and "coverage" in rows else float("nan")
    return f"{share:.0%} of the expected articles covered" if share == share else "coverage unknown"


def _told(when: datetime | None, zone: ZoneInfo) -> str:
    return f"{when.astimezone(zone):%-d %b %H:%M}" if when else "–"


# StrictUndefined: a word that is missing must not become a gap in what a desk reads.
_PAGE = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
