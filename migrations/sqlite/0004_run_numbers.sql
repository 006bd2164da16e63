-- An order of the runs of one workflow id that no clock can break.

-- Counts them from 1, in the order in which they were committed. Those that were
-- there before have 0, and are told apart by the time of their start, as before.
ALTER TABLE workflow_executions
    ADD COLUMN run_number INTEGER NOT NULL DEFAULT 0;
