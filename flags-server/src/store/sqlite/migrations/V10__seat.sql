-- Who has a seat: a user to whom a tenant assigned one of a feature that is a limit. Like all that tenants
-- use, it is no part of revisions, and goes with the tenant.
CREATE TABLE seat (
    environment_id INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    user TEXT NOT NULL,
    assigned_at INTEGER NOT NULL,
    PRIMARY KEY (environment_id, tenant, feature, user),
    FOREIGN KEY (environment_id, tenant) REFERENCES tenant (environment_id, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX seat_user ON seat (environment_id, user);

-- How much of a limit a tenant uses: as many seats as are assigned, or what the product said last.
CREATE TABLE tenant_use (
    environment_id INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    counter TEXT NOT NULL CHECK (counter IN ('seats', 'usage')),
    used INTEGER NOT NULL CHECK (used >= 0),
    -- When it was so: of seats, when the last one came or went.
    at INTEGER NOT NULL,
    -- The highest threshold that it is at, in percent; 0 below all of them.
    level INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment_id, tenant, feature, counter),
    FOREIGN KEY (environment_id, tenant) REFERENCES tenant (environment_id, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX tenant_use_feature ON tenant_use (environment_id, feature, tenant);

-- Each time that a use came to a threshold from below. Numbers are not given twice.
CREATE TABLE crossing (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    environment_id INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    feature TEXT NOT NULL,
    counter TEXT NOT NULL,
    threshold INTEGER NOT NULL,
    used INTEGER NOT NULL,
    limit_then INTEGER NOT NULL,
    at INTEGER NOT NULL,
    FOREIGN KEY (environment_id, tenant) REFERENCES tenant (environment_id, key) ON DELETE CASCADE
) STRICT;

CREATE INDEX crossing_environment ON crossing (environment_id, id);
CREATE INDEX crossing_tenant ON crossing (environment_id, tenant);

-- How many seats there are in an environment.
ALTER TABLE environment ADD COLUMN seats INTEGER NOT NULL DEFAULT 0;
