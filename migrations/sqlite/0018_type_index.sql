-- Lists and counts the runs of a workflow type, the newest first.
CREATE INDEX workflow_executions_type
    ON workflow_executions
    (namespace, workflow_type, started_at DESC, run_id DESC);
