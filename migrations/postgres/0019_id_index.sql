-- no-transaction
-- Lists runs by their workflow ids, and finds those that begin with a text; those of
-- built-in workflows apart.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_id
    ON workflow_executions
    (namespace, (starts_with(workflow_id, 'dacapo:')), workflow_id, run_id);
