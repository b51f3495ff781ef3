-- The audit log is append-only, and each row is chained to the one before: docs/adr/0020.

-- Four random salts of 16 bytes, and four SHA-256: of object_key, reason, before and after. The salt
-- of an erased part is zero.
ALTER TABLE audit ADD COLUMN salts BLOB;
ALTER TABLE audit ADD COLUMN digests BLOB;
-- SHA-256 over the hash of the row before, this row's other columns, and the digests.
ALTER TABLE audit ADD COLUMN hash BLOB;
-- Of each erased part, the row of the erasure: {"before": 17}.
ALTER TABLE audit ADD COLUMN erased TEXT;

-- Rows that were there before get their salts, digests and hashes when the database is opened: once.

CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit
WHEN NEW.id IS NOT OLD.id
    OR NEW.at IS NOT OLD.at
    OR NEW.actor IS NOT OLD.actor
    OR NEW.actor_name IS NOT OLD.actor_name
    OR NEW.request_id IS NOT OLD.request_id
    OR NEW.action IS NOT OLD.action
    OR NEW.project IS NOT OLD.project
    OR NEW.environment IS NOT OLD.environment
    OR NEW.object_kind IS NOT OLD.object_kind
    OR NEW.revisions IS NOT OLD.revisions
    OR (OLD.digests IS NOT NULL AND NEW.digests IS NOT OLD.digests)
    OR (OLD.hash IS NOT NULL AND NEW.hash IS NOT OLD.hash)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Text changes only together with the loss of its salt, and a lost salt does not come back.
CREATE TRIGGER audit_text_is_only_erased BEFORE UPDATE ON audit
WHEN (NEW.object_key IS NOT OLD.object_key AND NEW.salts IS NULL)
    OR (NEW.reason IS NOT OLD.reason AND NEW.salts IS NULL)
    OR (NEW.before IS NOT OLD.before AND NEW.salts IS NULL)
    OR (NEW.after IS NOT OLD.after AND NEW.salts IS NULL)
    OR (OLD.salts IS NOT NULL AND (
        NEW.salts IS NULL
        OR length(NEW.salts) <> 64
        OR (NEW.object_key IS NOT OLD.object_key AND substr(NEW.salts, 1, 16) <> zeroblob(16))
        OR (NEW.reason IS NOT OLD.reason AND substr(NEW.salts, 17, 16) <> zeroblob(16))
        OR (NEW.before IS NOT OLD.before AND substr(NEW.salts, 33, 16) <> zeroblob(16))
        OR (NEW.after IS NOT OLD.after AND substr(NEW.salts, 49, 16) <> zeroblob(16))
        OR substr(NEW.salts, 1, 16) NOT IN (substr(OLD.salts, 1, 16), zeroblob(16))
        OR substr(NEW.salts, 17, 16) NOT IN (substr(OLD.salts, 17, 16), zeroblob(16))
        OR substr(NEW.salts, 33, 16) NOT IN (substr(OLD.salts, 33, 16), zeroblob(16))
        OR substr(NEW.salts, 49, 16) NOT IN (substr(OLD.salts, 49, 16), zeroblob(16))
    ))
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- The last row that was cut off the beginning of the log, and its hash: docs/adr/0023.
CREATE TABLE audit_anchor (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT;

-- What the changes up to a revision add up to, once they are cut off the beginning of a change log.
CREATE TABLE checkpoint (
    environment_id INTEGER PRIMARY KEY REFERENCES environment (id),
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
WHEN OLD.id > coalesce((SELECT max(id) FROM audit_anchor), 0)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Also against INSERT OR REPLACE, which deletes without that trigger.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Rows of the history go with, and change with, the row of the audit log that they are of.
CREATE INDEX deed_audit ON deed (audit_id);

-- What is written to find out whether anything can be: docs/operations.md, "The disk is full".
CREATE TABLE trial (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    filler BLOB NOT NULL
) STRICT;

-- The keys of a segment belong to a list of their own, which a deleted segment loses in one step. The keys
-- then go in parts, between other writes.
CREATE TABLE member_list (
    id INTEGER PRIMARY KEY,
    -- NULL, both, once the segment is deleted.
    environment_id INTEGER,
    segment TEXT,
    -- For the reference alone; takes no room.
    kind TEXT NOT NULL GENERATED ALWAYS AS ('segment') VIRTUAL,
    UNIQUE (environment_id, segment),
    FOREIGN KEY (environment_id, kind, segment) REFERENCES object (environment_id, kind, key)
) STRICT;

CREATE TABLE member (
    list_id INTEGER NOT NULL REFERENCES member_list (id),
    -- 0 in the included keys, 1 in the excluded ones; a key may be in both.
    excluded INTEGER NOT NULL CHECK (excluded IN (0, 1)),
    key TEXT NOT NULL,
    PRIMARY KEY (list_id, excluded, key)
) STRICT, WITHOUT ROWID;

INSERT INTO member_list (environment_id, segment)
SELECT DISTINCT environment_id, segment FROM segment_member;

INSERT INTO member (list_id, excluded, key)
SELECT l.id, m.excluded, m.key FROM member_list AS l
JOIN segment_member AS m ON m.environment_id = l.environment_id AND m.segment = l.segment;

DROP TABLE segment_member;
