-- As `open_executions`, without any column that may be unreadable.
SELECT workflow_hash, run_id
FROM workflow_executions
WHERE status IN ('running', 'blocked')
  AND (workflow_hash, run_id) > ($1, $2)
  AND workflow_hash <= $3
ORDER BY workflow_hash, run_id
LIMIT 1
