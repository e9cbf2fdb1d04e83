"""Makes docs/real-alerts.md: what the shipped rules would have sent on the real headlines of 2018–2019, SIMULATED.

    python docs/real_headlines.py                                            the store (once)
    cd build/real-headlines && barograph backtest --from 2018-01-01 --to 2020-01-01 --json > alerts.json
    python docs/real_alerts.py build/real-headlines/alerts.json

The headlines belong to their publishers: the committed page has dates, counts, and our own words and judgement of each
alert (docs/real-alerts.toml); the list with headlines is written to build/real-alerts-full.md, which is not committed.
"""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.context import open_context
from pipeline.promotion import active_model

ROOT = Path(__file__).resolve().parent.parent
FROM, TO = datetime(2018, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
RISES = 25
USUAL_DAYS, LEAST_STORIES = 60, 10


def shares(config: Path) -> pd.Series:
    """Share of negative stories of the market by UTC day, less the median of the 60 days with news before it."""
    with open_context(config).warehouse.read() as con:
        model = active_model(con)
        assert model is not None
        rows = (
            con.execute(
                "SELECT bucket_start, negative_stories / story_count AS share FROM trends WHERE scope = 'market'"
                " AND grain = 'day' AND model_version = ? AND story_count >= ? ORDER BY bucket_start",
                [model.model_version, LEAST_STORIES],
            )
            .to_arrow_table()
            .to_pandas()
        )
    share = pd.Series(rows["share"].to_numpy(), pd.to_datetime(rows["bucket_start"], utc=True))
    return share - share.shift(1).rolling(USUAL_DAYS, min_periods=20).median()


def vix(data: Path) -> pd.Series:
    """Change of the VIX from close to close, in percent, by trading day."""
    rows = pd.read_csv(data / "market" / "vix_daily_2017_2019.csv", parse_dates=["DATE"])
    change = rows.set_index("DATE")["CLOSE"].pct_change() * 100
    change.index = change.index.tz_localize("UTC")
    return change[(change.index >= FROM) & (change.index < TO)]


def shifted(excess: pd.Series, change: pd.Series) -> tuple[float, float, int]:
    """Mean excess share of the news of the largest rises (that day and the next), and its p under circular shifts.

    Every shift of the VIX against the news by whole trading days keeps how each hangs together in itself.
    """
    news = pd.concat([excess, excess.shift(-1, freq="D").rename("next")], axis=1, sort=True)
    told = np.asarray(news.reindex(change.index).mean(axis=1), dtype=np.float64)
    top = np.zeros(change.size, dtype=bool)
    top[np.argsort(-change.to_numpy())[:RISES]] = True
    means = np.array([np.nanmean(told[np.roll(top, by)]) for by in range(change.size)])
    return float(means[0]), float((means >= means[0]).mean()), int(np.isfinite(told[top]).sum())


def days_of(alert: dict[str, Any]) -> set[pd.Timestamp]:
    """The UTC days of the news that an alert counted."""
    began, ended = pd.Timestamp(alert["began"]).floor("D"), pd.Timestamp(alert["fired_at"]).floor("D")
    return set(pd.date_range(began, ended - timedelta(days=1), freq="D")) or {began}


def near(alerts: list[dict[str, Any]], change: pd.Series) -> tuple[int, float, int]:
    """How many of the largest rises lie on a day of a market alert or the day before one; and its p by shifts."""
    rises = change.sort_values(ascending=False).index[:RISES]
    told = set().union(*(days_of(alert) for alert in alerts)) if alerts else set()
    covered = change.index.isin(told) | (change.index + timedelta(days=1)).isin(told)
    top = change.index.isin(rises)
    hits = np.array([(np.roll(top, by) & covered).sum() for by in range(change.size)])
    return int(hits[0]), float((hits >= hits[0]).mean()), int(covered.sum())


def judged(alerts: list[dict[str, Any]], own: dict[str, Any]) -> list[dict[str, Any]]:
    """Each alert with our words and judgement."""
    words = {(one["day"], one["rule"], one["about"]): one for one in own["alert"]}
    return [
        alert
        | words.get((alert["fired_at"][:10], alert["rule"], alert["label"]), {"judged": "not judged", "words": ""})
        for alert in alerts
    ]


def page(told: dict[str, Any], own: dict[str, Any], excess: pd.Series, change: pd.Series) -> str:
    """The committed page."""
    alerts = judged(told["alerts"], own)
    verdicts = Counter(alert["judged"] for alert in alerts)
    lines = [own["opening"].strip(), "", f"SIMULATED with model `{told['model_version']}`, trained on"]
    lines += [f"{told['trained_on']}.", "", "## Alerts a week", ""]
    lines += [
        "| rule | budget | series | alerts | a week | right | arguable | wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in told["of_rules"]:
        mine = Counter(alert["judged"] for alert in alerts if alert["rule"] == row["rule"])
        figures = " | ".join(str(mine[word]) for word in ("right", "arguable", "wrong"))
        name = f"| `{row['rule']}` | {row['budget']} | {row['series']} | {row['alerts']} | {row['per_week']:.2f}"
        lines.append(f"{name} | {figures} |")
    total = ", ".join(f"{n} {word}" for word, n in verdicts.most_common())
    lines += ["", f"{len(alerts)} alerts in {told['weeks']:.0f} weeks: {total}.", "", own["reading"].strip()]
    mean, p_share, days = shifted(excess, change)
    market = [alert for alert in alerts if alert["scope"] == "market"]
    hits, p_hits, covered = near(market, change)
    lines += ["", "## Against the VIX", "", own["vix"].strip(), ""]
    lines += [
        f"- Excess share of negative stories on the {RISES} days of the largest rises and the day after each ({days} of"
        f" them with news): {mean:+.3f}, p = {p_share:.3f} among all {change.size} circular shifts.",
        f"- Of these {RISES} days, {hits} lie on a day of a market alert's news or the day before one; so do {covered}"
        f" of all {change.size} trading days, p = {p_hits:.3f}.",
        "",
        "| rise of the VIX | % | excess share, that day / next | market alert |",
        "|---|---|---|---|",
    ]
    for day in change.sort_values(ascending=False).index[:RISES]:
        found = [a["fired_at"][:10] for a in market if days_of(a) & {day, day + timedelta(days=1)}]
        values = " / ".join(_share(excess, one) for one in (day, day + timedelta(days=1)))
        lines.append(f"| {day:%Y-%m-%d} | {change[day]:.0f} | {values} | {', '.join(found) or 'none'} |")
    lines += [
        "",
        "## Every alert",
        "",
        "| sent | rule | about | counted | judged | what it was |",
        "|---|---|---|---|---|---|",
    ]
    for alert in alerts:
        head = f"| {alert['fired_at'][:10]} | `{alert['rule']}` | {alert['label']} | {alert['summary']}"
        lines.append(f"{head} | {alert['judged']} | {alert['words']} |")
    return "\n".join(lines) + "\n"


def _share(excess: pd.Series, day: pd.Timestamp) -> str:
    value = excess.get(day)
    return "no news" if value is None or np.isnan(value) else f"{value:+.2f}"


def full(told: dict[str, Any]) -> str:
    """The list with headlines, for the reader's own machine."""
    lines = [f"# Alerts with their headlines, SIMULATED ({told['model_version']})", ""]
    for alert in told["alerts"]:
        lines.append(f"## {alert['fired_at'][:16]} {alert['rule']}: {alert['label']}: {alert['summary']}")
        lines += [f"- {'**' if a['negative'] else ''}{a['title']} ({a['publisher']})" for a in alert["articles"]] + [""]
    return "\n".join(lines)


def main() -> None:
    """Write both pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alerts", type=Path, help="what `barograph backtest --json` printed")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "real-headlines", help="the store's folder")
    arguments = parser.parse_args()
    data = Path(os.environ.get("BAROGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    told = json.loads(arguments.alerts.read_text(encoding="utf-8"))[0]
    own = tomllib.loads((ROOT / "docs" / "real-alerts.toml").read_text(encoding="utf-8"))
    excess, change = shares(arguments.work / "barograph.toml"), vix(data)
    (ROOT / "docs" / "real-alerts.md").write_text(page(told, own, excess, change), encoding="utf-8")
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "real-alerts-full.md").write_text(full(told), encoding="utf-8")


if __name__ == "__main__":
    main()
