-- By which keys data were encrypted: what each is recognised by, and not the keys.
CREATE TABLE encryption_keys (
    id          TEXT NOT NULL PRIMARY KEY,
    -- Something known, encrypted with the key.
    check_value BLOB NOT NULL
) STRICT;
