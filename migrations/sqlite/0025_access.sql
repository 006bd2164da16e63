-- Who may use the server, and who has changed what. What each table is for: ../README.md.

CREATE TABLE api_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    -- The SHA-256 of the key. The key itself is nowhere.
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    name         TEXT    NOT NULL,
    grants       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT;

-- Counts keys that came or went. Who has read the keys finds by one row whether that is
-- still how they are. That a key was used does not count.
CREATE TABLE api_key_changes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL
) STRICT;

INSERT INTO api_key_changes (id, changes) VALUES (1, 0);

CREATE TRIGGER api_keys_inserted
    AFTER INSERT ON api_keys
BEGIN
    UPDATE api_key_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER api_keys_updated
    AFTER UPDATE OF hash, grants, expires_at ON api_keys
BEGIN
    UPDATE api_key_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER api_keys_deleted
    AFTER DELETE ON api_keys
BEGIN
    UPDATE api_key_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TABLE audit_log (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    principal  TEXT    NOT NULL,
    action     TEXT    NOT NULL,
    namespace  TEXT,
    target     TEXT    NOT NULL,
    address    TEXT,
    request_id TEXT
) STRICT;

-- Entries whose time is over are removed in the order in which they came.
CREATE INDEX audit_log_at ON audit_log (at);

-- Lists what was done in a namespace, the newest first.
CREATE INDEX audit_log_namespace ON audit_log (namespace, id DESC);
