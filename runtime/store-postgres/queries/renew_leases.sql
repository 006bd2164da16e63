WITH wanted (workflow_hash, run_id, event_id, token_digest, details) AS (
    SELECT * FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::bytea[], $5::bytea[])
),
locked AS MATERIALIZED (
    SELECT lease.workflow_hash, lease.run_id, lease.event_id, wanted.details
    FROM wanted
    JOIN task_queue_leases AS lease
        ON lease.workflow_hash = wanted.workflow_hash
       AND lease.run_id = wanted.run_id
       AND lease.event_id = wanted.event_id
       AND lease.token_digest = wanted.token_digest
    -- In the order in which commits lock them.
    ORDER BY lease.workflow_hash, lease.run_id, lease.event_id
    FOR UPDATE OF lease
)
UPDATE task_queue_leases AS lease
SET details = COALESCE(locked.details, lease.details),
    -- `TaskAttempt::lease_until`
    expires_at = LEAST(
        micros_after($6, LEAST(lease.lease_micros, lease.heartbeat_micros)),
        micros_after(lease.started_at, lease.start_to_close_micros),
        lease.close_by
    )
FROM locked
WHERE lease.workflow_hash = locked.workflow_hash
  AND lease.run_id = locked.run_id
  AND lease.event_id = locked.event_id
RETURNING lease.workflow_hash AS "workflow_hash!", lease.run_id AS "run_id!",
          lease.event_id AS "event_id!", namespace AS "namespace!", queue AS "queue!",
          activity_type AS "activity_type!", priority AS "priority!",
          fairness_key AS "fairness_key?", fairness_rank AS "fairness_rank!",
          visible_at AS "visible_at!", task_expires_at AS "task_expires_at?",
          attempt AS "attempt!", start_to_close_micros AS "start_to_close_micros!",
          heartbeat_micros AS "heartbeat_micros?", close_by AS "close_by?",
          last_failure AS "last_failure?", lease.details AS "details?",
          lease_epoch AS "lease_epoch!", worker AS "worker?",
          token_digest AS "token_digest?", started_at AS "started_at?",
          expires_at AS "expires_at?", lease_micros AS "lease_micros?",
          cancel_requested AS "cancel_requested?", paused AS "paused?"
