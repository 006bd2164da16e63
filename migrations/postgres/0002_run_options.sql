-- Timeouts and a delayed start of runs, timeouts of activities as rows, and what
-- callers and workflows say about a run.
--
-- The new checks allow all that the old ones did. So rows that exist need not be
-- looked at (NOT VALID), and nobody waits for it.

ALTER TABLE workflow_executions
    DROP CONSTRAINT workflow_executions_status_check,
    ADD CONSTRAINT workflow_executions_status_check CHECK (status IN (
        'running', 'blocked',
        'completed', 'failed', 'canceled', 'terminated', 'continued_as_new', 'timed_out'
    )) NOT VALID,
    -- Null where nothing was said.
    ADD COLUMN memo              jsonb,
    ADD COLUMN search_attributes jsonb;

-- A timer is keyed by the event it is about: those of the run itself by its first.
-- There is at most one of these at a time: the run starts, then it may time out.
ALTER TABLE workflow_timers
    DROP CONSTRAINT workflow_timers_kind_check,
    DROP CONSTRAINT workflow_timers_check,
    DROP CONSTRAINT workflow_timers_check1,
    ADD CONSTRAINT workflow_timers_kind_check CHECK (kind IN (
        'timer', 'run_timeout', 'start_delay',
        'activity_retry', 'activity_timeout', 'activity_heartbeat'
    )) NOT VALID,
    -- What the last heartbeat of an activity said.
    ADD COLUMN details bytea,
    ADD CONSTRAINT workflow_timers_retry_check CHECK (
        kind <> 'activity_retry' OR (attempt IS NOT NULL AND last_failure IS NOT NULL)
    ) NOT VALID,
    ADD CONSTRAINT workflow_timers_plain_check CHECK (
        kind NOT IN ('timer', 'run_timeout', 'start_delay')
        OR (attempt IS NULL AND last_failure IS NULL AND details IS NULL)
    ) NOT VALID;
