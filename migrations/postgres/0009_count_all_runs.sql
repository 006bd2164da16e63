-- Nodes of a version that does not count runs may still write here, during an upgrade
-- or after one that was undone. Their runs would be older than all that are counted.
-- For nodes that count, nothing is done.
CREATE FUNCTION count_run() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.run_number := 1 + COALESCE((
        SELECT run_number
        FROM workflow_executions
        WHERE workflow_hash = NEW.workflow_hash
          AND namespace = NEW.namespace
          AND workflow_id = NEW.workflow_id
        ORDER BY run_number DESC
        LIMIT 1
    ), 0);
    RETURN NEW;
END
$$;

CREATE TRIGGER workflow_executions_run_number
    BEFORE INSERT ON workflow_executions
    FOR EACH ROW WHEN (NEW.run_number = 0) EXECUTE FUNCTION count_run();
