-- The wire (as defaults/owners.csv names it) whose report an article says it copies, '' or NULL for none: such a copy
-- counts for the wire's owner. Kept with the story, so that what was known then does not change with our patterns.
ALTER TABLE story_members ADD COLUMN wire VARCHAR;
