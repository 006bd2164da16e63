SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!", event_id AS "event_id!",
       namespace AS "namespace!", queue AS "queue!", activity_type AS "activity_type!",
       priority AS "priority!", fairness_key AS "fairness_key?",
       fairness_rank AS "fairness_rank!", visible_at AS "visible_at!",
       task_expires_at AS "task_expires_at?", attempt AS "attempt!",
       start_to_close_micros AS "start_to_close_micros!",
       heartbeat_micros AS "heartbeat_micros?", close_by AS "close_by?",
       last_failure AS "last_failure?", details AS "details?", lease_epoch AS "lease_epoch!",
       worker AS "worker?", token_digest AS "token_digest?", started_at AS "started_at?",
       expires_at AS "expires_at?", lease_micros AS "lease_micros?",
       cancel_requested AS "cancel_requested?", paused AS "paused?"
FROM task_queue_leases
WHERE namespace = $1
  AND queue = $2
  AND (workflow_hash, run_id, event_id) > ($3, $4, $5)
ORDER BY workflow_hash, run_id, event_id
LIMIT $6
