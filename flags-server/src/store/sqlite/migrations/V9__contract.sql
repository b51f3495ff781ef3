-- What people say of the overrides in a tenant's contract, as JSON by their ids: it is not for SDKs.
ALTER TABLE tenant ADD COLUMN notes TEXT;

-- What a tenant's contract names of the catalogue. It has to be there, and those who have it can be found.
CREATE TABLE tenant_reference (
    environment_id INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_key TEXT NOT NULL,
    -- Of a plan; 0 of anything else.
    version INTEGER NOT NULL,
    PRIMARY KEY (environment_id, tenant, target_kind, target_key, version),
    FOREIGN KEY (environment_id, tenant) REFERENCES tenant (environment_id, key) ON DELETE CASCADE,
    FOREIGN KEY (environment_id, target_kind, target_key)
        REFERENCES object (environment_id, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_reference_target
    ON tenant_reference (environment_id, target_kind, target_key, version, tenant);
