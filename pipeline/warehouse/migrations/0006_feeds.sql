-- When a feed was taken out of the list, NULL while it is in it: until then it was expected to deliver, so that the
-- coverage of the past stays what it was.
ALTER TABLE feeds ADD COLUMN removed_at TIMESTAMPTZ;
