-- The first schema. Plain types only: DuckLake knows no keys, unique constraints or sequences.
-- Base tables are insert-only and have two clocks: recorded_at (when the store took the row, never backdated)
-- and known_at (when it could first have been used; for imported rows an assumed one).

-- One row per migration that ran.
CREATE TABLE schema_version (version INTEGER, name VARCHAR, applied_at TIMESTAMPTZ);

-- One row per table group; every write transaction adds one to its row, so that of two writers one conflicts.
CREATE TABLE guards (name VARCHAR, n BIGINT);
INSERT INTO guards VALUES ('articles', 0), ('mentions', 0), ('stories', 0), ('scores', 0), ('trends', 0),
    ('incidents', 0), ('notifications', 0), ('models', 0), ('catalogue', 0);

-- One row per feed we poll, or per archive that was imported (kind 'archive'): where it stands now.
CREATE TABLE feeds (
    feed_id VARCHAR, url VARCHAR, title VARCHAR, publisher VARCHAR, kind VARCHAR, language VARCHAR, region VARCHAR,
    status VARCHAR, etag VARCHAR, last_modified VARCHAR, body_sha256 VARCHAR, added_at TIMESTAMPTZ,
    last_fetch_at TIMESTAMPTZ, last_success_at TIMESTAMPTZ, last_new_at TIMESTAMPTZ, next_fetch_at TIMESTAMPTZ,
    failures INTEGER, last_outcome VARCHAR, last_error VARCHAR
);

