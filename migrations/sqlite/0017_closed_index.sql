-- Lists runs in the order in which they closed.
CREATE INDEX workflow_executions_closed
    ON workflow_executions
    (namespace, closed_at DESC, run_id DESC)
    WHERE closed_at IS NOT NULL;
