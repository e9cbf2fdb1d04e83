"""Reading what `why` splits: how a series stood at two times, from the base tables, as it was known then or is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import duckdb
import pandas as pd

from pipeline.errors import InputError
from pipeline.promotion import ActiveModel, active_model
from pipeline.series.buckets import SCOPES, Question
from pipeline.series.index import READ_BACK, with_index
from pipeline.series.why import Standing, Why, explain, standing_of

__all__ = ["Known", "Move", "Title", "move"]

_TITLES = """
    SELECT article_id, title, publisher, url, published_at FROM articles
    WHERE article_id IN (SELECT unnest($articles::VARCHAR[])) AND recorded_at <= $as_of
    QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision DESC) = 1"""
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)


class Known(StrEnum):
    """How the two times are read: each with what the store knew THEN, or both with what it knows NOW."""

    THEN = "then"
    NOW = "now"


@dataclass(frozen=True)
class Title:
    """The article a story is shown by."""

    title: str
    publisher: str
    url: str | None
    published_at: datetime | None


@dataclass(frozen=True)
class Move:
    """The split of one series, and by article id the titles of the stories that weigh most."""

    why: Why
    known: Known
    models: tuple[str, str]
    titles: dict[str, Title]


def move(
    con: duckdb.DuckDBPyConnection,
    series: tuple[str, str],
    grain: str,
    start: datetime,
    end: datetime,
    known: Known = Known.THEN,
    most: int = 10,
) -> Move | None:
    """Why the index of `series` (scope, key) moved from the bucket of `start` to that of `end`.

    None where the series had no scored story at one of the times, with this knowledge.

    Raises:
        InputError: the scope is none, or the times do not follow each other.
    """
    if series[0] not in SCOPES:
        raise InputError(f"no scope is named {series[0]}; there are {', '.join(SCOPES)}.")
    if start >= end:
        raise InputError(f"--from {start:%Y-%m-%d %H:%M} is not before --to {end:%Y-%m-%d %H:%M}: swap them.")
    times = (start, end) if known is Known.THEN else (None, None)
    models = [active_model(con, as_of) for as_of in times]
    if models[0] is None or models[1] is None:
        return None
    before = _standing(con, _question(models[0], series, times[0]), start, grain)
    after = _standing(con, _question(models[1], series, times[1]), end, grain)
    if before is None or after is None:
        return None
    switched = None
    if models[0].model_version != models[1].model_version:
        switched = _standing(con, _question(models[1], series, times[0], scores_until=end), start, grain)
        if switched is None:
            return None
    why = explain(before, after, switched, most=most)
    titles = _titles(con, [one.article_id for one in why.stories], times[1] or _LATEST)
    return Move(why, known, (models[0].model_version, models[1].model_version), titles)


def _question(
    model: ActiveModel, series: tuple[str, str], as_of: datetime | None, scores_until: datetime | None = None
) -> Question:
    return Question(
        model.model_version, model.negative_limit, as_of, now=as_of, series=series, scores_until=scores_until
    )


def _standing(con: duckdb.DuckDBPyConnection, question: Question, at: datetime, grain: str) -> Standing | None:
    """How the series stood at the last bucket that it has up to that of `at`."""
    stretch = ((at - READ_BACK[grain]).date(), at.date())
    rows: pd.DataFrame = question.buckets(con, stretch).to_pandas()
    rows = rows[(rows["grain"] == grain) & (pd.to_datetime(rows["bucket_start"], utc=True) <= pd.Timestamp(at))]
    if rows.empty:
        return None
    stories: pd.DataFrame = question.stories(con, stretch).to_pandas()
    stories = stories[stories["grain"] == grain]
    read = with_index(rows, grain)
    last = pd.Timestamp(read["bucket_start"].iloc[-1]).to_pydatetime()
    return standing_of(stories, read, last, grain, question.model_version)


def _titles(con: duckdb.DuckDBPyConnection, articles: list[str], as_of: datetime) -> dict[str, Title]:
    rows = con.execute(_TITLES, {"articles": articles, "as_of": as_of}).fetchall()
    return {row[0]: Title(row[1] or "", row[2] or "", row[3], row[4]) for row in rows}
