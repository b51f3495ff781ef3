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
