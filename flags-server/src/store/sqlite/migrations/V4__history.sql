-- Answers to requests with an `Idempotency-Key`, for those who ask again.
CREATE TABLE answer (
    -- Hash of the token and the key.
    key BLOB NOT NULL PRIMARY KEY,
    -- Hash of the request.
    fingerprint BLOB NOT NULL,
    at INTEGER NOT NULL,
    status INTEGER NOT NULL,
    -- A list of names and values.
    headers TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE INDEX answer_at ON answer (at);

-- Which revisions an entry of the audit log made, and of what it is the history.
CREATE TABLE deed (
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    revision INTEGER NOT NULL,
    audit_id INTEGER NOT NULL REFERENCES audit (id),
    -- `flag` for its state and its shared definition alike.
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (environment_id, revision, audit_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX deed_object ON deed (environment_id, kind, key, revision);

INSERT INTO deed (environment_id, revision, audit_id, kind, key)
SELECT e.id, r.value, a.id, iif(a.object_kind = 'flag_state', 'flag', a.object_kind), a.object_key
FROM audit AS a
JOIN project AS p ON p.key = a.project
JOIN json_each(iif(json_valid(a.revisions), a.revisions, '{}')) AS r
JOIN environment AS e ON e.project_id = p.id AND e.key = r.key
-- A rename told the revision that it found.
WHERE r.value > 0 AND a.action <> 'environment.rename';

CREATE INDEX change_log_time ON change_log (environment_id, committed_at, revision);

-- What is archived keeps its key.
ALTER TABLE project ADD COLUMN archived_at INTEGER;
ALTER TABLE environment ADD COLUMN archived_at INTEGER;
ALTER TABLE flag ADD COLUMN archived_at INTEGER;

-- Searches of the audit log begin with the latest entry, whatever they look for.
DROP INDEX audit_object;
CREATE INDEX audit_time ON audit (at);
CREATE INDEX audit_object ON audit (object_key, at);
CREATE INDEX audit_actor ON audit (actor, at);
CREATE INDEX audit_action ON audit (action, at);
CREATE INDEX audit_environment ON audit (project, environment, at);
CREATE INDEX audit_project ON audit (project, at);
