-- Never edit an applied migration: add the next one.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    folded TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE environment (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    key TEXT NOT NULL,
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,
    -- The sum of its objects' bytes.
    definition_bytes INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, key),
    UNIQUE (project_id, folded)
) STRICT;

-- What all environments of a project share of a flag.
CREATE TABLE flag (
    project_id INTEGER NOT NULL REFERENCES project (id),
    key TEXT NOT NULL,
    folded TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (project_id, key),
    UNIQUE (project_id, folded)
) STRICT;

-- What belongs to one environment: the states of flags, and segments.
CREATE TABLE object (
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    folded TEXT NOT NULL,
    version INTEGER NOT NULL,
    members INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (environment_id, kind, key),
    UNIQUE (environment_id, kind, folded)
) STRICT;

-- Which object needs which other; of a prerequisite also which variants.
CREATE TABLE object_reference (
    environment_id INTEGER NOT NULL,
    source_kind TEXT NOT NULL,
    source_key TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_key TEXT NOT NULL,
    variants TEXT NOT NULL,
    PRIMARY KEY (environment_id, source_kind, source_key, target_kind, target_key),
    FOREIGN KEY (environment_id, source_kind, source_key)
        REFERENCES object (environment_id, kind, key) ON DELETE CASCADE,
    FOREIGN KEY (environment_id, target_kind, target_key)
        REFERENCES object (environment_id, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX object_reference_target
    ON object_reference (environment_id, target_kind, target_key);

-- Append-only: the state of an environment is the fold of its changes.
CREATE TABLE change_log (
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    revision INTEGER NOT NULL,
    change TEXT NOT NULL,
    committed_at INTEGER NOT NULL,
    UNIQUE (environment_id, revision)
) STRICT;

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    environment_id INTEGER REFERENCES environment (id),
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action TEXT NOT NULL,
    project TEXT,
    environment TEXT,
    object_kind TEXT NOT NULL,
    object_key TEXT NOT NULL,
    reason TEXT,
    before TEXT,
    after TEXT,
    revisions TEXT NOT NULL
) STRICT;

CREATE INDEX audit_object ON audit (project, environment, object_kind, object_key);
