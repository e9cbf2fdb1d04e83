"""Makes docs/real-headlines.md and its picture: real headlines of 2017–2019 taken through all stages, SIMULATED.

    python docs/real_headlines.py            needs the shared data (BAROGRAPH_SHARED_DATA) and `make .venv/.dev`

The headlines belong to their publishers, so the committed page has dates, counts and our own words; the same table
with the headlines behind each day is written to build/real-headlines-full.md, which is not committed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from models.taxonomy import taxonomy
from pipeline.context import Context, Report, open_context
from pipeline.detect.simulate import unusual_days
from pipeline.ingest.archive import import_archive
from pipeline.promotion import active_model
from pipeline.series.buckets import register, with_sql
from pipeline.stages import STAGES, run_stage

ROOT = Path(__file__).resolve().parent.parent
TOPIC_LIMIT, TOPIC_NEGATIVE = 0.05, 3
FROM, TO = datetime(2018, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
ARCHIVES = (
    ("guardian_headlines.csv", "The Guardian", {"title": "Headlines", "published_at": "Time"}, "Europe/London"),
    (
        "cnbc_headlines.csv",
        "CNBC",
        {"title": "Headlines", "published_at": "Time", "summary": "Description"},
        "America/New_York",
    ),
)
BEHIND = """
SELECT c.counted_at::DATE AS day, j.topic, j.p_negative, a.title, a.publisher
FROM counted AS c JOIN judged AS j ON j.article_id = c.article_id AND j.revision = c.revision AND j.entity_id = ''
JOIN articles AS a ON a.article_id = c.article_id AND a.revision = c.revision
WHERE j.status = 'scored' AND j.p_negative > $negative_limit
QUALIFY row_number() OVER (PARTITION BY c.story_id ORDER BY c.counted_at, c.article_id) = 1
ORDER BY day, p_negative DESC
"""


def run_stages(context: Context, data: Path) -> list[Report]:
    """Import both archives and run every stage but `ingest` (there is no feed) on them."""
    reports = []
    for file, publisher, columns, zone in ARCHIVES:
        reports.append(import_archive(context, data / "headlines_2017_2019" / file, publisher, columns, zone))
    return reports + [run_stage(stage, context) for stage in STAGES if stage != "ingest"]


def read(context: Context) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Daily trends, the negative headlines by day and topic, and the model version they are of."""
    with context.warehouse.read() as con:
        active = active_model(con)
        assert active is not None
        trends = (
            con.execute(
                "SELECT * FROM trends WHERE grain = 'day' AND model_version = ? ORDER BY ALL", [active.model_version]
            )
            .to_arrow_table()
            .to_pandas()
        )
        register(con)
        behind = (
            con.execute(
                with_sql("recorded_at") + BEHIND,
                {
                    "as_of": datetime.now(UTC),
                    "model_version": active.model_version,
                    "negative_limit": active.negative_limit,
                },
            )
            .to_arrow_table()
            .to_pandas()
        )
    behind["day"] = pd.to_datetime(behind["day"], utc=True)
    return trends, behind, active.model_version


def picture(trends: pd.DataFrame, unusual: pd.DataFrame, vix: pd.DataFrame, to: Path) -> None:
    """The daily share of negative stories of the market above the VIX; the ten most unusual days marked."""
    market = trends[(trends.scope == "market") & (trends.story_count >= 5)].set_index("bucket_start").sort_index()
    share = market.negative_stories / market.story_count
    smooth = share.rolling("14D").mean()
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(11, 6), sharex=True, height_ratios=[3, 2])
    top.plot(share.index, share, ".", color="#b9c3cc", markersize=3, label="a day (5 stories or more)")
    top.plot(smooth.index, smooth, color="#c8641b", label="mean of the past 14 days")
    marked = share.reindex(pd.to_datetime(unusual.bucket_start, utc=True))
    top.plot(marked.index, marked, "v", color="#8c2d04", markersize=7, label="ten most unusual days of 2018–2019")
    top.set_ylabel("share of stories that are negative")
    top.legend(loc="upper left", frameon=False, fontsize=8)
    top.set_title("SIMULATED · share of negative headlines (Guardian business, CNBC) above the VIX", loc="left")
    bottom.plot(pd.to_datetime(vix.DATE, utc=True), vix.CLOSE, color="#2b5c8a")
    bottom.set_ylabel("VIX, close")
    bottom.set_xlim(share.index.min(), share.index.max())
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e6e9ec")
    figure.tight_layout()
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110, metadata={"Software": None})
    plt.close(figure)


