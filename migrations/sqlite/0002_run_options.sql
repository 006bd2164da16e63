-- Timeouts and a delayed start of runs, timeouts of activities as rows, and what
-- callers and workflows say about a run.
--
-- SQLite can't change the checks of a table: it is made anew.

-- It names the table, and would be in the way.
DROP VIEW history;

CREATE TABLE new_workflow_executions (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    namespace     TEXT    NOT NULL,
    workflow_id   TEXT    NOT NULL,
    workflow_type TEXT    NOT NULL,
    module_digest BLOB    NOT NULL CHECK (length(module_digest) = 32),
    request_id    TEXT,
    status        TEXT    NOT NULL CHECK (status IN (
        'running', 'blocked',
        'completed', 'failed', 'canceled', 'terminated', 'continued_as_new', 'timed_out'
    )),
    blocked       TEXT,
    started_at    INTEGER NOT NULL,
    closed_at     INTEGER,
    -- Null where nothing was said.
    memo              TEXT,
    search_attributes TEXT,
    PRIMARY KEY (workflow_hash, run_id),
    CHECK ((status = 'blocked') = (blocked IS NOT NULL)),
    CHECK ((status IN ('running', 'blocked')) = (closed_at IS NULL))
) STRICT;

INSERT INTO new_workflow_executions (
    workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
    request_id, status, blocked, started_at, closed_at
)
SELECT workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
       request_id, status, blocked, started_at, closed_at
FROM workflow_executions;

DROP TABLE workflow_executions;
ALTER TABLE new_workflow_executions RENAME TO workflow_executions;

-- The rule "at most one open run per workflow id". Also finds the open run of a
-- workflow id, and all open runs when a node recovers.
CREATE UNIQUE INDEX workflow_executions_open
    ON workflow_executions (workflow_hash, namespace, workflow_id)
    WHERE status IN ('running', 'blocked');

-- The rule "at most one run per start request". Also finds the run of a
-- repeated request.
CREATE UNIQUE INDEX workflow_executions_request
    ON workflow_executions (workflow_hash, namespace, workflow_id, request_id)
    WHERE request_id IS NOT NULL;

-- Finds the latest run of a workflow id, and lists its runs.
CREATE INDEX workflow_executions_latest
    ON workflow_executions
    (workflow_hash, namespace, workflow_id, started_at DESC, run_id DESC);

-- Lists the runs of a namespace, the newest first.
CREATE INDEX workflow_executions_list
    ON workflow_executions (namespace, started_at DESC, run_id DESC);

-- A timer is keyed by the event it is about: those of the run itself by its first.
-- There is at most one of these at a time: the run starts, then it may time out.
CREATE TABLE new_workflow_timers (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    event_id      INTEGER NOT NULL CHECK (event_id > 0),
    fire_at       INTEGER NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind IN (
        'timer', 'run_timeout', 'start_delay',
        'activity_retry', 'activity_timeout', 'activity_heartbeat'
    )),
    attempt       INTEGER,
    last_failure  TEXT,
    -- What the last heartbeat of an activity said.
    details       BLOB,
    PRIMARY KEY (workflow_hash, run_id, event_id),
    CHECK (kind <> 'activity_retry' OR (attempt IS NOT NULL AND last_failure IS NOT NULL)),
    CHECK (
        kind NOT IN ('timer', 'run_timeout', 'start_delay')
        OR (attempt IS NULL AND last_failure IS NULL AND details IS NULL)
    )
) STRICT;

INSERT INTO new_workflow_timers (
    workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure
)
SELECT workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure
FROM workflow_timers;

DROP TABLE workflow_timers;
ALTER TABLE new_workflow_timers RENAME TO workflow_timers;

-- Finds what is due, in the order it is due.
CREATE INDEX workflow_timers_due
    ON workflow_timers (fire_at, workflow_hash, run_id, event_id);

-- As it was.
-- Histories to read with sqlite3. Payloads that are not JSON text are null
-- here: SQLite has no way to tell other text from bytes.
--   SELECT * FROM history WHERE workflow_id = 'order-17' ORDER BY event_time, event_id;
CREATE VIEW history AS
SELECT execution.namespace,
       execution.workflow_id,
       lower(
           substr(hex(event.run_id), 1, 8) || '-' || substr(hex(event.run_id), 9, 4) || '-' ||
           substr(hex(event.run_id), 13, 4) || '-' || substr(hex(event.run_id), 17, 4) || '-' ||
           substr(hex(event.run_id), 21)
       ) AS run_id,
       event.event_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', event.event_time / 1000000.0, 'unixepoch') AS event_time,
       event.event_type,
       event.attributes,
       CASE
           WHEN json_valid(CAST(event.payload AS TEXT)) THEN CAST(event.payload AS TEXT)
       END AS payload,
       length(event.payload) AS payload_bytes
FROM history_events AS event
JOIN workflow_executions AS execution USING (workflow_hash, run_id);
