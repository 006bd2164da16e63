-- Of both tables as they are at one moment, so that a task that is just claimed is in one.
SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!", event_id AS "event_id!",
       namespace AS "namespace!", queue AS "queue!", activity_type AS "activity_type!",
       priority AS "priority!", fairness_key AS "fairness_key?",
       fairness_rank AS "fairness_rank!", visible_at AS "visible_at!",
       expires_at AS "task_expires_at?", attempt AS "attempt!",
       start_to_close_micros AS "start_to_close_micros!",
       heartbeat_micros AS "heartbeat_micros?", close_by AS "close_by?",
       last_failure AS "last_failure?", details AS "details?", lease_epoch AS "lease_epoch!",
       NULL::text AS "worker?", NULL::bytea AS "token_digest?",
       NULL::timestamptz AS "started_at?", NULL::timestamptz AS "expires_at?",
       NULL::int8 AS "lease_micros?", NULL::bool AS "cancel_requested?",
       NULL::bool AS "paused?"
FROM task_queues
WHERE workflow_hash = $1 AND run_id = $2
UNION ALL
SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
       fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
       start_to_close_micros, heartbeat_micros, close_by, last_failure, details, lease_epoch,
       worker, token_digest, started_at, expires_at, lease_micros, cancel_requested, paused
FROM task_queue_leases
WHERE workflow_hash = $1 AND run_id = $2
