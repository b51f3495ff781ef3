-- What is stored of the tenants of an environment.
CREATE TABLE tenant (
    environment_id INTEGER NOT NULL REFERENCES environment (id),
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (environment_id, key)
) STRICT, WITHOUT ROWID;

-- How many there are, and how many bytes of keys and documents.
ALTER TABLE environment ADD COLUMN tenants INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN tenant_bytes INTEGER NOT NULL DEFAULT 0;
