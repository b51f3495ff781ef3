-- Changes that are to be made at a time, and what came of them.
CREATE TABLE scheduled_change (
    id TEXT NOT NULL PRIMARY KEY,
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    at INTEGER NOT NULL,
    -- `open`, `done`, `failed` or `cancelled`.
    state TEXT NOT NULL,
    -- Counts what became of it from 1.
    version INTEGER NOT NULL,
    -- The verb as the audit log calls it, the object, the version that it is meant for if one is, and
    -- the body of the request as JSON.
    action TEXT NOT NULL,
    key TEXT NOT NULL,
    if_version INTEGER,
    body TEXT,
    -- Who is to have made it, and why.
    actor TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    reason TEXT,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    -- The one that it made, if it made one.
    revision INTEGER,
    -- Why it failed, as JSON.
    problem TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX scheduled_change_due ON scheduled_change (at, id) WHERE state = 'open';
CREATE INDEX scheduled_change_time ON scheduled_change (environment_id, at, id);
CREATE INDEX scheduled_change_open ON scheduled_change (environment_id) WHERE state = 'open';
-- A revision is made once.
CREATE UNIQUE INDEX scheduled_change_revision ON scheduled_change (environment_id, revision)
    WHERE revision IS NOT NULL;
