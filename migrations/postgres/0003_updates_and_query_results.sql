-- Updates that the workflow has not decided about, and values that it has
-- published. What each table is for: ../README.md.

-- Gone once the workflow accepts or rejects; most are never written. Rows of a run
-- are read in the order in which they are offered, and are few.
CREATE TABLE workflow_updates (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    update_id     text COLLATE "C" NOT NULL,
    update_name   text COLLATE "C" NOT NULL,
    input         bytea            NOT NULL,
    admitted_at   timestamptz      NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, update_id)
);

-- Kept as long as the run is: they are answered after its end, too.
CREATE TABLE workflow_query_results (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    query_name    text COLLATE "C" NOT NULL,
    value         bytea            NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, query_name)
);
