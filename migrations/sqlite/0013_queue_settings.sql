-- How much of a task queue is handed out at a time, and how fast, for queues of which
-- somebody has set that. Others know nothing of it.
CREATE TABLE task_queue_settings (
    namespace           TEXT    NOT NULL,
    queue               TEXT    NOT NULL,
    concurrency         INTEGER CHECK (concurrency > 0),
    concurrency_per_key INTEGER CHECK (concurrency_per_key > 0),
    rate_per_second     REAL    CHECK (rate_per_second > 0),
    rate_burst          INTEGER CHECK (rate_burst > 0),
    key_rate_per_second REAL    CHECK (key_rate_per_second > 0),
    key_rate_burst      INTEGER CHECK (key_rate_burst > 0),
    -- Nothing is handed out.
    is_drained          INTEGER NOT NULL CHECK (is_drained IN (0, 1)),
    changed_at          INTEGER NOT NULL,
    PRIMARY KEY (namespace, queue),
    CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL)),
    CHECK ((key_rate_per_second IS NULL) = (key_rate_burst IS NULL))
) STRICT;

-- What the rates of queues and keys have let through lately.
CREATE TABLE task_queue_rates (
    namespace    TEXT    NOT NULL,
    queue        TEXT    NOT NULL,
    -- Empty for the queue as a whole: no key is.
    fairness_key TEXT    NOT NULL,
    -- When all of the burst is there again. A row whose time has come means nothing.
    full_at      INTEGER NOT NULL,
    PRIMARY KEY (namespace, queue, fairness_key)
) STRICT, WITHOUT ROWID;

-- The first tasks of each key, however many of others wait before them: keys may be at their
-- limit. Of tasks with a key only; others have no part in it.
CREATE INDEX task_queues_keys
    ON task_queues
    (namespace, queue, fairness_key, priority, fairness_rank, workflow_hash, run_id, event_id)
    WHERE is_ready = 1 AND fairness_key IS NOT NULL;
