-- One row per change of what detection runs by: the rule file, each rule in it, the watch-lists, the settings, the model
-- with its calibration. The newest row of a kind and name is in force; evidence cites rows by sha256. Never removed.
CREATE TABLE configurations (
    kind VARCHAR, name VARCHAR, sha256 VARCHAR, content VARCHAR, author VARCHAR,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);
-- One row per article, or publisher ('' the other), that is to be forgotten: who asked, why, and the feeds whose answers
-- may hold it since when. It is not taken in again.
CREATE TABLE forgotten (
    article_id VARCHAR, publisher VARCHAR, author VARCHAR, reason VARCHAR, feed_ids VARCHAR[], since TIMESTAMPTZ,
    recorded_at TIMESTAMPTZ, known_at TIMESTAMPTZ
);
-- What a message was composed from beside the evidence (incidents as they stood, why each is in it), as JSON, and the
-- sha256 of its title and body, so that it can be composed again.
ALTER TABLE notifications ADD COLUMN basis VARCHAR;
