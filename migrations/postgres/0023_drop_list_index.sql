-- no-transaction
-- What it found, `workflow_executions_lists` finds. Nodes of the version before, which do not
-- tell the runs of built-in workflows apart in the same way, sort the runs of the namespace
-- until they are replaced.
DROP INDEX CONCURRENTLY IF EXISTS workflow_executions_list;
