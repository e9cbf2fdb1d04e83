-- One row per run of a stage: which run it belongs to (the id is in every line of its log), how it ended and why not
-- (reason: the class of the error, '' where it is done), and what it counted, as JSON. Kept for a time.
CREATE TABLE runs (
    run_id VARCHAR, stage VARCHAR, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, seconds DOUBLE, outcome VARCHAR,
    reason VARCHAR, counts VARCHAR, recorded_at TIMESTAMPTZ
);
-- One row per stage and thing counted since the store was made; it only grows, also when old runs are removed.
-- kind 'run': runs by outcome and reason; 'seconds': their time; 'result': what the stages counted, by name.
CREATE TABLE tallies (stage VARCHAR, kind VARCHAR, name VARCHAR, reason VARCHAR, n DOUBLE);
INSERT INTO guards VALUES ('runs', 0);
