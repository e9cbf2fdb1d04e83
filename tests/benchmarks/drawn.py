"""Draws a published snapshot of any size: articles, stories, series and incidents, day by day, in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from pipeline.publish import search
from pipeline.publish.manifest import Manifest, current_id, only_publisher, switch
from pipeline.publish.parts import Part, write_parts
from pipeline.publish.tables import TABLES

__all__ = ["COMPANIES", "NOW", "SERIES", "drawn"]

NOW = datetime(2026, 3, 3, 15, 20, tzinfo=UTC)
MODEL = "barograph-minilm-3"
TOPICS, SECTORS, THEMES, PUBLISHERS = 12, 11, 16, 160
SERIES = 5_000
COMPANIES = SERIES - 1 - TOPICS - SECTORS - THEMES - PUBLISHERS
# As long as what `publish` keeps (pipeline/publish/gather.py, judged.py). Only the days whose stories are published are
# drawn; the buckets of those before repeat them, twelve weeks at a time.
STORIES_DAYS, TOLD_DAYS, HOUR_DAYS, JUDGED_HOURS, DAY_DAYS, REPEAT = 90, 35, 200, 14, 400, 84
INCIDENTS, EVIDENCE = 600, 30

# Numbers in [0, 1) by hash: the same whatever the order or the number of threads. Few companies make most of the news.
_MACROS = """
CREATE TEMP MACRO u(i, salt) AS (hash(i, salt) % 1000003) / 1000003.0;
CREATE TEMP MACRO pick(i, salt, n) AS (hash(i, salt) % n)::BIGINT;
CREATE TEMP MACRO company(i, salt) AS 'co:' || lpad(floor(pow(u(i, salt), 3) * {companies})::INT::VARCHAR, 5, '0');
CREATE TEMP MACRO of(scope, key) AS struct_pack(scope := scope, key := key);
CREATE TEMP MACRO word(i, salt) AS 'w' || floor(pow(u(i, salt), 2) * 20000)::INT;
"""
_DRAWN = """
CREATE TABLE drawn AS
WITH ids AS (SELECT range AS i FROM range($n::BIGINT)),
told AS (SELECT i, CASE WHEN u(i, 1) < .72 THEN i ELSE i - 1 - pick(i, 2, least(i, 1 + $n // 200)) END AS s FROM ids),
opened AS (SELECT i, CASE WHEN s = i OR u(s, 1) < .72 THEN s ELSE i END AS s FROM told)
SELECT i, s, 's' || lpad(s::VARCHAR, 12, '0') AS story_id, 'a' || lpad(i::VARCHAR, 12, '0') AS article_id,
    make_timestamptz($now - ($n - i) * ({span} // $n)) AS counted_at, 'Paper ' || pick(i, 3, {publishers}) AS publisher,
    u(i, 4) AS p_negative,
    CASE WHEN u(s, 5) < .6 THEN [company(s, 6), company(s, 7)][:1 + pick(s, 8, 2)] ELSE [] END AS entity_ids,
    CASE WHEN u(s, 9) < .2 THEN ['theme_' || pick(s, 10, {themes})] ELSE [] END AS themes,
    'topic_' || pick(s, 11, {topics}) AS topic_key,
    'Company ' || pick(s, 6, 5000) || ' ' || word(s, 12) || ' ' || word(s, 13) || ' ' || word(i, 14) || ' '
        || word(i, 15) || ' as ' || word(s, 16) || ' ' || word(i, 17) AS title
FROM opened"""
_STORIES = """
CREATE TABLE stories AS
SELECT story_id, min(counted_at) AS first_at, arg_min(title, i) AS title, arg_min(publisher, i) AS publisher,
    count(DISTINCT publisher) AS owners, count(*) AS articles, 'https://news.example/' || story_id AS url,
    false AS imported, 'scored' AS status, any_value(topic_key) AS topic, any_value(topic_key) AS topic_key,
    avg(p_negative) AS p_negative, 1 - 2 * avg(p_negative) AS polarity, avg(p_negative) > .8 AS negative,
    any_value(entity_ids) AS entity_ids, any_value(entity_ids) AS entities, any_value(themes) AS themes
FROM drawn GROUP BY story_id ORDER BY first_at"""
_MEMBERS = """
CREATE TABLE members AS
SELECT story_id, first_at, polarity, negative, owners, articles, 'a' || story_id[2:] AS article_id, publisher AS owner,
    unnest([of('market', 'all'), of('topic', topic_key), of('publisher', publisher)]
        || list_transform(entity_ids, lambda e: of('entity', e)) || list_transform(themes, lambda t: of('theme', t))
        || list_transform(entity_ids[:1], lambda e: of('sector', 'sector_' || hash(e) % {sectors}))) AS series
FROM stories"""
_BUCKETS = """
CREATE TABLE drawn_trends AS
SELECT date_trunc(grain, first_at) AS bucket_start, grain, series.scope AS scope, series.key AS key,
    '{model}' AS model_version, sum(articles)::BIGINT AS news_volume, count(*) AS story_count,
    count(*) FILTER (negative) AS negative_stories, count(*) FILTER (polarity > .6) AS positive_stories, 0 AS abstained,
    0 AS unscored, sum(polarity) AS polarity_sum, sum(polarity * polarity) AS polarity_sq_sum,
    count(*)::DOUBLE AS weight_sum, count(DISTINCT owner) AS owners, count(*) * 1.0 AS expected,
    count(*) * .97 AS covered, count(*) AS arrived
FROM members, (VALUES ('hour'), ('day')) AS grains(grain) GROUP BY ALL ORDER BY bucket_start"""
_PAST = """
CREATE TABLE trends AS
SELECT * REPLACE (bucket_start - to_days((back * {repeat})::INT) AS bucket_start)
FROM drawn_trends, range(5) AS past(back)
WHERE bucket_start >= {today}::TIMESTAMPTZ - INTERVAL 89 DAY
    AND (back = 0 OR bucket_start < {today}::TIMESTAMPTZ - to_days(89 - {repeat}))
    AND bucket_start - to_days((back * {repeat})::INT)
        >= {today}::TIMESTAMPTZ - to_days(CASE grain WHEN 'hour' THEN {hour_days} ELSE {day_days} END)
ORDER BY bucket_start"""
_EXPECTED = """
SELECT scope, key, grain, bucket_start, story_count, negative_stories, story_count * .2 AS expected,
    floor(story_count * .08) AS low, ceil(story_count * .2 + 2 * sqrt(story_count * .2)) AS high,
    exp(-greatest(negative_stories - story_count * .2, 0)) AS p_value, 'ok' AS status, 'f' AS fit_id,
    false AS hindsight FROM trends WHERE $first <= bucket_start AND bucket_start < $beyond"""
_TOLD = """
SELECT series.scope AS scope, series.key AS key, grain, date_trunc(grain, first_at) AS bucket_start, story_id,
    polarity, negative, owner, article_id
FROM members, (VALUES ('hour'), ('day')) AS grains(grain) WHERE $first <= first_at AND first_at < $beyond"""
_TOLD_BY = """
SELECT story_id, article_id, 1 AS revision, counted_at, CASE WHEN i = s THEN 100 ELSE 75 END AS novelty,
    publisher AS owner, publisher, title, 'https://news.example/' || article_id AS url, counted_at AS published_at,
    counted_at AS first_seen_at, false AS imported, 'en' AS language,
    CASE WHEN u(i, 18) < .02 THEN 'abstained' ELSE 'scored' END AS status, p_negative,
    (1 - p_negative) / 2 AS p_neutral, (1 - p_negative) / 2 AS p_positive, topic_key AS topic, .9 AS p_topic,
    list_transform(entity_ids, lambda e: {{'entity_id': e, 'name': e, 'relevance': .9, 'status': 'scored',
        'p_negative': p_negative, 'p_neutral': (1 - p_negative) / 2, 'p_positive': (1 - p_negative) / 2}}) AS entities,
    CASE WHEN p_negative > .8 THEN [{{'start': 0, 'end': 7, 'weight': .4}}] END AS words, themes
FROM drawn WHERE $first <= counted_at AND counted_at < $beyond"""
_SMALL = {
    "labels": """SELECT DISTINCT scope, key, CASE scope WHEN 'market' THEN 'Market'
        WHEN 'entity' THEN 'Company ' || key[4:] ELSE replace(key, '_', ' ') END AS label FROM drawn_trends""",
    "entities": """SELECT entity_id, 'Company ' || entity_id[4:] AS name, 'company' AS kind,
        'sector_' || hash(entity_id) % {sectors} AS sector, 'XX' AS country, []::VARCHAR[] AS tickers
        FROM (SELECT 'co:' || lpad(range::VARCHAR, 5, '0') AS entity_id FROM range({companies}))""",
    "feeds": """SELECT 'feed-' || n AS feed_id, 'Paper ' || n AS title, 'Paper ' || n AS publisher,
        'https://f' || n || '.example/rss' AS url, 'rss' AS kind, 'active' AS status, $now AS last_fetch_at,
        $now AS last_success_at, $now - INTERVAL 7 MINUTE AS last_new_at, 0 AS failures, 'new' AS last_outcome,
        n % 40 = 0 AS late FROM range(300) AS feeds(n)""",
    "fetch_summary": """SELECT 'feed-' || n AS feed_id, 'new' AS outcome, 288 AS attempts, 40 AS new_articles,
        900000 AS bytes, 90.0 AS seconds FROM range(300) AS feeds(n)""",
    "models": """SELECT '{model}' AS model_version, 'active' AS status, .8 AS negative_limit, 'drawn' AS reason,
        'benchmark' AS actor, $now - INTERVAL 400 DAY AS recorded_at""",
    "incidents": """SELECT 'i' || n AS incident_id, 'd' || n AS dedup_key, 'negative-share' AS rule,
        'negative_share' AS kind, 'entity' AS scope, 'co:' || lpad((n * 7 % 900)::VARCHAR, 5, '0') AS key,
        'Company ' || n AS label, 'warning' AS severity, CASE WHEN n < 12 THEN 'firing' ELSE 'resolved' END AS state,
        false AS single_source, '14 of 31 stories negative' AS summary, '{model}' AS model_version,
        fired_at AS opened_at, fired_at, CASE WHEN n >= 12 THEN fired_at + INTERVAL 9 HOUR END AS resolved_at,
        fired_at AS last_seen_at, 2 AS events
        FROM (SELECT n, $now - INTERVAL (n * 3) HOUR AS fired_at FROM range({incidents}) AS numbers(n))""",
    "incident_events": """SELECT incident_id || n AS event_id, incident_id, n AS seq, fired_at AS happened_at,
        ['open', 'fire'][n + 1] AS action, 'first' AS reason, severity, fired_at AS recorded_at
        FROM incidents_seen, (VALUES (0), (1)) AS steps(n)""",
    "evidence": """SELECT incident_id, incident_id || 1 AS event_id, n AS seq, 'article' AS kind, to_json({{
        'article_id': 'a' || n, 'story_id': 's' || hash(incident_id, n), 'title': 'A headline of evidence ' || n,
        'publisher': 'Paper', 'p_negative': .9, 'negative': true, 'role': 'negative',
        'url': 'https://news.example/' || n}})::VARCHAR AS payload, '' AS sha256, '' AS previous_sha256,
        fired_at AS recorded_at FROM incidents_seen, range({evidence}) AS numbers(n)""",
}


_LONG = {
    "trends": ("SELECT * FROM trends WHERE $first <= bucket_start AND bucket_start < $beyond", DAY_DAYS),
    "expected": (
        _EXPECTED + " AND (grain = 'day' OR bucket_start >= {today}::TIMESTAMPTZ - to_days({judged_hours}))",
        180,
    ),
    "unusual": (
        "SELECT *, key AS label, bucket_start >= {today}::TIMESTAMPTZ AS open, story_count AS news_volume, 3 AS owners"
        f" FROM ({_EXPECTED}) WHERE grain = 'day'",
        2,
    ),
    "stories": ("SELECT * FROM stories WHERE $first <= first_at AND first_at < $beyond", STORIES_DAYS),
    "members": (
        "SELECT series.scope AS scope, series.key AS key, story_id, first_at, owners, articles,"
        " abs(polarity) AS strength FROM members WHERE $first <= first_at AND first_at < $beyond",
        STORIES_DAYS,
    ),
    "articles": (_TOLD_BY, STORIES_DAYS),
    "told": (_TOLD, TOLD_DAYS),
}


def drawn(folder: Path, articles: int, told: Callable[[str], None] = lambda line: None) -> Path:
    """The published folder of a snapshot with so many articles of 90 days in 5,000 series; drawn once, then kept.

    The newest hours are those before `NOW`. Hours reach back 200 days and days 400, as `publish` would keep them.
    """
    root = folder / f"published-{articles}"
    if current_id(root):
        return root
    root.mkdir(parents=True, exist_ok=True)
    scratch = root / "scratch.duckdb"
    scratch.unlink(missing_ok=True)
    with duckdb.connect(str(scratch), config={"memory_limit": "4GB"}) as con, only_publisher(root):
        con.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        con.execute(_filled(_MACROS))
        told("drawing articles, stories and their series")
        con.execute(_filled(_DRAWN), {"n": articles, "now": int(NOW.timestamp()) * 1_000_000})
        for sql in (_STORIES, _MEMBERS, _BUCKETS):
            con.execute(_filled(sql))
        con.execute(_filled(_PAST))
        parts = {name: list(_parts(con, root, name, told)) for name in TABLES}
    scratch.unlink()
    manifest = Manifest.of(
        parts, published_at=NOW, data_as_of=NOW - timedelta(minutes=4), demo=True, model=(MODEL, 0.8)
    )
    told("extending the search index")
    search.update(root, manifest.tables["stories"])
    switch(root, manifest)
    return root


def _parts(con: duckdb.DuckDBPyConnection, root: Path, name: str, told: Callable[[str], None]) -> Iterator[Part]:
    """Write one table, a day or a month at a time, so that memory does not grow with it."""
    told(f"writing {name}")
    if name in _SMALL:
        sql = _filled(_SMALL[name])
        rows = _rows(con, sql, {"now": NOW} if "$now" in sql else {})
        if name == "incidents":
            con.register("incidents_seen", rows)
        yield from write_parts(root, TABLES[name], _whole(rows, name), NOW)
        return
    if name not in _LONG:
        yield from write_parts(root, TABLES[name], TABLES[name].schema.empty_table(), NOW)
        return
    sql, days = _LONG[name]
    beyond = NOW.replace(hour=0, minute=0) + timedelta(days=1)
    oldest = beyond - timedelta(days=days)
    while beyond > oldest:
        first = beyond - timedelta(days=1)
        if TABLES[name].months and first.strftime("%Y-%m") < NOW.strftime("%Y-%m"):
            first = first.replace(day=1)
        bound = {"first": max(first, oldest), "beyond": beyond}
        yield from write_parts(root, TABLES[name], _whole(_rows(con, _filled(sql), bound), name), NOW)
        beyond = first


def _filled(sql: str) -> str:
    return sql.format(
        companies=COMPANIES, publishers=PUBLISHERS, themes=THEMES, topics=TOPICS, sectors=SECTORS, model=MODEL,
        incidents=INCIDENTS, evidence=EVIDENCE, repeat=REPEAT, hour_days=HOUR_DAYS, day_days=DAY_DAYS,
        span=STORIES_DAYS * 86_400_000_000, judged_hours=JUDGED_HOURS, today=f"'{NOW:%Y-%m-%d}'",
    )  # fmt: skip


def _rows(con: duckdb.DuckDBPyConnection, sql: str, bound: Mapping[str, object]) -> pa.Table:
    return con.execute(sql, bound or None).to_arrow_table()


def _whole(rows: pa.Table, name: str) -> pa.Table:
    """With the columns of the published table, in their types; what was not drawn is empty."""
    schema = TABLES[name].schema
    columns = [rows[f.name] if f.name in rows.schema.names else pa.nulls(len(rows), f.type) for f in schema]
    return pa.table(columns, names=schema.names).cast(schema)
