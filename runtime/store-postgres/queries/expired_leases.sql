SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!", event_id AS "event_id!",
       expired_at AS "expired_at!"
FROM cleanup_expired_leases($1, $2, $3, $4, $5)
