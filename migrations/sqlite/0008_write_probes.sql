-- A row that means nothing. It is written to find out whether writes succeed.
CREATE TABLE write_probes (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL
) STRICT;
