"""The bucket SQL: rows of `trends`, counted straight from the base tables, as of a time and for one model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import duckdb
import pyarrow as pa

from pipeline.context import Progress, silent
from pipeline.publishers import wires
from pipeline.series import coverage, reach
from pipeline.series.membership import newest_first
from pipeline.series.topics import OTHER, topic_keys

__all__ = [
    "COUNTED",
    "LOWEST_RELEVANCE",
    "MOST_ENTITIES",
    "SCOPES",
    "TOLD",
    "ClockColumn",
    "Question",
    "days_with_news",
    "rebuild",
    "register",
    "told",
    "with_sql",
]

ClockColumn = Literal["recorded_at", "known_at"]
SCOPES = ("market", "topic", "theme", "entity", "sector", "publisher")
LOWEST_RELEVANCE = 0.3
MOST_ENTITIES = 5
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)

# A copy of a wire's report counts for the wire's owner: the one in `publishers`, or the one that ships.
_WIRES = ", ".join("('{}', '{}')".format(*(t.replace("'", "''") for t in pair)) for pair in sorted(wires().items()))

# Every member of the family reads `$as_of`; `{clock}` is recorded_at (audit) or known_at (simulation). In a
# simulation one pinned model counts whenever it scored, so its scores are not held back by a clock.
COUNTED = f"""
    firsts AS (
        SELECT article_id, publisher, published_at, date_precision, coalesce(date_flag, '') AS flag, imported,
               known_at, first_value(revision) OVER newest AS revision
        FROM {{articles}} WHERE {{clock}} <= $as_of
        WINDOW newest AS (PARTITION BY article_id ORDER BY revision DESC)
        QUALIFY row_number() OVER (PARTITION BY article_id ORDER BY revision) = 1),
    placed AS (
        SELECT article_id, revision, publisher, imported, known_at,
            imported AND date_precision = 'day' AS day_only, CASE
            WHEN imported THEN CASE WHEN date_precision IN ('second', 'day') AND flag <> 'future'
                THEN published_at END
            WHEN date_precision = 'second' AND flag = ''
                AND published_at BETWEEN known_at - INTERVAL 24 HOUR AND known_at THEN published_at
            ELSE known_at END AS counted_at
        FROM firsts),
    folded AS (
        -- A merge says nothing of the wire: the row that first placed the article does.
        SELECT article_id, story_id, max(coalesce(wire, '')) OVER (PARTITION BY article_id) AS wire
        FROM {{story_members}} WHERE {{clock}} <= $as_of
        QUALIFY row_number() OVER (
            PARTITION BY article_id ORDER BY {newest_first("{clock}")}) = 1),
    houses AS (SELECT publisher, nullif(any_value(owner), '') AS owner FROM publishers GROUP BY ALL),
    counted AS (
        SELECT p.*, f.story_id, coalesce(wo.owner, w.owner, o.owner, p.publisher) AS owner
        FROM placed AS p JOIN folded AS f USING (article_id) LEFT JOIN houses AS o USING (publisher)
        LEFT JOIN (VALUES {_WIRES}) AS w(wire, owner) ON w.wire = f.wire
        LEFT JOIN houses AS wo ON wo.publisher = w.wire
        WHERE p.counted_at IS NOT NULL),
    linked AS (
        SELECT article_id, revision, linker_version FROM {{mentions}} WHERE entity_id = '' AND {{clock}} <= $as_of
        QUALIFY row_number() OVER (
            PARTITION BY article_id, revision ORDER BY recorded_at DESC, linker_version DESC) = 1),
    about AS (
        SELECT article_id, revision, entity_id, max(relevance) AS relevance
        FROM {{mentions}} JOIN linked USING (article_id, revision, linker_version)
        WHERE entity_id <> '' AND {{clock}} <= $as_of AND relevance >= {LOWEST_RELEVANCE}
        GROUP BY article_id, revision, entity_id
        QUALIFY row_number() OVER (
            PARTITION BY article_id, revision ORDER BY max(relevance) DESC, entity_id) <= {MOST_ENTITIES}),
    judged AS (
        SELECT article_id, revision, entity_id, status, p_negative, p_neutral, p_positive, topic, p_topic
        FROM {{scores}} WHERE model_version = $model_version AND {{scored_by}}),
    themed AS (
        SELECT DISTINCT article_id, revision, entity_id, theme FROM {{themes}}
        WHERE {{clock}} <= $as_of AND pattern_version = (
            -- The last blocks of the table answer this; an aggregate would read them all.
            SELECT pattern_version FROM themes WHERE {{clock}} <= $as_of
            ORDER BY recorded_at DESC, pattern_version DESC LIMIT 1)),
    members AS (
        SELECT article_id, 'market' AS scope, 'all' AS key, '' AS entity_id, 1.0 AS relevance FROM counted
        UNION ALL
        SELECT c.article_id, 'topic', coalesce(t.key, '{OTHER}'), '', 1.0
        FROM counted AS c JOIN judged AS j ON j.article_id = c.article_id AND j.revision = c.revision
            AND j.entity_id = '' LEFT JOIN topic_keys AS t ON t.label = j.topic
        WHERE j.status = 'scored' OR j.topic IS NOT NULL
        UNION ALL
        SELECT c.article_id, 'theme', t.theme, '', 1.0
        FROM counted AS c JOIN themed AS t USING (article_id, revision) WHERE t.entity_id = ''
        UNION ALL
        SELECT c.article_id, 'entity', a.entity_id, a.entity_id, a.relevance
        FROM counted AS c JOIN about AS a USING (article_id, revision)
        UNION ALL
        SELECT DISTINCT c.article_id, 'sector', e.sector, '', 1.0
        FROM counted AS c JOIN about AS a USING (article_id, revision)
        JOIN (SELECT entity_id, any_value(sector) AS sector FROM entities GROUP BY ALL) AS e USING (entity_id)
        WHERE e.sector <> ''
        UNION ALL
        SELECT article_id, 'publisher', publisher, '', 1.0 FROM counted)"""

# From articles to stories, per series and grain; `{which}` narrows the series or the stories.
TOLD = """
    points AS (
        SELECT m.scope, m.key, g.grain, c.story_id, c.article_id, c.revision, c.owner, m.relevance, c.counted_at,
               date_trunc(g.grain, c.counted_at) AS bucket_start,
               coalesce(j.status, 'unscored') AS status, j.p_negative, j.p_neutral, j.p_positive
        FROM members AS m JOIN counted AS c USING (article_id)
        JOIN (VALUES ('hour'), ('day')) AS g(grain) ON g.grain = 'day' OR NOT c.day_only
        LEFT JOIN judged AS j ON j.article_id = c.article_id AND j.revision = c.revision
            AND j.entity_id = m.entity_id
        {which}),
    heads AS (
        SELECT * FROM points WHERE status = 'scored'
        QUALIFY row_number() OVER (
            PARTITION BY scope, key, grain, story_id, owner ORDER BY counted_at, article_id) = 1),
    moods AS (
        SELECT scope, key, grain, story_id, sum(relevance) AS weight,
               sum(relevance * p_negative) / sum(relevance) AS p_negative,
               sum(relevance * p_neutral) / sum(relevance) AS p_neutral,
               sum(relevance * p_positive) / sum(relevance) AS p_positive
        FROM heads GROUP BY ALL),
    stories AS (
        SELECT scope, key, grain, story_id, min(bucket_start) AS bucket_start,
               bool_or(status = 'abstained') AS abstained
        FROM points GROUP BY ALL),
    told AS (
        SELECT s.*, m.weight, m.p_positive - m.p_negative AS polarity, m.weight IS NOT NULL AS scored,
               m.p_negative > $negative_limit AS negative,
               m.p_negative <= $negative_limit AND m.p_positive > greatest(m.p_negative, m.p_neutral) AS positive
        FROM stories AS s LEFT JOIN moods AS m USING (scope, key, grain, story_id))"""

_TRENDS = """,
    of_stories AS (
        SELECT scope, key, grain, bucket_start, count(*) FILTER (scored) AS story_count,
               count(*) FILTER (negative) AS negative_stories, count(*) FILTER (positive) AS positive_stories,
               count(*) FILTER (NOT scored AND abstained) AS abstained,
               count(*) FILTER (NOT scored AND NOT abstained) AS unscored,
               sum(polarity) AS polarity_sum, sum(polarity * polarity) AS polarity_sq_sum, sum(weight) AS weight_sum
        FROM told GROUP BY ALL),
    of_articles AS (
        SELECT scope, key, grain, bucket_start, count(*) AS news_volume, count(DISTINCT owner) AS owners
        FROM points GROUP BY ALL),
    watched AS (
        SELECT 'market' AS scope, 'all' AS key, grain, bucket_start, sum(expected) AS expected,
               sum(covered) AS covered, sum(arrived) AS arrived
        FROM coverage_rows GROUP BY ALL
        UNION ALL
        SELECT 'publisher', publisher, grain, bucket_start, sum(expected), sum(covered), sum(arrived)
        FROM coverage_rows GROUP BY ALL),
    known AS (SELECT * FROM watched WHERE expected >= 1),
    buckets AS (
        SELECT scope, key, grain, bucket_start FROM of_articles
        UNION SELECT scope, key, grain, bucket_start FROM known)
