-- Updates that the workflow has not decided about, and values that it has
-- published. What each table is for: ../README.md.

-- Gone once the workflow accepts or rejects; most are never written. Rows of a run
-- are read in the order in which they are offered, and are few.
CREATE TABLE workflow_updates (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    update_id     TEXT    NOT NULL,
    update_name   TEXT    NOT NULL,
    input         BLOB    NOT NULL,
    admitted_at   INTEGER NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, update_id)
) STRICT;

-- Kept as long as the run is: they are answered after its end, too.
CREATE TABLE workflow_query_results (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    query_name    TEXT    NOT NULL,
    value         BLOB    NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, query_name)
) STRICT;
