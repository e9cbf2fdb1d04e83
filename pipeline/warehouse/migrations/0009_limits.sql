-- One row per rule with an alert budget, model version and UTC day: the limit its budget sets that day, and what it
-- was set from. per_week: alerts the rule's own series would have brought at that limit over the `weeks` judged.
CREATE TABLE limits (
    limit_id VARCHAR, rule VARCHAR, rule_sha256 VARCHAR, budget VARCHAR, model_version VARCHAR, set_for TIMESTAMPTZ,
    p_limit DOUBLE, per_week DOUBLE, weeks DOUBLE, series INTEGER, basis VARCHAR, pooled BOOLEAN,
    recorded_at TIMESTAMPTZ
);
