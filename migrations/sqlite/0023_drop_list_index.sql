-- What it found, `workflow_executions_lists` finds.
DROP INDEX IF EXISTS workflow_executions_list;
