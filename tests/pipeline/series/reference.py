"""The definitions again, slowly, in plain Python: what the bucket SQL is held against."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tests.pipeline.seeds import Piece

__all__ = ["trends"]

Key = tuple[str, str, str, datetime]  # scope, key, grain, bucket


def bucket_time(p: Piece) -> datetime | None:
    if p.imported:
        return p.published_at if p.precision in ("second", "day") and p.flag != "future" else None
    precise = p.precision == "second" and p.flag == "" and p.published_at is not None
    if precise and p.known_at - timedelta(hours=24) <= p.published_at <= p.known_at:
        return p.published_at
    return p.known_at


def truncated(moment: datetime, grain: str) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0, **({"hour": 0} if grain == "day" else {}))


def series_of(p: Piece, sectors: Mapping[str, str], topics: Mapping[str, str]) -> list[tuple[str, str, str, float]]:
    near = sorted(((-v[0], e) for e, v in p.entities.items() if v[0] >= 0.3))[:5]
    entities = [e for _, e in near]
    found = [("market", "all", "", 1.0), ("publisher", p.publisher, "", 1.0)]
    found += [("entity", e, e, p.entities[e][0]) for e in entities]
    found += [("sector", s, "", 1.0) for s in sorted({sectors[e] for e in entities if sectors.get(e)})]
    found += [("theme", t, "", 1.0) for t in sorted({t for e, t in p.themes if e == ""})]
    if p.status in ("scored", "abstained"):
        found.append(("topic", topics.get(p.topic, "other"), "", 1.0))
    return found


def mood(p: Piece, entity: str) -> tuple[float, float]:
    return (p.p_negative, p.p_positive) if entity == "" else p.entities[entity][1:]


def trends(
    pieces: Sequence[Piece],
    owners: Mapping[str, str],
    sectors: Mapping[str, str],
    topics: Mapping[str, str],
    negative_limit: float,
) -> dict[Key, dict[str, float]]:
    """Every bucket with an article in it -> its counts and sums."""
    grouped: dict[tuple[str, str, str], list[tuple[Piece, str, float, datetime]]] = defaultdict(list)
    for p in pieces:
        when = bucket_time(p)
        if when is None:
            continue
        for scope, key, entity, relevance in series_of(p, sectors, topics):
            for grain in ("hour", "day"):
                if grain == "day" or not (p.imported and p.precision == "day"):
                    grouped[scope, key, grain].append((p, entity, relevance, when))
    rows: dict[Key, dict[str, float]] = {}
    for (scope, key, grain), members in grouped.items():
        members.sort(key=lambda m: (m[3], m[0].article_id))
        stories: dict[str, list[tuple[Piece, str, float, datetime]]] = defaultdict(list)
        sources: dict[datetime, set[str]] = defaultdict(set)
        for member in members:
            bucket = truncated(member[3], grain)
            row = rows.setdefault((scope, key, grain, bucket), dict.fromkeys(NAMES, 0.0))
            row["news_volume"] += 1
            sources[bucket].add(owners.get(member[0].publisher) or member[0].publisher)
            stories[member[0].story_id or f"story-{member[0].article_id}"].append(member)
        for bucket, names in sources.items():
            rows[scope, key, grain, bucket]["owners"] = len(names)
        for told in stories.values():
            _count(rows[scope, key, grain, truncated(told[0][3], grain)], told, owners, negative_limit)
    return rows


NAMES = (
    "news_volume", "story_count", "negative_stories", "positive_stories", "abstained", "unscored", "polarity_sum",
    "polarity_sq_sum", "weight_sum", "owners",
)  # fmt: skip


def _count(
    row: dict[str, float],
    told: Sequence[tuple[Piece, str, float, datetime]],
    owners: Mapping[str, str],
    negative_limit: float,
) -> None:
    first: dict[str, tuple[Piece, str, float]] = {}
    for p, entity, relevance, _ in told:
        if p.status == "scored":
            first.setdefault(owners.get(p.publisher) or p.publisher, (p, entity, relevance))
    if not first:
        row["abstained" if any(p.status == "abstained" for p, *_ in told) else "unscored"] += 1
        return
    weight = sum(relevance for _, _, relevance in first.values())
    negative = sum(r * mood(p, e)[0] for p, e, r in first.values()) / weight
    positive = sum(r * mood(p, e)[1] for p, e, r in first.values()) / weight
    neutral = sum(r * (1 - sum(mood(p, e))) for p, e, r in first.values()) / weight
    row["story_count"] += 1
    row["negative_stories"] += negative > negative_limit
    row["positive_stories"] += negative <= negative_limit and positive > max(negative, neutral)
    row["polarity_sum"] += positive - negative
    row["polarity_sq_sum"] += (positive - negative) ** 2
    row["weight_sum"] += weight
