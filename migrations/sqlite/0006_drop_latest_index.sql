-- What it found, `workflow_executions_runs` finds.
DROP INDEX workflow_executions_latest;
