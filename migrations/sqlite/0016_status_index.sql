-- Lists and counts the runs of a status, the newest first. Most runs have completed: for
-- those, the list of all runs does.
CREATE INDEX workflow_executions_status
    ON workflow_executions
    (namespace, status, started_at DESC, run_id DESC)
    WHERE status <> 'completed';
