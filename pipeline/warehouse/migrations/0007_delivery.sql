-- What the formats of a channel are made from (JSON, see docs/webhook.schema.json), and of a message about dead letters
-- the notifications it tells of.
ALTER TABLE notifications ADD COLUMN document VARCHAR;
ALTER TABLE notifications ADD COLUMN concerns VARCHAR[];
-- Of an event that we missed: what it was about, and when.
ALTER TABLE verdicts ADD COLUMN about VARCHAR;
ALTER TABLE verdicts ADD COLUMN happened_at TIMESTAMPTZ;
