-- no-transaction
-- Lists the runs of a namespace, those of built-in workflows apart, the newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_lists
    ON workflow_executions
    (namespace, (starts_with(workflow_id, 'dacapo:')), started_at DESC, run_id DESC);
