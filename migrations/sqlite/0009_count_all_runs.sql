-- A version that does not count runs may still write here, after an upgrade that was
-- undone. Its runs would be older than all that are counted. For those that count,
-- nothing is done.
CREATE TRIGGER workflow_executions_run_number
    AFTER INSERT ON workflow_executions
    WHEN NEW.run_number = 0
BEGIN
    UPDATE workflow_executions
    SET run_number = 1 + (
        SELECT max(run_number)
        FROM workflow_executions
        WHERE workflow_hash = NEW.workflow_hash
          AND namespace = NEW.namespace
          AND workflow_id = NEW.workflow_id
    )
    WHERE workflow_hash = NEW.workflow_hash AND run_id = NEW.run_id;
END;
