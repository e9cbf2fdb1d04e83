-- By what a feed's entries are known: guid (NULL, until it is learned otherwise), link or hash; why it was learned, and
-- when; what the polls have said so far, such as 'restless:1'.
ALTER TABLE feeds ADD COLUMN identity VARCHAR;
ALTER TABLE feeds ADD COLUMN identity_reason VARCHAR;
ALTER TABLE feeds ADD COLUMN identity_at TIMESTAMPTZ;
ALTER TABLE feeds ADD COLUMN identity_hint VARCHAR;
-- The canonical link of an article within its feed, hashed; NULL where it has none, or shares it with others.
ALTER TABLE articles ADD COLUMN link_key VARCHAR;

-- One row per import of an archive under one mapping: how far it is, so that one that was killed goes on from there.
CREATE TABLE imports (
    import_id VARCHAR, name VARCHAR, status VARCHAR, rows_done BIGINT, rejects_bytes BIGINT, counts VARCHAR,
    started_at TIMESTAMPTZ, changed_at TIMESTAMPTZ
);
