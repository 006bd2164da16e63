-- Views for people with sqlite3: what a server does, and what is late. Nothing in Dacapo
-- reads them. What each one shows: ../README.md. PostgreSQL has more: there are no shards to
-- watch here, and SQLite counts no rows.
--
-- A sqlite3 that does not know the syntax of one view refuses the whole file, so they keep to
-- what version 3.37 knows, which is needed for STRICT tables.

CREATE VIEW runs_by_status AS
SELECT namespace,
       status,
       count(*) AS runs,
       strftime('%Y-%m-%dT%H:%M:%fZ', min(started_at) / 1000000.0, 'unixepoch')
           AS oldest_started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', max(started_at) / 1000000.0, 'unixepoch')
           AS newest_started_at
FROM workflow_executions
GROUP BY namespace, status;

-- A queue that has nothing, but settings, is shown as well.
CREATE VIEW queue_backlog AS
WITH moment (now) AS (SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
entries AS (
    SELECT namespace,
           queue,
           is_ready = 1 OR visible_at <= now AS is_ready,
           visible_at,
           NULL AS worker,
           0 AS is_drained
    FROM task_queues, moment
    UNION ALL
    SELECT namespace, queue, NULL, NULL, worker, 0 FROM task_queue_leases
    UNION ALL
    SELECT namespace, queue, NULL, NULL, NULL, is_drained FROM task_queue_settings
)
SELECT namespace,
       queue,
       count(CASE WHEN is_ready = 1 THEN 1 END) AS ready,
       count(CASE WHEN is_ready = 0 THEN 1 END) AS delayed,
       count(worker)                            AS leased,
       count(DISTINCT worker)                   AS workers,
       strftime(
           '%Y-%m-%dT%H:%M:%fZ',
           min(CASE WHEN is_ready = 1 THEN visible_at END) / 1000000.0,
           'unixepoch'
       )                                        AS ready_since,
       max(is_drained)                          AS is_drained
FROM entries
GROUP BY namespace, queue;

-- A server tells their runs within a second, so that what stays here has no owner.
CREATE VIEW expired_leases AS
WITH moment (now) AS (SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
SELECT lease.namespace,
       lease.queue,
       execution.workflow_id,
       lower(hex(lease.run_id)) AS run_id,
       lease.event_id,
       lease.activity_type,
       lease.attempt,
       lease.worker,
       strftime('%Y-%m-%dT%H:%M:%fZ', lease.expires_at / 1000000.0, 'unixepoch') AS expires_at,
       (moment.now - lease.expires_at) / 1000000.0 AS late_by_seconds
FROM task_queue_leases AS lease, moment
LEFT JOIN workflow_executions AS execution
    ON execution.workflow_hash = lease.workflow_hash AND execution.run_id = lease.run_id
WHERE lease.expires_at <= moment.now;

-- Those of blocked runs wait until the run is retried.
CREATE VIEW late_timers AS
WITH moment (now) AS (SELECT CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
SELECT execution.namespace,
       execution.workflow_id,
       lower(hex(timer.run_id)) AS run_id,
       timer.event_id,
       timer.kind,
       execution.status,
       strftime('%Y-%m-%dT%H:%M:%fZ', timer.fire_at / 1000000.0, 'unixepoch') AS fire_at,
       (moment.now - timer.fire_at) / 1000000.0 AS late_by_seconds
FROM workflow_timers AS timer, moment
LEFT JOIN workflow_executions AS execution
    ON execution.workflow_hash = timer.workflow_hash AND execution.run_id = timer.run_id
WHERE timer.fire_at <= moment.now;

-- `state` is what `dacapo schedule show` tells of it.
CREATE VIEW workflow_schedules AS
SELECT namespace,
       substr(workflow_id, length('dacapo:schedule:') + 1) AS schedule_id,
       run_id,
       status,
       json_extract(state, '$.paused')           AS is_paused,
       json_extract(state, '$.counters.actions') AS actions,
       json_extract(state, '$.created_at')       AS created_at,
       json_extract(state, '$.acted_until')      AS acted_until,
       state
FROM (
    SELECT execution.namespace,
           execution.workflow_id,
           lower(hex(execution.run_id)) AS run_id,
           execution.status,
           (
               SELECT CASE
                          WHEN json_valid(CAST(result.value AS TEXT))
                          THEN CAST(result.value AS TEXT)
                      END
               FROM workflow_query_results AS result
               WHERE result.workflow_hash = execution.workflow_hash
                 AND result.run_id = execution.run_id
                 AND result.query_name = 'status'
           ) AS state
    FROM workflow_executions AS execution
    WHERE execution.status IN ('running', 'blocked')
      AND execution.workflow_id >= 'dacapo:schedule:'
      AND execution.workflow_id < 'dacapo:schedule;'
);

CREATE VIEW schedule_execution_history AS
SELECT namespace,
       substr(parent_workflow_id, length('dacapo:schedule:') + 1) AS schedule_id,
       workflow_id,
       lower(hex(run_id)) AS run_id,
       workflow_type,
       status,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', closed_at / 1000000.0, 'unixepoch') AS closed_at
FROM workflow_executions
WHERE parent_workflow_id >= 'dacapo:schedule:'
  AND parent_workflow_id < 'dacapo:schedule;';
