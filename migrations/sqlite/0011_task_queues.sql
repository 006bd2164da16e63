-- Attempts of activities that workers make in other processes: those that wait, and
-- those that a worker has. A task has one row, in one of the two tables.

-- The columns are those of `TaskRow` in runtime/store/src/task.rs.
CREATE TABLE task_queues (
    workflow_hash         INTEGER NOT NULL,
    run_id                BLOB    NOT NULL CHECK (length(run_id) = 16),
    event_id              INTEGER NOT NULL CHECK (event_id > 0),
    namespace             TEXT    NOT NULL,
    queue                 TEXT    NOT NULL,
    activity_type         TEXT    NOT NULL,
    priority              INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    fairness_key          TEXT,
    fairness_rank         INTEGER NOT NULL,
    -- No worker has it before then.
    visible_at            INTEGER NOT NULL,
    -- Whether it was visible when it was written, or a claim has found that it is.
    is_ready              INTEGER NOT NULL CHECK (is_ready IN (0, 1)),
    -- When its run is told that no worker has taken it.
    expires_at            INTEGER,
    attempt               INTEGER NOT NULL CHECK (attempt > 0),
    start_to_close_micros INTEGER NOT NULL CHECK (start_to_close_micros >= 0),
    heartbeat_micros      INTEGER CHECK (heartbeat_micros >= 0),
    close_by              INTEGER,
    last_failure          TEXT,
    details               BLOB,
    lease_epoch           INTEGER NOT NULL CHECK (lease_epoch >= 0),
    PRIMARY KEY (workflow_hash, run_id, event_id)
) STRICT;

-- What claims take, in their order. Those that wait for their time are not in their way:
-- however many there are, they are in the other index, until their time has come.
CREATE INDEX task_queues_ready
    ON task_queues
    (namespace, queue, priority, fairness_rank, workflow_hash, run_id, event_id)
    WHERE is_ready = 1;

CREATE INDEX task_queues_delayed
    ON task_queues (namespace, queue, visible_at)
    WHERE is_ready = 0;

CREATE INDEX task_queues_expiry
    ON task_queues (expires_at)
    WHERE expires_at IS NOT NULL;

-- All of the task, so that it goes back as it was, and who has it. There are as many rows
-- as workers have tasks, so that a scan finds those that are over.
CREATE TABLE task_queue_leases (
    workflow_hash         INTEGER NOT NULL,
    run_id                BLOB    NOT NULL CHECK (length(run_id) = 16),
    event_id              INTEGER NOT NULL CHECK (event_id > 0),
    namespace             TEXT    NOT NULL,
    queue                 TEXT    NOT NULL,
    activity_type         TEXT    NOT NULL,
    priority              INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
    fairness_key          TEXT,
    fairness_rank         INTEGER NOT NULL,
    visible_at            INTEGER NOT NULL,
    -- `expires_at` of the task while it waits.
    task_expires_at       INTEGER,
    attempt               INTEGER NOT NULL CHECK (attempt > 0),
    start_to_close_micros INTEGER NOT NULL CHECK (start_to_close_micros >= 0),
    heartbeat_micros      INTEGER CHECK (heartbeat_micros >= 0),
    close_by              INTEGER,
    last_failure          TEXT,
    details               BLOB,
    lease_epoch           INTEGER NOT NULL CHECK (lease_epoch > 0),
    worker                TEXT    NOT NULL,
    -- Of the secret in the token of the worker.
    token_digest          BLOB    NOT NULL CHECK (length(token_digest) = 16),
    started_at            INTEGER NOT NULL,
    -- When its run is told that the worker is silent.
    expires_at            INTEGER NOT NULL,
    lease_micros          INTEGER NOT NULL CHECK (lease_micros >= 0),
    cancel_requested      INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    paused                INTEGER NOT NULL CHECK (paused IN (0, 1)),
    PRIMARY KEY (workflow_hash, run_id, event_id)
) STRICT;
