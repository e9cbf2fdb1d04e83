-- One row per pass of `aggregate` that rebuilt series of a model version: when it read the base tables, and whether it
-- went over everything, also what no row of an article tells (a publisher's new owner).
CREATE TABLE rebuilds (model_version VARCHAR, read_at TIMESTAMPTZ, swept BOOLEAN, recorded_at TIMESTAMPTZ);
