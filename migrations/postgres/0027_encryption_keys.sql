-- By which keys data were encrypted: what each is recognised by, and not the keys.
CREATE TABLE encryption_keys (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    -- Something known, encrypted with the key.
    check_value bytea            NOT NULL
);