def table(days: pd.DataFrame, words: dict[str, str], headlines: pd.DataFrame | None) -> list[str]:
    """Markdown rows: the day, what was counted, what was usual, and what was behind it."""
    lines = ["| day | stories | negative | usual (range) | p | behind it |", "|---|---|---|---|---|---|"]
    for row in days.itertuples():
        day = f"{row.bucket_start:%Y-%m-%d}"
        if headlines is None:
            behind = words.get(day, "")
        else:
            here = headlines[headlines.day == row.bucket_start]
            behind = "<br>".join(f"{h.title} ({h.publisher}, {h.p_negative:.2f})" for h in here.head(6).itertuples())
        lines.append(
            f"| {day} | {row.story_count} | {row.negative_stories} | {row.expected:.1f} ({row.low:.0f}–{row.high:.0f})"
            f" | {row.p_value:.2g} | {behind} |"
        )
    return lines


def page(reports: list[Report], trends: pd.DataFrame, behind: pd.DataFrame, version: str, full: bool) -> str:
    """The page; `full` with the headlines behind each day."""
    own = tomllib.loads((ROOT / "docs" / "real-headlines.toml").read_text(encoding="utf-8"))
    lines = [own["opening"].strip(), "", f"SIMULATED with model `{version}`.", ""]
    lines += ["| stage | counts | seconds |", "|---|---|---|"]
    for report in reports:
        counts = ", ".join(
            f"{n:,} {name.replace('_', ' ')}"
            for name, n in report.counts.items()
            if n and not name.startswith("reason_")
        )
        lines.append(f"| {report.stage} | {counts} | {report.seconds:.1f} |")
    lines += [
        "",
        "![Share of negative headlines above the VIX](pictures/real-headlines.png)",
        "",
        own["reading"].strip(),
    ]
    market = unusual_days(trends, "market", start=FROM, end=TO)
    lines += ["", "## The market: the ten most unusual days", ""]
    lines += table(market, own["market"], behind if full else None)
    names = taxonomy().names
    topics = trends[trends.scope == "topic"]
    for key in sorted(topics.key.unique()):
        days = unusual_days(topics[topics.key == key], most=None, start=FROM, end=TO, min_stories=3)
        days = days[(days.p_value < TOPIC_LIMIT) & (days.negative_stories >= TOPIC_NEGATIVE)].head(10)
        if days.empty:
            none = f"No day with p < {TOPIC_LIMIT} and {TOPIC_NEGATIVE} negative stories."
            lines += ["", f"## {names.get(key, key)}", "", none]
            continue
        labels = {label for label, group in zip(taxonomy().labels, taxonomy().keys, strict=True) if group == key}
        lines += ["", f"## {names.get(key, key)}", ""]
        lines += table(days, own.get("topics", {}).get(key, {}), behind[behind.topic.isin(labels)] if full else None)
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run everything and write the page, the full page and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "real-headlines", help="where the store goes")
    parser.add_argument(
        "--words", action="store_true", help="only write the pages again, from the store of the last run"
    )
    arguments = parser.parse_args()
    data = Path(os.environ.get("BAROGRAPH_SHARED_DATA", ROOT.parent / "shared" / "data"))
    config, kept = arguments.work / "barograph.toml", arguments.work / "reports.json"
    if not arguments.words:
        shutil.rmtree(arguments.work, ignore_errors=True)
        arguments.work.mkdir(parents=True)
        config.write_text("", encoding="utf-8")
        reports = run_stages(open_context(config), data)
        kept.write_text(json.dumps([asdict(report) for report in reports]), encoding="utf-8")
    context = open_context(config)
    reports = [Report(**values) for values in json.loads(kept.read_text(encoding="utf-8"))]
    trends, behind, version = read(context)
    trends["bucket_start"] = pd.to_datetime(trends["bucket_start"], utc=True)
    vix = pd.read_csv(data / "market" / "vix_daily_2017_2019.csv")
    picture(
        trends,
        unusual_days(trends, "market", start=FROM, end=TO),
        vix,
        ROOT / "docs" / "pictures" / "real-headlines.png",
    )
    (ROOT / "docs" / "real-headlines.md").write_text(
        page(reports, trends, behind, version, full=False), encoding="utf-8"
    )
    full = ROOT / "build" / "real-headlines-full.md"
    full.parent.mkdir(exist_ok=True)
    full.write_text(page(reports, trends, behind, version, full=True), encoding="utf-8")


if __name__ == "__main__":
    main()
