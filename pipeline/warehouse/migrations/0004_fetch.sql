-- Where a feed has moved: the permanent address that its server names now, since when and in how many polls it was
-- named, and the address that is asked since that was confirmed (NULL: `url`). The identity stays that of `url`.
ALTER TABLE feeds ADD COLUMN moved_to VARCHAR;
ALTER TABLE feeds ADD COLUMN moved_at TIMESTAMPTZ;
ALTER TABLE feeds ADD COLUMN moved_polls INTEGER;
ALTER TABLE feeds ADD COLUMN fetch_url VARCHAR;
