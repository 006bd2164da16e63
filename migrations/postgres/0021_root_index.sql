-- no-transaction
-- Lists the descendants of a run, the newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_root
    ON workflow_executions
    (namespace, root_workflow_id, started_at DESC, run_id DESC)
    WHERE root_workflow_id IS NOT NULL;
