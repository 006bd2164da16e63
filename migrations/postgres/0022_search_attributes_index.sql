-- no-transaction
-- Finds the runs that have a value of a search attribute. Values are stored with their type.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_executions_attributes
    ON workflow_executions
    USING gin (search_attributes jsonb_path_ops)
    WHERE search_attributes IS NOT NULL;
