-- Lists runs by their workflow ids, and finds those that begin with a text; those of
-- built-in workflows apart.
CREATE INDEX workflow_executions_id
    ON workflow_executions
    (namespace, (substr(workflow_id, 1, 7) = 'dacapo:'), workflow_id, run_id);
