-- Which plan that a tenant's contract names is the one that it has, and not only one that it tries.
ALTER TABLE tenant_reference ADD COLUMN is_own INTEGER NOT NULL DEFAULT 0 CHECK (is_own IN (0, 1));

UPDATE tenant_reference SET is_own = 1
WHERE target_kind = 'plan' AND EXISTS (
    SELECT 1
    FROM (SELECT iif(json_valid(t.document), t.document, '{}') AS document FROM tenant AS t
          WHERE t.environment_id = tenant_reference.environment_id AND t.key = tenant_reference.tenant)
    WHERE document ->> '$.plan' = tenant_reference.target_key
    AND document ->> '$.plan_version' = tenant_reference.version
);

-- Who has which version of a plan; its last column so that the index alone tells.
CREATE INDEX tenant_plan ON tenant_reference (environment_id, target_key, version, tenant, is_own)
    WHERE is_own = 1;

-- How many have it: to count a million of them takes too long for whoever writes.
CREATE TABLE plan_tenants (
    environment_id INTEGER NOT NULL,
    plan TEXT NOT NULL,
    version INTEGER NOT NULL,
    tenants INTEGER NOT NULL,
    PRIMARY KEY (environment_id, plan, version)
) STRICT, WITHOUT ROWID;

INSERT INTO plan_tenants (environment_id, plan, version, tenants)
SELECT environment_id, target_key, version, count(*) FROM tenant_reference WHERE is_own = 1
GROUP BY environment_id, target_key, version;

CREATE TRIGGER plan_gets_tenant AFTER INSERT ON tenant_reference WHEN NEW.is_own = 1
BEGIN
    INSERT INTO plan_tenants (environment_id, plan, version, tenants)
    VALUES (NEW.environment_id, NEW.target_key, NEW.version, 1)
    ON CONFLICT (environment_id, plan, version) DO UPDATE SET tenants = tenants + 1;
END;

CREATE TRIGGER plan_loses_tenant AFTER DELETE ON tenant_reference WHEN OLD.is_own = 1
BEGIN
    UPDATE plan_tenants SET tenants = tenants - 1
    WHERE environment_id = OLD.environment_id AND plan = OLD.target_key AND version = OLD.version;
END;