-- One row per attempt to fetch a feed, with its enumerated outcome.
CREATE TABLE fetches (
    fetch_id VARCHAR, feed_id VARCHAR, url VARCHAR, fetched_at TIMESTAMPTZ, outcome VARCHAR, status_code INTEGER,
    bytes BIGINT, seconds DOUBLE, entries INTEGER, new_articles INTEGER, new_revisions INTEGER, warning VARCHAR,
    error VARCHAR, recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per publisher: whose owner it is decides what counts as independent.
CREATE TABLE publishers (publisher VARCHAR, owner VARCHAR, timezone VARCHAR);

-- One row per revision of an article.
CREATE TABLE articles (
    article_id VARCHAR, revision INTEGER, kind VARCHAR, feed_id VARCHAR, publisher VARCHAR, url VARCHAR,
    title VARCHAR, summary VARCHAR, language VARCHAR, published_at TIMESTAMPTZ, published_raw VARCHAR,
    date_precision VARCHAR, date_flag VARCHAR, first_seen_at TIMESTAMPTZ, content_sha256 VARCHAR, imported BOOLEAN,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per entity of the gazetteer: a company, central bank, currency, commodity or index.
CREATE TABLE entities (
    entity_id VARCHAR, name VARCHAR, kind VARCHAR, sector VARCHAR, parent VARCHAR, country VARCHAR,
    tickers VARCHAR[], aliases VARCHAR[]
);

-- One row per entity found in a revision; entity_id '' says that the revision was linked, found or not.
CREATE TABLE mentions (
    article_id VARCHAR, revision INTEGER, entity_id VARCHAR, surface VARCHAR, start INTEGER, "end" INTEGER,
    relevance DOUBLE, linker_version VARCHAR, recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per theme (why risk cares) of a revision, towards an entity or ('') the article as a whole.
CREATE TABLE themes (
    article_id VARCHAR, revision INTEGER, entity_id VARCHAR, theme VARCHAR, pattern_version VARCHAR,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per article and story it was put into; the latest row of an article holds (a merge inserts rows).
CREATE TABLE story_members (
    story_id VARCHAR, article_id VARCHAR, how VARCHAR, follows VARCHAR,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per revision, entity ('' is the article as a whole) and model version.
CREATE TABLE scores (
    article_id VARCHAR, revision INTEGER, entity_id VARCHAR, model_version VARCHAR, status VARCHAR,
    p_negative DOUBLE, p_neutral DOUBLE, p_positive DOUBLE, topic VARCHAR, p_topic DOUBLE, truncated BOOLEAN,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per word behind a score, kept for rows over the negative limit.
CREATE TABLE attributions (
    article_id VARCHAR, revision INTEGER, entity_id VARCHAR, model_version VARCHAR, start INTEGER, "end" INTEGER,
    weight DOUBLE, recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per change of a model version's status (candidate, shadow, active, retired).
CREATE TABLE models (
    model_version VARCHAR, status VARCHAR, negative_limit DOUBLE, reason VARCHAR, actor VARCHAR,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per series and bucket: counts and sums only, rebuilt from the base tables. recorded_at: when rebuilt.
CREATE TABLE trends (
    bucket_start TIMESTAMPTZ, grain VARCHAR, scope VARCHAR, key VARCHAR, model_version VARCHAR, news_volume BIGINT,
    story_count BIGINT, negative_stories BIGINT, positive_stories BIGINT, abstained BIGINT, unscored BIGINT,
    polarity_sum DOUBLE, polarity_sq_sum DOUBLE, weight_sum DOUBLE, owners BIGINT, expected DOUBLE, covered DOUBLE,
    arrived BIGINT, recorded_at TIMESTAMPTZ
);

-- One row per series and day it was fitted for: the parameters its expected range comes from, as JSON.
CREATE TABLE fits (
    fit_id VARCHAR, scope VARCHAR, key VARCHAR, grain VARCHAR, model_version VARCHAR, fitted_for TIMESTAMPTZ,
    status VARCHAR, n_baseline INTEGER, parameters VARCHAR, recorded_at TIMESTAMPTZ
);

-- One row per incident as it stands now: the fold of its events.
CREATE TABLE incidents (
    incident_id VARCHAR, dedup_key VARCHAR, rule VARCHAR, kind VARCHAR, scope VARCHAR, key VARCHAR, label VARCHAR,
    severity VARCHAR, state VARCHAR, suppressed_by VARCHAR, single_source BOOLEAN, summary VARCHAR,
    model_version VARCHAR, opened_at TIMESTAMPTZ, fired_at TIMESTAMPTZ, acknowledged_at TIMESTAMPTZ,
    acknowledged_by VARCHAR, resolved_at TIMESTAMPTZ, last_seen_at TIMESTAMPTZ, events INTEGER,
    recorded_at TIMESTAMPTZ
);

-- One row per step in the life of an incident, with its enumerated reason.
CREATE TABLE incident_events (
    event_id VARCHAR, incident_id VARCHAR, seq INTEGER, happened_at TIMESTAMPTZ, action VARCHAR, reason VARCHAR,
    severity VARCHAR, actor VARCHAR, detail VARCHAR, recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per piece of what an incident rests on, chained: sha256 covers the payload and the row before it.
CREATE TABLE evidence (
    incident_id VARCHAR, event_id VARCHAR, seq INTEGER, kind VARCHAR, payload VARCHAR, sha256 VARCHAR,
    previous_sha256 VARCHAR, recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per message to one receiver (the outbox): saved before it is sent.
CREATE TABLE notifications (
    notification_id VARCHAR, receiver VARCHAR, group_key VARCHAR, event_ids VARCHAR[], incident_ids VARCHAR[],
    status VARCHAR, reason VARCHAR, severity VARCHAR, title VARCHAR, body VARCHAR, created_at TIMESTAMPTZ,
    not_before TIMESTAMPTZ, attempt INTEGER, claimed_by VARCHAR, claim_expires_at TIMESTAMPTZ, sent_at TIMESTAMPTZ,
    error VARCHAR, recorded_at TIMESTAMPTZ
);

-- One row per silence, with its end.
CREATE TABLE silences (
    silence_id VARCHAR, matchers VARCHAR, starts_at TIMESTAMPTZ, ends_at TIMESTAMPTZ, author VARCHAR, reason VARCHAR,
    expired_at TIMESTAMPTZ, recorded_at TIMESTAMPTZ
);

-- One row per judgement of a person on an incident.
CREATE TABLE verdicts (
    verdict_id VARCHAR, incident_id VARCHAR, verdict VARCHAR, author VARCHAR, note VARCHAR,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);

-- One row per backtest of a rule file.
CREATE TABLE backtests (
    backtest_id VARCHAR, rules_sha256 VARCHAR, model_version VARCHAR, from_at TIMESTAMPTZ, to_at TIMESTAMPTZ,
    result VARCHAR, recorded_at TIMESTAMPTZ
);
