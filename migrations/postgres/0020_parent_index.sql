-- no-transaction
-- Lists the children of a run, the newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_parent
    ON workflow_executions
    (namespace, parent_workflow_id, started_at DESC, run_id DESC)
    WHERE parent_workflow_id IS NOT NULL;
