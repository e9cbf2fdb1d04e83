-- A change of status also keeps where the artifact is (a shipped name or a folder), whether its gates were overruled,
-- and what the gates found, as JSON.
ALTER TABLE models ADD COLUMN artifact VARCHAR;
ALTER TABLE models ADD COLUMN forced BOOLEAN;
ALTER TABLE models ADD COLUMN gates VARCHAR;
