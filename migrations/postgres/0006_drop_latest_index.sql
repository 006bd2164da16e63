-- no-transaction
-- What it found, `workflow_executions_runs` finds: also for nodes of the version
-- before, which sort the runs of the one workflow id.
DROP INDEX CONCURRENTLY IF EXISTS workflow_executions_latest;
