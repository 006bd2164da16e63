-- Lists the runs of a namespace, those of built-in workflows apart, the newest first.
CREATE INDEX workflow_executions_lists
    ON workflow_executions
    (namespace, (substr(workflow_id, 1, 7) = 'dacapo:'), started_at DESC, run_id DESC);
