-- no-transaction
-- Lists runs in the order in which they closed.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_closed
    ON workflow_executions
    (namespace, closed_at DESC, run_id DESC)
    WHERE closed_at IS NOT NULL;
