-- Nodes that own shards, and until when they are sure to be there.

CREATE TABLE nodes (
    node_id      BLOB    NOT NULL PRIMARY KEY CHECK (length(node_id) = 16),
    -- By the clock of the machine.
    leased_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
