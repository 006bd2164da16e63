-- Of both tables as they are at one moment, so that a task that is just claimed is in one.
SELECT task.workflow_hash AS "workflow_hash!", task.run_id AS "run_id!",
       task.event_id AS "event_id!", namespace AS "namespace!", queue AS "queue!",
       activity_type AS "activity_type!", priority AS "priority!",
       fairness_key AS "fairness_key?", fairness_rank AS "fairness_rank!",
       visible_at AS "visible_at!", expires_at AS "task_expires_at?", attempt AS "attempt!",
       start_to_close_micros AS "start_to_close_micros!",
       heartbeat_micros AS "heartbeat_micros?", close_by AS "close_by?",
       last_failure AS "last_failure?", details AS "details?", lease_epoch AS "lease_epoch!",
       NULL::text AS "worker?", NULL::bytea AS "token_digest?",
       NULL::timestamptz AS "started_at?", NULL::timestamptz AS "expires_at?",
       NULL::int8 AS "lease_micros?", NULL::bool AS "cancel_requested?",
       NULL::bool AS "paused?"
FROM unnest($1::int4[], $2::uuid[], $3::int8[]) AS wanted (workflow_hash, run_id, event_id)
JOIN task_queues AS task
    ON task.workflow_hash = wanted.workflow_hash
   AND task.run_id = wanted.run_id
   AND task.event_id = wanted.event_id
UNION ALL
SELECT lease.workflow_hash, lease.run_id, lease.event_id, namespace, queue, activity_type,
       priority, fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
       start_to_close_micros, heartbeat_micros, close_by, last_failure, details, lease_epoch,
       worker, token_digest, started_at, expires_at, lease_micros, cancel_requested, paused
FROM unnest($1::int4[], $2::uuid[], $3::int8[]) AS wanted (workflow_hash, run_id, event_id)
JOIN task_queue_leases AS lease
    ON lease.workflow_hash = wanted.workflow_hash
   AND lease.run_id = wanted.run_id
   AND lease.event_id = wanted.event_id
