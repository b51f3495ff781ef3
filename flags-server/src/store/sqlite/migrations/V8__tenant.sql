-- What is stored of the tenants of an environment.
CREATE TABLE tenant (
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (environment_id, key)
) STRICT, WITHOUT ROWID;

-- Whether who has an older revision needs a snapshot to get over a change: what it deleted was erased
-- from it, name and all.
ALTER TABLE change_log ADD COLUMN resets INTEGER NOT NULL DEFAULT 0 CHECK (resets IN (0, 1));

-- How many there are, and how many bytes of keys and documents.
ALTER TABLE environment ADD COLUMN tenants INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN tenant_bytes INTEGER NOT NULL DEFAULT 0;
