"""Numbers as sentences: what a page says about counts, chances, ages and decisions. Pure, and the only place for it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

__all__ = [
    "SEVERITY_MARK",
    "age_words",
    "chance_words",
    "clock_words",
    "corroboration_words",
    "counts_words",
    "decision_words",
    "plain",
    "polarity_mark",
    "range_words",
    "safe_url",
    "span_words",
]

SEVERITY_MARK = {"critical": "◆", "error": "▲", "warning": "△", "info": "○"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]+")
_LONGEST = 300


def plain(text: object) -> str:
    """Text of a feed for a plotly label or hover: escaped (plotly reads some HTML), one line, 300 letters at most."""
    line = _CONTROL.sub(" ", str(text)).strip()
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 1] + "…"
    return html.escape(line)


def safe_url(url: object) -> str | None:
    """The address if it is http(s) with a host; None for everything else (javascript:, data:, a path …)."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    return url.strip() if parts.scheme in ("http", "https") and parts.hostname else None


def counts_words(negative: int, stories: int) -> str:
    """`14 of 31 negative`; `no stories` where there are none."""
    return f"{negative} of {stories} negative" if stories else "no stories"


def range_words(expected: float | None, low: float | None, high: float | None, status: str) -> str:
    """`usual 5, range 2–9`, or why there is no range."""
    if _known(expected) and _known(low) and _known(high):
        return f"usual {expected:.0f}, range {low:.0f}–{high:.0f}"
    if status == "too_sparse":
        return "too sparse: no range"
    return "warming up: no range"


def chance_words(p_value: float | None) -> str:
    """A tail probability as people say it: `1 in 400`; `ordinary` from one in five on; empty where unknown."""
    if not _known(p_value):
        return ""
    assert p_value is not None
    if p_value >= 0.2:
        return "ordinary"
    odds = 1 / max(p_value, 1e-12)
    if odds > 10_000:
        return "under 1 in 10,000"
    digits = max(0, math.floor(math.log10(odds)) - 1)
    return f"1 in {round(odds / 10**digits) * 10**digits:,.0f}"


def age_words(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that leaves a sensible number: `3 min`, `9 h`, `4 days`."""
    if then is None or then != then:
        return "never"
    minutes = (now - then).total_seconds() / 60
    if minutes < 1.5:
        return "just now" if minutes < 0.75 else "1 min"
    if minutes < 90:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} h"
    return f"{minutes / 1440:.0f} days"


def clock_words(moment: datetime | None, now: datetime) -> str:
    """`14:05` on the day itself, else `2 Mar 14:05` (UTC); with the year where it is another."""
    if moment is None or moment != moment:
        return "–"
    if moment.date() == now.date():
        return moment.strftime("%H:%M")
    year = f" {moment.year}" if moment.year != now.year else ""
    return f"{moment.day} {moment.strftime('%b')}{year} {moment.strftime('%H:%M')}"


def span_words(start: datetime, end: datetime) -> str:
    """`2 Jan to 3 Mar 2026`; with both years where they differ."""
    year = f" {start.year}" if start.year != end.year else ""
    return f"{start:%-d %b}{year} to {end:%-d %b %Y}"


def corroboration_words(owners: int, articles: int) -> str:
    """`3 owners, 5 articles`; one owner is said to be a single source."""
    copies = f", {articles} articles" if articles > 1 else ""
    return f"{owners} owners{copies}" if owners > 1 else f"single source{copies}"


def polarity_mark(polarity: float | None) -> tuple[str, str]:
    """(shape, class) of a polarity: the shape says the same as the colour. ○ is no score."""
    if not _known(polarity):
        return "○", "unscored"
    assert polarity is not None
    if polarity <= -0.25:
        return "▼", "negative"
    return ("▲", "positive") if polarity >= 0.25 else ("●", "neutral")


def decision_words(payload: Mapping[str, Any]) -> str:
    """Why an incident fired, from the decision row of its evidence."""
    rule = f"Rule “{payload.get('rule', '?')}”"
    kind = payload.get("rule_kind")
    if kind == "health":
        said = payload.get("sentence") or "arrivals fell short of what their own cadence explains"
        return f"{rule}: {said}."
    if kind == "event":
        return f"{rule}: an article with a severe theme about a watched name, scored negative. One is enough."
    counted = f"{payload.get('negative_stories', '?')} of {payload.get('story_count', '?')} stories negative"
    span = _span(payload)
    usual = range_words(payload.get("expected"), payload.get("low"), payload.get("high"), "ok")
    chance, limit = chance_words(payload.get("p_value")), chance_words(payload.get("p_limit"))
    odds = f" Chance {chance} by its own past; it fires under {limit}." if chance and limit else ""
    return f"{rule}: {counted}{span}; {usual}.{odds}"


def _span(payload: Mapping[str, Any]) -> str:
    start, grain = payload.get("bucket_start"), payload.get("grain")
    try:
        moment = datetime.fromisoformat(str(start))
    except ValueError:
        return ""
    when = f"{moment.day} {moment.strftime('%b')}"
    return f" on {when}" if grain == "day" else f" in the hour from {when} {moment.strftime('%H:%M')} UTC"


def _known(number: float | None) -> bool:
    return isinstance(number, int | float) and not math.isnan(number)
