-- no-transaction
-- Finds the latest run of a workflow id, and lists its runs.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_runs
    ON workflow_executions
    (workflow_hash, namespace, workflow_id, run_number DESC, started_at DESC, run_id DESC);
