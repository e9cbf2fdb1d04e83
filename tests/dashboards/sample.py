"""A published snapshot made by hand for the tests of the pages: fictional companies, one bad patch, one silent feed."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.publish import search
from pipeline.publish.labels import topic_key
from pipeline.publish.manifest import Manifest, only_publisher, switch
from pipeline.publish.members import members
from pipeline.publish.parts import write_parts
from pipeline.publish.tables import TABLES

NOW = datetime(2026, 3, 3, 15, 20, tzinfo=UTC)
MODEL = "barograph-minilm-3"
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"> shares fall"

TOPICS = {
    "legal_regulation": "Legal and regulation",
    "earnings": "Earnings and dividends",
    "energy": "Energy",
    "credit": "Credit and treasuries",
    "markets": "Markets",
    "macro": "Economy",
    "company_news": "Company news",
    "deals": "Deals and listings",
    "central_banks": "Central banks",
    "metals": "Metals and materials",
}
COMPANIES = {
    "demo:harrowgate-mutual": "Harrowgate Mutual",
    "demo:brightwater-bank": "Brightwater Bank",
    "demo:kestrel-air": "Kestrel Air",
    "demo:ostermark-energy": "Ostermark Energy",
    "demo:lumenwerk": "Lumenwerk",
    "demo:quillfeather": "Quillfeather Retail Group",
    "demo:tarnhelm-motors": "Tarnhelm Motors",
    "demo:ferncliff": "Ferncliff Pharma",
}
_MEASURED = {"n": 2388, "accuracy": 0.871, "macro_f1": 0.833, "recall": {"negative": 0.781}, "ece": 0.029}
# The smallest picture there is, and what a backtest says of a rule.
_DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_PLAYED = {
    "rule": "negative-share-topic", "alerts": 8, "per_week": 0.93, "busiest": 3, "median_delay_hours": 4.0,
}  # fmt: skip
_SILENT = {"rule": "never-fired", "alerts": 0, "per_week": 0.0, "busiest": 0, "median_delay_hours": None}
PUBLISHERS = ("Harbour Wire", "Northgate Post", "The Ledger Daily", "Meridian Finance")


def write(
    root: Path,
    *,
    now: datetime = NOW,
    demo: bool = True,
    hostile: bool = False,
    empty: bool = False,
    withdrawn: str = "",
) -> Manifest:
    """Publish the sample under `root`; the same arguments give the same parts.

    `withdrawn`: the incident of this id never fired.
    """
    frames = _empty() if empty else {**_empty(), **_filled(now, hostile)}
    fired = frames["incidents"]["incident_id"] != withdrawn
    frames["incidents"] = frames["incidents"].assign(fired_at=frames["incidents"]["fired_at"].where(fired))
    with only_publisher(root):
        made = {}
        for name, table in TABLES.items():
            frame = frames[name]
            frame = frame.assign(**{column: None for column in table.schema.names if column not in frame})
            made[name] = pa.Table.from_pandas(frame[table.schema.names], table.schema, preserve_index=False)
        made["members"] = members(made["stories"], made["articles"], made["entities"])
        parts = {name: write_parts(root, table, made[name], now) for name, table in TABLES.items()}
        manifest = Manifest.of(
            parts,
            published_at=now,
            data_as_of=None if empty else now - timedelta(minutes=4),
            demo=demo,
            model=None if empty else (MODEL, 0.62),
        )
        search.update(root, manifest.tables["stories"])
        switch(root, manifest)
    return manifest


def _empty() -> dict[str, pd.DataFrame]:
    return {name: table.schema.empty_table().to_pandas() for name, table in TABLES.items()}


def _filled(now: datetime, hostile: bool) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(20260303)
    trends = pd.concat([_series(rng, now, *series) for series in _all_series()], ignore_index=True)
    expected = _expected(trends, now)
    labels = pd.DataFrame([(s, k, _label(s, k)) for s, k, *_ in _all_series()], columns=["scope", "key", "label"])
    today = pd.Timestamp(now).floor("D")
    unusual = expected[(expected["grain"] == "day") & (expected["bucket_start"] >= today - pd.Timedelta(days=1))]
    unusual = unusual.merge(labels, on=["scope", "key"]).assign(
        open=lambda f: f["bucket_start"] == today, news_volume=lambda f: f["story_count"] + 3, owners=3
    )
    stories = _stories(rng, now, hostile)
    incidents, events, evidence = _incidents(now, stories)
    return {
        "trends": trends,
        "expected": expected,
        "unusual": unusual,
        "labels": labels,
        "stories": stories,
        "articles": _articles(rng, now, stories),
        "model_cards": pd.DataFrame(
            {
                "model_version": [MODEL],
                "challenge": [json.dumps({"denial": {"n": 40, "passed": 31}, "hostile": {"n": 12, "passed": 12}})],
                "card": ["# A small model\n\nIt reads headlines. <script>document.title='owned'</script>"],
                "metrics": [json.dumps({"final": {"tweets": {"all": {"sentiment": _MEASURED, "topic": None}}}})],
            }
        ),
        "model_pictures": pd.DataFrame({"model_version": [MODEL], "name": ["tweets, sentiment"], "png": [_DOT]}),
        "backtests": pd.DataFrame(
            {
                "backtest_id": ["b1"],
                "rules_sha256": ["0"],
                "model_version": [MODEL],
                "from_at": [now - timedelta(days=60)],
                "to_at": [now],
                "recorded_at": [now],
                "result": [json.dumps({"of_rules": [_PLAYED, {**_PLAYED, **_SILENT}]})],
            }
        ),
        "limits": pd.DataFrame(
            {
                "rule": ["negative-share-topic"],
                "budget": ["1 a week"],
                "model_version": [MODEL],
                "set_for": [now],
                "p_limit": [0.001],
                "per_week": [0.9],
                "weeks": [8.0],
                "series": [10],
                "basis": ["counted"],
                "pooled": [False],
            }
        ),
        "incidents": incidents,
        "incident_events": events,
        "evidence": evidence,
        "feeds": _feeds(now),
        "fetch_summary": pd.DataFrame(
            {
                "feed_id": ["a", "a", "b"],
                "outcome": ["new", "unchanged", "timeout"],
                "attempts": [40, 240, 3],
                "new_articles": [212, 0, 0],
                "bytes": [900_000, 0, 0],
                "seconds": [12.0, 9.0, 60.0],
            }
        ),
        "models": pd.DataFrame(
            {
                "model_version": ["earlier@0", MODEL],
                "status": ["active", "active"],
                "negative_limit": [0.6, 0.62],
                "reason": ["first model", "better"],
                "actor": ["setup", "setup"],
                "recorded_at": [now - timedelta(days=60), now - timedelta(days=20)],
            }
        ),
        "entities": pd.DataFrame(
            {
                "entity_id": list(COMPANIES),
                "name": list(COMPANIES.values()),
                "kind": "company",
                "sector": "financials",
                "country": "XX",
                "tickers": [[] for _ in COMPANIES],
            }
        ),
    }


def _all_series() -> list[tuple[str, str, float, float]]:
    """(scope, key, stories a day, how much worse today is)."""
    rows = [("market", "all", 110.0, 1.6)]
    rows += [("topic", key, 24.0 / (n + 1) + 3, 3.2 if n == 0 else 1.0) for n, key in enumerate(TOPICS)]
    rows += [("entity", key, 9.0 / (n + 1) + 1.2, 4.0 if n == 0 else 1.0) for n, key in enumerate(COMPANIES)]
    return rows


def _label(scope: str, key: str) -> str:
    return {"market": "Market", "topic": TOPICS.get(key, key), "entity": COMPANIES.get(key, key)}[scope]


def _series(
    rng: np.random.Generator, now: datetime, scope: str, key: str, per_day: float, worse: float
) -> pd.DataFrame:
    frames = []
    end = pd.Timestamp(now)
    for grain, step, length in (("day", "D", 75), ("hour", "h", 24 * 14)):
        starts = pd.date_range(end=end.floor(step), periods=length, freq=step)
        rate = per_day * (1.0 if grain == "day" else 1 / 24) * np.where(starts.day_of_week >= 5, 0.6, 1.0)
        if grain == "hour":
            rate = rate * (1 + 0.6 * np.sin((starts.hour - 8) / 24 * 2 * np.pi))
        stories = rng.poisson(np.clip(rate, 0.02, None))
        stories[-1] = int(stories[-1] * (0.64 if grain == "day" else 0.4)) + (2 if per_day > 4 else 1)
        share = np.full(length, 0.20)
        share[24:31] *= 1.7 if grain == "day" else 1.0  # an old bad week
        recent = starts >= end - pd.Timedelta(hours=11 if grain == "hour" else 15.5)
        negative = rng.binomial(stories, np.clip(np.where(recent, share * worse, share), 0, 0.9))
        if worse > 2 and grain == "day":  # today's bad patch is the same whenever the sample is made
            stories[-1], negative[-1] = (31, 14) if scope == "topic" else (11, 9)
        positive = rng.binomial(stories - negative, 0.45)
        frame = pd.DataFrame(
            {
                "bucket_start": starts,
                "grain": grain,
                "scope": scope,
                "key": key,
                "model_version": MODEL,
                "news_volume": stories + rng.poisson(stories * 0.2),
                "story_count": stories,
                "negative_stories": negative,
                "positive_stories": positive,
                "abstained": 0,
                "unscored": 0,
                "polarity_sum": (positive - negative) * 0.8,
                "polarity_sq_sum": stories * 0.5,
                "weight_sum": stories.astype(float),
                "owners": np.minimum(stories, 4),
                "expected": rate,
                "covered": rate * 0.96,
                "arrived": stories,
            }
        )
        if grain == "hour":
            frame.loc[60:68, "covered"] *= 0.3  # a night in which the feeds could not be reached
        frames.append(frame[frame["story_count"] > 0])
    return pd.concat(frames, ignore_index=True)


def _expected(trends: pd.DataFrame, now: datetime) -> pd.DataFrame:
    rows = trends[["scope", "key", "grain", "bucket_start", "story_count", "negative_stories"]].copy()
    young = rows["key"] == list(COMPANIES)[-1]
    usual = rows["story_count"] * 0.2
    rows["expected"] = usual.where(~young)
    rows["low"] = np.floor((usual - 1.9 * np.sqrt(usual)).clip(lower=0)).where(~young)
    rows["high"] = np.ceil(usual + 1.9 * np.sqrt(usual)).where(~young)
    excess = (rows["negative_stories"] - usual).clip(lower=0) / np.sqrt(usual + 0.5)
    rows["p_value"] = np.exp(-0.5 - excess**1.6).where(~young)
    rows["status"] = np.where(young, "warming_up", "ok")
    return rows.assign(fit_id="f", hindsight=False)


def _stories(rng: np.random.Generator, now: datetime, hostile: bool) -> pd.DataFrame:
    told = [
        (
            "Harrowgate Mutual faces solvency probe after storm losses",
            "Legal | Regulation",
            -0.93,
            ["litigation", "enforcement"],
            0,
            4,
            6,
        ),
        (
            "Harrowgate Mutual halts payouts on storm policies as reserves shrink",
            "Company | Product News",
            -0.95,
            ["liquidity"],
            0,
            3,
            4,
        ),
        (
            "Pellworth Cannery files for bankruptcy protection",
            "Company | Product News",
            -0.98,
            ["bankruptcy"],
            None,
            1,
            1,
        ),
        ("Brightwater Bank lifts full-year profit goal on higher lending", "Earnings", 0.91, [], 1, 2, 2),
        ("Kestrel Air adds six routes for the summer season", "Company | Product News", 0.62, [], 2, 1, 1),
        ("Central bank leaves its key rate unchanged at 2.25%", "Fed | Central Banks", 0.03, [], None, 4, 7),
        ("Oil steady as traders wait for stock figures", "Energy | Oil", -0.05, [], None, 2, 2),
        (
            "Ostermark Energy cuts output guidance after turbine fault",
            "Energy | Oil",
            -0.88,
            ["profit_warning"],
            3,
            2,
            3,
        ),
        ("Lumenwerk shows its folding tablet at the spring fair", "Company | Product News", 0.55, [], 4, 3, 8),
        ("Tarnhelm Motors recalls 40,000 vans over brake hoses", "Company | Product News", -0.84, ["recall"], 6, 2, 2),
        ("Quillfeather names Ada Norring finance chief", "Personnel Change", 0.1, ["management_exit"], 5, 1, 1),
        ("Gold edges up as the dollar softens", "Gold | Metals | Materials", 0.32, [], None, 1, 1),
    ]
    names = list(COMPANIES)
    rows: list[dict[str, Any]] = []
    for day in range(20):
        for n, (title, topic, polarity, themes, company, owners, articles) in enumerate(told):
            if day and rng.random() < 0.5:
                continue
            about = [names[company]] if company is not None else []
            url = f"https://wire.example/{day}/{n}"
            if hostile and day == 0 and n == 0:
                title, url = HOSTILE, "javascript:document.title='owned'"
            rows.append(
                {
                    "story_id": f"s{day:02d}{n:02d}",
                    "first_at": now - timedelta(days=day, minutes=23 + 71 * n),
                    "title": title,
                    "publisher": PUBLISHERS[n % 4],
                    "owners": owners,
                    "articles": articles,
                    "url": url,
                    "imported": day > 1,
                    "status": "scored",
                    "topic": topic,
                    "topic_key": topic_key(topic),
                    "p_negative": (1 - polarity) / 2,
                    "polarity": polarity,
                    "negative": polarity < -0.5,
                    "entity_ids": about,
                    "entities": [COMPANIES[e] for e in about],
                    "themes": themes,
                }
            )
    return pd.DataFrame(rows)


def _articles(rng: np.random.Generator, now: datetime, stories: pd.DataFrame) -> pd.DataFrame:
    """Each story's articles: a copy every seven minutes; a negative first one has the words behind it."""
    rows: list[dict[str, Any]] = []
    for story in stories.to_dict("records"):
        negative = float(story["p_negative"])
        for n in range(story["articles"]):
            at = story["first_at"] + timedelta(minutes=7 * n)
            publisher = PUBLISHERS[n % max(1, story["owners"])]
            away = float(np.clip(negative + rng.normal(0, 0.02), 0.01, 0.99)) if n else negative
            towards = [
                {"entity_id": entity, "name": COMPANIES[entity], "relevance": 0.9, "status": "scored",
                 "p_negative": away, "p_neutral": (1 - away) / 2, "p_positive": (1 - away) / 2}
                for entity in story["entity_ids"]
            ]  # fmt: skip
            words = [{"start": 0, "end": 10, "weight": 0.2}, {"start": 18, "end": 23, "weight": 0.8}]
            rows.append(
                {
                    "story_id": story["story_id"], "article_id": f"{story['story_id']}-{n}", "revision": 0,
                    "counted_at": at, "novelty": max(1, round(100 * 0.75**n)), "owner": publisher,
                    "publisher": publisher, "title": story["title"], "url": story["url"], "published_at": at,
                    "first_seen_at": at, "imported": story["imported"], "language": "en",
                    "status": "abstained" if n == 5 else "scored", "p_negative": away, "p_neutral": (1 - away) / 2,
                    "p_positive": (1 - away) / 2, "topic": story["topic"], "p_topic": 0.9, "entities": towards,
                    "words": words if negative > 0.62 and not n else [], "themes": story["themes"],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _incidents(now: datetime, stories: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    made = [
        ("i1", "event-watchlist", "event", "entity", "demo:pellworth-cannery", "Pellworth Cannery", "critical",
         "bankruptcy: one article, p(negative) 0.99", True, timedelta(hours=1, minutes=50), None),
        ("i2", "negative-share-entity", "negative_share", "entity", "demo:harrowgate-mutual", "Harrowgate Mutual",
         "error",         "9 of 11 stories negative; usual 2, range 0–5", False, timedelta(hours=3, minutes=10), None),
        ("i3", "negative-share-topic", "negative_share", "topic", "legal_regulation", "Topic: Legal and regulation",
         "warning", "14 of 31 stories negative; usual 5, range 2–9", False, timedelta(hours=2, minutes=20), None),
        ("i4", "late-feed", "health", "feed", "feed-ledger", "Feed: The Ledger Daily", "warning",
         "silent for 9 h; about 14 articles were due", False, timedelta(hours=4), None),
        ("i5", "negative-share-market", "negative_share", "market", "all", "Market", "error",
         "61 of 118 stories negative; usual 24, range 15–34", False, timedelta(days=48), timedelta(days=42)),
    ]  # fmt: skip
    incidents, events, evidence = [], [], []
    for id_, rule, kind, scope, key, label, severity, summary, single, opened, resolved in made:
        when = now - opened
        incidents.append(
            {
                "incident_id": id_,
                "dedup_key": f"{rule}|{scope}|{key}",
                "rule": rule,
                "kind": kind,
                "scope": scope,
                "key": key,
                "label": label,
                "severity": severity,
                "state": "resolved" if resolved else "firing",
                "single_source": single,
                "summary": summary,
                "model_version": MODEL,
                "opened_at": when,
                "fired_at": when,
                "resolved_at": now - resolved if resolved else pd.NaT,
                "last_seen_at": now,
                "events": 1,
            }
        )
        events.append(
            {
                "event_id": f"e{id_}",
                "incident_id": id_,
                "seq": 0,
                "happened_at": when,
                "action": "fire",
                "reason": "first",
                "severity": severity,
                "recorded_at": when,
            }
        )
        previous = ""
        for seq, (row_kind, payload) in enumerate(_payloads(rule, kind, key, now, stories)):
            text = json.dumps(payload, sort_keys=True)
            digest = hashlib.sha256((previous + text).encode()).hexdigest()
            evidence.append(
                {
                    "incident_id": id_,
                    "event_id": f"e{id_}",
                    "seq": seq,
                    "kind": row_kind,
                    "payload": text,
                    "sha256": digest,
                    "previous_sha256": previous,
                    "recorded_at": when,
                }
            )
            previous = digest
    return pd.DataFrame(incidents), pd.DataFrame(events), pd.DataFrame(evidence)


def _payloads(rule: str, kind: str, key: str, now: datetime, stories: pd.DataFrame) -> list[tuple[str, dict[str, Any]]]:
    decision = {
        "rule": rule, "rule_kind": kind, "grain": "day", "bucket_start": now.replace(hour=0, minute=0).isoformat(),
        "story_count": 31, "negative_stories": 14, "expected": 5.1, "low": 2, "high": 9, "p_value": 0.0006,
        "p_limit": 0.005, "negative_limit": 0.62, "model_version": MODEL,
    }  # fmt: skip
    if kind == "health":
        feed = {
            "feed_id": key,
            "sentence": "The Ledger Daily has been silent for 9 h; about 14 articles were due by its own cadence.",
        }
        return [("decision", decision), ("feed", feed)]
    rows = stories.head(12 if kind == "negative_share" else 3).to_dict("records")
    articles = [
        {
            "article_id": row["story_id"], "revision": 1, "title": row["title"], "url": row["url"],
            "publisher": row["publisher"],
            "published_at": row["first_at"].isoformat(), "p_negative": row["p_negative"], "p_neutral": 0.02,
            "p_positive": 0.98 - row["p_negative"], "negative": bool(row["negative"]),
            "role": "negative" if row["negative"] else "counter", "themes": list(row["themes"]),
        }
        for row in rows
    ]  # fmt: skip
    return [("decision", decision), *(("article", article) for article in articles)]


def _feeds(now: datetime) -> pd.DataFrame:
    rows = [
        {
            "feed_id": f"feed-{n}", "title": name, "publisher": name, "url": f"https://{n}.example/rss", "kind": "rss",
            "status": "active", "last_fetch_at": now - timedelta(minutes=4),
            "last_success_at": now - timedelta(minutes=4),
            "last_new_at": now - timedelta(minutes=6 + 5 * n), "failures": 0, "last_outcome": "new", "late": False,
        }
        for n, name in enumerate(PUBLISHERS)
    ]  # fmt: skip
    rows[2].update(
        feed_id="feed-ledger", late=True, last_new_at=now - timedelta(hours=9),
        late_sentence="Silent for 9 h; about 14 articles were due by its own cadence.",
    )  # fmt: skip
    rows[3].update(
        failures=3, last_outcome="timeout",
        last_error="Meridian Finance did not answer within 20 s. It is asked again; or raise [ingest] timeout_s.",
    )  # fmt: skip
    return pd.DataFrame(rows)
