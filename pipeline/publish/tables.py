"""Which tables a snapshot holds: their columns, the order of their rows, and by which column they are cut into days."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["SCHEMA_VERSION", "TABLES", "Published"]

SCHEMA_VERSION = 1

_TIME = pa.timestamp("us", tz="UTC")
_TEXT, _INT, _FLOAT, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_TEXTS = pa.list_(pa.string())
_CHANCES: list[tuple[str, pa.DataType]] = [("p_negative", _FLOAT), ("p_neutral", _FLOAT), ("p_positive", _FLOAT)]
_TOWARDS = pa.list_(
    pa.struct([("entity_id", _TEXT), ("name", _TEXT), ("relevance", _FLOAT), ("status", _TEXT), *_CHANCES])
)
_WORDS = pa.list_(pa.struct([("start", _INT), ("end", _INT), ("weight", _FLOAT)]))

# Rows are in the order they are asked for in, and a series is one stretch of a part: larger groups are read in vain, of
# smaller ones more statistics are looked at.
_GROUP = 1 << 13


@dataclass(frozen=True)
class Published:
    """One table of the snapshot. `day` names the time column its parts are cut by; None: one part for all.

    With `months` the days of a month that is over become one part: a table with a long past that is asked for one
    series at a time costs as much as it has files. `group`: how many rows are read together at least.
    """

    name: str
    schema: pa.Schema
    order: tuple[str, ...]
    day: str | None = None
    months: bool = False
    group: int = _GROUP


def _table(
    table: str,
    order: str,
    cut_by: str | None = None,
    months: bool = False,
    group: int = _GROUP,
    /,
    **columns: pa.DataType,
) -> Published:
    return Published(table, pa.schema(list(columns.items())), tuple(order.split()), cut_by, months, group)


_JUDGED: dict[str, pa.DataType] = {
    "scope": _TEXT,
    "key": _TEXT,
    "grain": _TEXT,
    "bucket_start": _TIME,
    "story_count": _INT,
    "negative_stories": _INT,
    "expected": _FLOAT,
    "low": _FLOAT,
    "high": _FLOAT,
    "p_value": _FLOAT,
    "status": _TEXT,
}

TABLES: dict[str, Published] = {
    table.name: table
    for table in (
        _table(
            "trends",
            "grain scope key model_version bucket_start",
            "bucket_start",
            True,
            bucket_start=_TIME,
            grain=_TEXT,
            scope=_TEXT,
            key=_TEXT,
            model_version=_TEXT,
            news_volume=_INT,
            story_count=_INT,
            negative_stories=_INT,
            positive_stories=_INT,
            abstained=_INT,
            unscored=_INT,
            polarity_sum=_FLOAT,
            polarity_sq_sum=_FLOAT,
            weight_sum=_FLOAT,
            owners=_INT,
            expected=_FLOAT,
            covered=_FLOAT,
            arrived=_INT,
        ),
        # The expected range of the past, for charts: by the fit then in force, or (hindsight) the first one after.
        _table(
            "expected", "grain scope key bucket_start", "bucket_start", True, **_JUDGED, fit_id=_TEXT, hindsight=_FLAG
        ),
        # The open day and the newest closed one of every series that had stories on it.
        _table("unusual", "bucket_start scope key", **_JUDGED, label=_TEXT, open=_FLAG, news_volume=_INT, owners=_INT),
        _table(
            "incidents",
            "incident_id",
            incident_id=_TEXT,
            dedup_key=_TEXT,
            rule=_TEXT,
            kind=_TEXT,
            scope=_TEXT,
            key=_TEXT,
            label=_TEXT,
            severity=_TEXT,
            state=_TEXT,
            suppressed_by=_TEXT,
            single_source=_FLAG,
            summary=_TEXT,
            model_version=_TEXT,
            opened_at=_TIME,
            fired_at=_TIME,
            acknowledged_at=_TIME,
            acknowledged_by=_TEXT,
            resolved_at=_TIME,
            last_seen_at=_TIME,
            events=_INT,
        ),
        _table(
            "incident_events",
            "incident_id seq event_id",
            "recorded_at",
            True,
            event_id=_TEXT,
            incident_id=_TEXT,
            seq=_INT,
            happened_at=_TIME,
            action=_TEXT,
            reason=_TEXT,
            severity=_TEXT,
            actor=_TEXT,
            detail=_TEXT,
            recorded_at=_TIME,
        ),
        _table(
            "evidence",
            "incident_id event_id seq",
            "recorded_at",
            True,
            incident_id=_TEXT,
            event_id=_TEXT,
            seq=_INT,
            kind=_TEXT,
            payload=_TEXT,
            sha256=_TEXT,
            previous_sha256=_TEXT,
            recorded_at=_TIME,
        ),
        # The rule files that decisions of the evidence cite, whole, so that a page makes these again; of no other kind.
        _table(
            "configurations",
            "recorded_at sha256",
            kind=_TEXT,
            name=_TEXT,
            sha256=_TEXT,
            content=_TEXT,
            author=_TEXT,
            recorded_at=_TIME,
        ),
        _table(
            "feeds",
            "feed_id",
            feed_id=_TEXT,
            title=_TEXT,
            publisher=_TEXT,
            url=_TEXT,
            kind=_TEXT,
            status=_TEXT,
            last_fetch_at=_TIME,
            last_success_at=_TIME,
            last_new_at=_TIME,
            failures=_INT,
            last_outcome=_TEXT,
            last_error=_TEXT,
            late=_FLAG,
            late_sentence=_TEXT,
        ),
        # The last 24 hours of fetching, by feed and outcome.
        _table(
            "fetch_summary",
            "feed_id outcome",
            feed_id=_TEXT,
            outcome=_TEXT,
            attempts=_INT,
            new_articles=_INT,
            bytes=_INT,
            seconds=_FLOAT,
        ),
        _table(
            "stories",
            "first_at story_id",
            "first_at",
            False,
            # Single ones are asked for, by their time.
            1 << 10,
            story_id=_TEXT,
            first_at=_TIME,
            title=_TEXT,
            publisher=_TEXT,
            owners=_INT,
            articles=_INT,
            url=_TEXT,
            imported=_FLAG,
            status=_TEXT,
            topic=_TEXT,
            topic_key=_TEXT,
            p_negative=_FLOAT,
            polarity=_FLOAT,
            negative=_FLAG,
            entity_ids=_TEXTS,
            entities=_TEXTS,
            themes=_TEXTS,
        ),
        # Each of those stories in each of its series, with what puts the stories of a list in order.
        _table(
            "members",
            "scope key first_at story_id",
            "first_at",
            True,
            scope=_TEXT,
            key=_TEXT,
            story_id=_TEXT,
            first_at=_TIME,
            owners=_INT,
            articles=_INT,
            strength=_FLOAT,
        ),
        # The articles of those stories. `entities`: the scores towards each; `words`: what made a negative score.
        _table(
            "articles",
            "story_id counted_at article_id",
            "counted_at",
            story_id=_TEXT,
            article_id=_TEXT,
            revision=_INT,
            counted_at=_TIME,
            novelty=_INT,
            owner=_TEXT,
            publisher=_TEXT,
            title=_TEXT,
            url=_TEXT,
            published_at=_TIME,
            first_seen_at=_TIME,
            imported=_FLAG,
            language=_TEXT,
            status=_TEXT,
            p_negative=_FLOAT,
            p_neutral=_FLOAT,
            p_positive=_FLOAT,
            topic=_TEXT,
            p_topic=_FLOAT,
            entities=_TOWARDS,
            words=_WORDS,
            themes=_TEXTS,
        ),
        # Each scored story of the last weeks in each of its series and buckets: what `why` splits a change by.
        _table(
            "told",
            "grain scope key bucket_start story_id",
            "bucket_start",
            scope=_TEXT,
            key=_TEXT,
            grain=_TEXT,
            bucket_start=_TIME,
            story_id=_TEXT,
            polarity=_FLOAT,
            negative=_FLAG,
            owner=_TEXT,
            article_id=_TEXT,
        ),
        _table(
            "models",
            "recorded_at model_version status",
            model_version=_TEXT,
            status=_TEXT,
            negative_limit=_FLOAT,
            reason=_TEXT,
            actor=_TEXT,
            recorded_at=_TIME,
        ),
        # The limit that each rule's alert budget set last, and what it was set from.
        _table(
            "limits",
            "rule",
            rule=_TEXT,
            budget=_TEXT,
            model_version=_TEXT,
            set_for=_TIME,
            p_limit=_FLOAT,
            per_week=_FLOAT,
            weeks=_FLOAT,
            series=_INT,
            basis=_TEXT,
            pooled=_FLAG,
        ),
        # The rules as they were played over the past: `result` is JSON, one row for each rule in `of_rules`.
        _table(
            "backtests",
            "recorded_at backtest_id",
            backtest_id=_TEXT,
            rules_sha256=_TEXT,
            model_version=_TEXT,
            from_at=_TIME,
            to_at=_TIME,
            result=_TEXT,
            recorded_at=_TIME,
        ),
        # Card, metrics and challenge suite (JSON) of the active version, as its artifact holds them.
        _table("model_cards", "model_version", model_version=_TEXT, card=_TEXT, metrics=_TEXT, challenge=_TEXT),
        # Its reliability diagrams, one for each measured set and head (PNG, base64).
        _table("model_pictures", "model_version name", model_version=_TEXT, name=_TEXT, png=_TEXT),
        _table(
            "entities",
            "entity_id",
            entity_id=_TEXT,
            name=_TEXT,
            kind=_TEXT,
            sector=_TEXT,
            country=_TEXT,
            tickers=_TEXTS,
        ),
        # What a series is called on a page.
        _table("labels", "scope key", scope=_TEXT, key=_TEXT, label=_TEXT),
    )
}
