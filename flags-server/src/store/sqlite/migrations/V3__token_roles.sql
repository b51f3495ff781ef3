-- Tokens have a role and a reach, an end, and more than one secret while one takes the place of
-- another. What was an admin token is one of a service that may do everything.
CREATE TABLE token_of_v3 (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('sdk', 'personal', 'service')),
    -- Of an sdk token.
    environment_id INTEGER REFERENCES environment (id),
    tenants TEXT CHECK (tenants IN ('all', 'none')),
    -- Of the others. A limited one is for its rows of token_place alone, also where there are none.
    role TEXT CHECK (role IN ('viewer', 'editor', 'admin')),
    limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1)),
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER
) STRICT;

CREATE TABLE token_place (
    token_id TEXT NOT NULL REFERENCES token (id),
    project_id INTEGER NOT NULL REFERENCES project (id),
    -- Null: the whole project.
    environment_id INTEGER REFERENCES environment (id)
) STRICT;

CREATE INDEX token_place_token ON token_place (token_id);

CREATE TABLE token_secret (
    hash BLOB NOT NULL PRIMARY KEY,
    token_id TEXT NOT NULL REFERENCES token (id),
    -- Null: with the token.
    ends_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX token_secret_token ON token_secret (token_id);

INSERT INTO token_of_v3 (id, name, kind, environment_id, tenants, role, created_at, revoked_at)
SELECT id, name, 'service', NULL, NULL, 'admin', created_at, revoked_at
FROM token WHERE kind = 'admin' AND environment_id IS NULL
UNION ALL
SELECT id, name, 'sdk', environment_id, 'all', NULL, created_at, revoked_at
FROM token WHERE kind <> 'admin' OR environment_id IS NOT NULL;

CREATE TEMP TABLE hash_of_v2 AS SELECT hash, id FROM token;

DROP TABLE token;
ALTER TABLE token_of_v3 RENAME TO token;

INSERT INTO token_secret (hash, token_id) SELECT hash, id FROM hash_of_v2;
DROP TABLE hash_of_v2;

-- The name of a token as it was then: who did something stays readable.
ALTER TABLE audit ADD COLUMN actor_name TEXT NOT NULL DEFAULT '';
UPDATE audit SET actor_name = coalesce((SELECT name FROM token WHERE token.id = audit.actor), '');
