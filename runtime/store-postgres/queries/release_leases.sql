-- `LeasedTask::put_back`: as they were, to be handed out at once.
WITH wanted (workflow_hash, run_id, event_id, token_digest) AS (
    SELECT * FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::bytea[])
),
locked AS MATERIALIZED (
    SELECT lease.workflow_hash, lease.run_id, lease.event_id
    FROM wanted
    JOIN task_queue_leases AS lease
        ON lease.workflow_hash = wanted.workflow_hash
       AND lease.run_id = wanted.run_id
       AND lease.event_id = wanted.event_id
       AND lease.token_digest = wanted.token_digest
    -- In the order in which commits lock them.
    ORDER BY lease.workflow_hash, lease.run_id, lease.event_id
    FOR UPDATE OF lease
),
released AS (
    DELETE FROM task_queue_leases AS lease
    USING locked
    WHERE lease.workflow_hash = locked.workflow_hash
      AND lease.run_id = locked.run_id
      AND lease.event_id = locked.event_id
    RETURNING lease.*
),
waiting AS (
    INSERT INTO task_queues (
        workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
        fairness_key, fairness_rank, visible_at, is_ready, expires_at, attempt,
        start_to_close_micros, heartbeat_micros, close_by, last_failure, details, lease_epoch
    )
    SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
           fairness_key, fairness_rank, CASE WHEN paused THEN $6::timestamptz ELSE $5::timestamptz END, false,
           task_expires_at, attempt, start_to_close_micros, heartbeat_micros, close_by,
           last_failure, details, lease_epoch
    FROM released
)
SELECT DISTINCT released.namespace, released.queue
FROM released
ORDER BY released.namespace, released.queue
