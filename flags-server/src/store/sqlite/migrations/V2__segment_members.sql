-- The keys that segments list, each a row: one more is written without the others.
CREATE TABLE segment_member (
    environment_id INTEGER NOT NULL,
    segment TEXT NOT NULL,
    -- 0 in the included keys, 1 in the excluded ones; a key may be in both.
    excluded INTEGER NOT NULL CHECK (excluded IN (0, 1)),
    key TEXT NOT NULL,
    -- For the reference alone; takes no room.
    kind TEXT NOT NULL GENERATED ALWAYS AS ('segment') VIRTUAL,
    PRIMARY KEY (environment_id, segment, excluded, key),
    FOREIGN KEY (environment_id, kind, segment)
        REFERENCES object (environment_id, kind, key) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- How many rows an object has there, and how many bytes of keys.
ALTER TABLE object RENAME COLUMN members TO included;
ALTER TABLE object ADD COLUMN excluded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE object ADD COLUMN member_bytes INTEGER NOT NULL DEFAULT 0;

-- The sums of its objects.
ALTER TABLE environment ADD COLUMN included INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN excluded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environment ADD COLUMN member_bytes INTEGER NOT NULL DEFAULT 0;

-- Segments whose lists are lists of different keys. A document that is damaged stays as it is, and
-- broken: without its lists it might be read, as a segment without members.
CREATE TEMP TABLE whole AS
SELECT environment_id, key, document FROM object
WHERE kind = 'segment' AND CASE
    WHEN NOT json_valid(document) THEN FALSE
    WHEN json_type(document) <> 'object' THEN FALSE
    WHEN coalesce(json_type(document, '$.included'), 'array') <> 'array' THEN FALSE
    WHEN coalesce(json_type(document, '$.excluded'), 'array') <> 'array' THEN FALSE
    ELSE (
        SELECT coalesce(min(type = 'text'), TRUE) AND count(*) = count(DISTINCT value)
        FROM json_each(document, '$.included')
    ) AND (
        SELECT coalesce(min(type = 'text'), TRUE) AND count(*) = count(DISTINCT value)
        FROM json_each(document, '$.excluded')
    )
END;

INSERT INTO segment_member (environment_id, segment, excluded, key)
SELECT whole.environment_id, whole.key, 0, list.value
FROM whole, json_each(whole.document, '$.included') AS list;

INSERT INTO segment_member (environment_id, segment, excluded, key)
SELECT whole.environment_id, whole.key, 1, list.value
FROM whole, json_each(whole.document, '$.excluded') AS list;

UPDATE object SET document = json_remove(document, '$.included', '$.excluded')
WHERE kind = 'segment' AND EXISTS (
    SELECT 1 FROM whole WHERE whole.environment_id = object.environment_id AND whole.key = object.key
);

DROP TABLE whole;

UPDATE object SET (included, excluded, member_bytes) = (
    SELECT count(*) FILTER (WHERE m.excluded = 0), coalesce(sum(m.excluded), 0),
           coalesce(sum(octet_length(m.key)), 0)
    FROM segment_member AS m
    WHERE m.environment_id = object.environment_id AND m.segment = object.key
) WHERE kind = 'segment';

UPDATE environment SET (included, excluded, member_bytes) = (
    SELECT coalesce(sum(o.included), 0), coalesce(sum(o.excluded), 0),
           coalesce(sum(o.member_bytes), 0)
    FROM object AS o WHERE o.environment_id = environment.id
);