SELECT b.bucket_start, b.grain, b.scope, b.key, $model_version AS model_version,
       coalesce(a.news_volume, 0)::BIGINT AS news_volume, coalesce(s.story_count, 0)::BIGINT AS story_count,
       coalesce(s.negative_stories, 0)::BIGINT AS negative_stories,
       coalesce(s.positive_stories, 0)::BIGINT AS positive_stories,
       coalesce(s.abstained, 0)::BIGINT AS abstained, coalesce(s.unscored, 0)::BIGINT AS unscored,
       round(coalesce(s.polarity_sum, 0), 9) AS polarity_sum,
       round(coalesce(s.polarity_sq_sum, 0), 9) AS polarity_sq_sum,
       round(coalesce(s.weight_sum, 0), 9) AS weight_sum, coalesce(a.owners, 0)::BIGINT AS owners,
       w.expected, w.covered, w.arrived::BIGINT AS arrived
FROM buckets AS b
LEFT JOIN of_articles AS a USING (scope, key, grain, bucket_start)
LEFT JOIN of_stories AS s USING (scope, key, grain, bucket_start)
LEFT JOIN known AS w ON w.grain = b.grain AND w.bucket_start = b.bucket_start
    AND w.scope = CASE b.scope WHEN 'publisher' THEN 'publisher' ELSE 'market' END
    AND w.key = CASE b.scope WHEN 'publisher' THEN b.key ELSE 'all' END
{only}
ORDER BY b.grain, b.scope, b.key, b.bucket_start"""

_DAYS_WITH_NEWS = """
    SELECT DISTINCT unnest([known_at::DATE, CASE WHEN imported OR published_at >= known_at - INTERVAL 24 HOUR
        THEN published_at::DATE END]) AS day FROM articles WHERE recorded_at <= $as_of
    UNION SELECT unnest(generate_series(added_at::DATE::TIMESTAMP, today::TIMESTAMP, INTERVAL 1 DAY))::DATE
        FROM feeds, (SELECT max(fetched_at)::DATE AS today FROM fetches WHERE recorded_at <= $as_of)
        WHERE kind IS DISTINCT FROM 'archive' AND added_at <= $as_of
    ORDER BY day"""
_STORIES = """
SELECT t.scope, t.key, t.grain, t.bucket_start, t.story_id, round(t.polarity, 12) AS polarity, t.negative,
       arg_min(p.owner, (p.counted_at, p.article_id)) AS owner,
       arg_min(p.article_id, (p.counted_at, p.article_id)) AS article_id
