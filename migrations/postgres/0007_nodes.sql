-- Nodes that own shards, and until when they are sure to be there.

CREATE TABLE nodes (
    node_id             uuid        NOT NULL PRIMARY KEY,
    -- By the clock of this database.
    leased_until        timestamptz NOT NULL,
    -- The session on which the lease is renewed. Once it is gone, so is the
    -- process; unless the database was started since, when all sessions are.
    session_pid         integer     NOT NULL,
    session_started_at  timestamptz,
    database_started_at timestamptz NOT NULL
)
-- One row, changed every few seconds.
WITH (fillfactor = 10);
