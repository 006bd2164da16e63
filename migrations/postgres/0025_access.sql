-- Who may use the server, and who has changed what. What each table is for: ../README.md.

CREATE TABLE api_keys (
    id           text COLLATE "C" NOT NULL PRIMARY KEY,
    -- The SHA-256 of the key. The key itself is nowhere.
    hash         bytea            NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    name         text             NOT NULL,
    grants       jsonb            NOT NULL,
    created_at   timestamptz      NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz
);

-- Counts keys that came or went. Who has read the keys finds by one row whether that is
-- still how they are. That a key was used does not count.
CREATE TABLE api_key_changes (
    id      integer NOT NULL PRIMARY KEY CHECK (id = 1),
    changes bigint  NOT NULL
);

INSERT INTO api_key_changes (id, changes) VALUES (1, 0);

CREATE FUNCTION count_api_key_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE api_key_changes SET changes = changes + 1 WHERE id = 1;
    RETURN NULL;
END
$$;

-- Before, so that all who change them wait for each other before they lock any row.
CREATE TRIGGER api_keys_changes
    BEFORE INSERT OR DELETE OR UPDATE OF hash, grants, expires_at ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION count_api_key_change();

CREATE TABLE audit_log (
    id         bigint           NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz      NOT NULL,
    principal  text             NOT NULL,
    action     text             NOT NULL,
    namespace  text COLLATE "C",
    target     text             NOT NULL,
    address    text,
    request_id text
);

-- Entries whose time is over are removed in the order in which they came.
CREATE INDEX audit_log_at ON audit_log (at);

-- Lists what was done in a namespace, the newest first.
CREATE INDEX audit_log_namespace ON audit_log (namespace, id DESC);