FROM told AS t JOIN points AS p USING (scope, key, grain, story_id)
WHERE t.scored AND t.bucket_start >= $first AND t.bucket_start < $beyond
GROUP BY ALL ORDER BY t.grain, t.scope, t.key, t.bucket_start, t.story_id"""
_TOUCHED = """c.story_id IN (
            SELECT story_id FROM counted WHERE counted_at >= $first AND counted_at < $beyond)"""
_ONLY_DAYS = "b.bucket_start >= $first AND b.bucket_start < $beyond"
_OF_ARTICLES = ("articles", "story_members", "mentions", "scores", "themes")


def with_sql(
    clock_column: ClockColumn, reached_since: datetime | None = None, scores_until: datetime | None = None
) -> str:
    """The common tables of every question about counted articles (`WITH …`), on one of the two clocks.

    With `reached_since` only the articles of the relation `reached` are read, and only what was recorded since then.
    `scores_until`: take scores that were recorded until then, later than all the rest is asked for.
    """
    scored_by = "recorded_at <= $as_of" if clock_column == "recorded_at" else "true"
    if scores_until is not None:
        scored_by = f"recorded_at <= {_literal(scores_until)}"
    tables = {name: name if reached_since is None else _reached(name, reached_since) for name in _OF_ARTICLES}
    return "WITH " + COUNTED.format(clock=clock_column, scored_by=scored_by, **tables)


def _literal(moment: datetime) -> str:
    # A constant, so that whole blocks of a table are left out by their least and greatest value.
    return f"TIMESTAMPTZ '{moment.astimezone(UTC).isoformat()}'"


def _reached(table: str, since: datetime) -> str:
    kept = f"recorded_at >= {_literal(since)} AND article_id IN (SELECT article_id FROM reached)"
    return f"(SELECT * FROM {table} WHERE {kept})"


def register(con: duckdb.DuckDBPyConnection, topics: Mapping[str, str] | None = None) -> None:
    """Lay the taxonomy beside the tables, as `topic_keys(label, key)`: `with_sql` reads it."""
    mapping = topic_keys() if topics is None else topics
    con.register(
        "topic_keys",
        pa.table({"label": pa.array(list(mapping), pa.string()), "key": pa.array(list(mapping.values()), pa.string())}),
    )


def rebuild(
    con: duckdb.DuckDBPyConnection,
    model_version: str,
    negative_limit: float,
    days: Sequence[date] | None = None,
    as_of: datetime | None = None,
    clock_column: ClockColumn = "recorded_at",
    *,
    now: datetime | None = None,
    topics: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """All rows of `trends` (without recorded_at) of the UTC `days`, or of all time, every scope, hours and days.

    Counts and sums as docs/definitions.md defines them. A story counts in its first bucket of a series, so every
    article of a story that touches one of the days is read; of the days' past and future nothing else (`reach`). Of
    all time: in one go, for stores of up to a few million articles (else name the days: `days_with_news`). `now` ends
    the hours in which arrivals are expected (default: `as_of`, else the last fetch). Sums are rounded at the ninth
    decimal, so that the order in which threads add does not show. Expected, covered and arrived are NULL where nothing
    was polled or expected.
    """
    question = Question(model_version, negative_limit, as_of, clock_column, now or as_of, topics)
    if days is None:
        return question.buckets(con, None)
    stretches = reach.runs(list(days))
    parts = []
    for done, stretch in enumerate(stretches):
        if len(stretches) > 1:
            progress("rebuild days", done, len(stretches))
        parts.append(question.buckets(con, stretch))
    return pa.concat_tables(parts) if parts else question.buckets(con, (date.min, date.min))


@dataclass(frozen=True)
class Question:
    """What is asked of the base tables: by which model, as of when, on which clock; of one series, or (None) of all.

    `scores_until`: take scores that were recorded until then, although the rest is asked for an earlier time.
    """

    model_version: str
    negative_limit: float
    as_of: datetime | None = None
    clock_column: ClockColumn = "recorded_at"
    now: datetime | None = None
    topics: Mapping[str, str] | None = None
    series: tuple[str, str] | None = None
    scores_until: datetime | None = None

    def buckets(self, con: duckdb.DuckDBPyConnection, stretch: tuple[date, date] | None) -> pa.Table:
        """The buckets of a stretch of days (first and last, both included), or (None) of all time."""
        days = None if stretch is None else coverage.days_between(*stretch)
        con.register("coverage_rows", coverage.rows(con, days, self.as_of, self.clock_column, self.now))
        chosen = [_ONLY_DAYS] if stretch is not None else []
        chosen += ["b.scope = $scope AND b.key = $key"] if self.series else []
        where = f"WHERE {' AND '.join(chosen)}" if chosen else ""
        try:
            return self._ask(con, stretch, _TRENDS.format(only=where))
        finally:
            con.unregister("coverage_rows")

    def stories(self, con: duckdb.DuckDBPyConnection, stretch: tuple[date, date]) -> pa.Table:
        """The scored stories in the buckets of a stretch of days, once in each series and grain.

        Columns: scope, key, grain, bucket_start, story_id, polarity, negative; owner, article_id of its first article.
        """
        return self._ask(con, stretch, _STORIES)

    def _ask(
        self,
        con: duckdb.DuckDBPyConnection,
        stretch: tuple[date, date] | None,
        what: str,
    ) -> pa.Table:
        register(con, self.topics)
        bound: dict[str, object] = {
            "as_of": self.as_of or _FOREVER, "model_version": self.model_version,
            "negative_limit": self.negative_limit,
        }  # fmt: skip
        since, chosen = None, []
        if self.series:
            bound |= {"scope": self.series[0], "key": self.series[1]}
            chosen.append("m.scope = $scope AND m.key = $key")
        if stretch is not None:
            near = reach.of_days(con, *stretch, self.series)
            con.register("reached", near.articles)
            since = near.since
            bound |= {
                "first": coverage.midnight(stretch[0]), "beyond": coverage.midnight(stretch[1]) + timedelta(days=1)
            }  # fmt: skip
            chosen.append(_TOUCHED)
        which = f"WHERE {' AND '.join(chosen)}" if chosen else ""
        sql = with_sql(self.clock_column, since, self.scores_until) + "," + TOLD.format(which=which) + what
        try:
            return con.execute(sql, bound).to_arrow_table()
        finally:
            for name in ("topic_keys", "reached"):
                con.unregister(name)


def told(
    con: duckdb.DuckDBPyConnection, model_version: str, negative_limit: float, since: datetime, until: datetime
) -> pa.Table:
    """The scored stories of the buckets from a day to another, as `Question.stories` answers them; of all series."""
    stretch = (since.astimezone(UTC).date(), until.astimezone(UTC).date())
    return Question(model_version, negative_limit).stories(con, stretch)


def days_with_news(con: duckdb.DuckDBPyConnection, as_of: datetime | None = None) -> list[date]:
    """Every UTC day in which an article may count or a feed was in the list, by then or by now, oldest first."""
    found = con.execute(_DAYS_WITH_NEWS, {"as_of": as_of or _FOREVER}).fetchall()
    return [day for (day,) in found if day is not None]
