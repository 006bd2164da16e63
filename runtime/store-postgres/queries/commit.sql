-- All rows of one commit, in one statement: one round trip, one transaction.
--
-- Nothing is written if a shard has another epoch than the caller holds it
-- under; the answer then names the shard. Nor if an event is not there that a new
-- one follows, which is what the database has lost. The statement undoes itself if a run
-- to change does not exist.
--
-- The arguments are the columns of `commit_columns.rs`, in this order. What is only named
-- here costs nothing: the planner puts each into the one place that reads it.
WITH held (shard_id, epoch) AS (
    SELECT * FROM unnest($1::int4[], $2::int8[])
),
required (workflow_hash, run_id, event_id) AS (
    SELECT * FROM unnest($3::int4[], $4::uuid[], $5::int8[])
),
changed_run (
    workflow_hash, run_id, status, blocked, closed_at, module_digest,
    -- Whether what is said about the run changes.
    says, memo, search_attributes,
    history_length, history_bytes
) AS (
    SELECT *
    FROM unnest(
        $6::int4[], $7::uuid[], $8::text[], $9::jsonb[], $10::timestamptz[], $11::bytea[],
        $12::bool[], $13::jsonb[], $14::jsonb[], $15::int8[], $16::int8[]
    )
),
new_run (
    workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
    request_id, status, blocked, started_at, closed_at, memo, search_attributes,
    -- Among the new runs of its workflow id, from 1.
    place,
    execution_time, parent_workflow_id, parent_run_id, root_workflow_id, root_run_id,
    history_length, history_bytes, task_queue
) AS (
    SELECT *
    FROM unnest(
        $17::int4[], $18::uuid[], $19::text[], $20::text[], $21::text[], $22::bytea[],
        $23::text[], $24::text[], $25::jsonb[], $26::timestamptz[], $27::timestamptz[],
        $28::jsonb[], $29::jsonb[], $30::int8[],
        $31::timestamptz[], $32::text[], $33::uuid[], $34::text[], $35::uuid[],
        $36::int8[], $37::int8[], $38::text[]
    )
),
new_event (
    workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
) AS (
    SELECT *
    FROM unnest(
        $39::int4[], $40::uuid[], $41::int8[], $42::text[], $43::timestamptz[],
        $44::text[]::jsonb[], $45::bytea[]
    )
),
set_timer (
    workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure, details
) AS (
    SELECT *
    FROM unnest(
        $46::int4[], $47::uuid[], $48::int8[], $49::timestamptz[], $50::text[],
        $51::int8[], $52::jsonb[], $53::bytea[]
    )
),
cleared_timer (workflow_hash, run_id, event_id) AS (
    SELECT * FROM unnest($54::int4[], $55::uuid[], $56::int8[])
),

fenced AS MATERIALIZED (
    SELECT held.shard_id, COALESCE(shard.epoch, 0) AS epoch
    FROM held
    LEFT JOIN history_shards AS shard ON shard.shard_id = held.shard_id
    WHERE shard.epoch IS DISTINCT FROM held.epoch
    ORDER BY held.shard_id
    LIMIT 1
),
gap AS MATERIALIZED (
    SELECT required.run_id, required.event_id
    FROM required
    WHERE NOT EXISTS (
        SELECT FROM history_events AS event
        WHERE event.workflow_hash = required.workflow_hash
          AND event.run_id = required.run_id
          AND event.event_id = required.event_id
    )
    LIMIT 1
),
refused AS MATERIALIZED (
    SELECT 1 FROM fenced UNION ALL SELECT 1 FROM gap
),
updated AS (
    UPDATE workflow_executions AS execution
    SET status = changed.status,
        blocked = changed.blocked,
        closed_at = changed.closed_at,
        module_digest = COALESCE(changed.module_digest, execution.module_digest),
        memo = CASE WHEN changed.says THEN changed.memo ELSE execution.memo END,
        search_attributes =
            CASE WHEN changed.says THEN changed.search_attributes ELSE execution.search_attributes END,
        history_length = changed.history_length,
        history_bytes = changed.history_bytes
    FROM changed_run AS changed
    WHERE execution.workflow_hash = changed.workflow_hash
      AND execution.run_id = changed.run_id
      AND NOT EXISTS (SELECT FROM refused)
    RETURNING execution.run_id
),
inserted AS (
    INSERT INTO workflow_executions (
        workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
        request_id, status, blocked, started_at, closed_at, memo, search_attributes,
        execution_time, parent_workflow_id, parent_run_id, root_workflow_id, root_run_id,
        history_length, history_bytes, task_queue, run_number
    )
    SELECT new.workflow_hash, new.run_id, new.namespace, new.workflow_id, new.workflow_type,
           new.module_digest, new.request_id, new.status, new.blocked, new.started_at,
           new.closed_at, new.memo, new.search_attributes,
           new.execution_time, new.parent_workflow_id, new.parent_run_id, new.root_workflow_id,
           new.root_run_id, new.history_length, new.history_bytes, new.task_queue,
           COALESCE((
               SELECT counted.run_number
               FROM workflow_executions AS counted
               WHERE counted.workflow_hash = new.workflow_hash
                 AND counted.namespace = new.namespace
                 AND counted.workflow_id = new.workflow_id
               ORDER BY counted.run_number DESC
               LIMIT 1
           ), 0) + new.place
    FROM new_run AS new
    WHERE NOT EXISTS (SELECT FROM refused)
      -- A run may replace an open one. Counting makes the updates come first,
      -- so that the unique index of open runs lets the new one in.
      AND (SELECT count(*) FROM updated) >= 0
),
appended AS (
    INSERT INTO history_events (
        workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
    )
    SELECT * FROM new_event WHERE NOT EXISTS (SELECT FROM refused)
),
timers_set AS (
    INSERT INTO workflow_timers (
        workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure, details
    )
    SELECT * FROM set_timer WHERE NOT EXISTS (SELECT FROM refused)
    ON CONFLICT (workflow_hash, run_id, event_id) DO UPDATE
    SET fire_at = excluded.fire_at,
        kind = excluded.kind,
        attempt = excluded.attempt,
        last_failure = excluded.last_failure,
        details = excluded.details
),
timers_cleared AS (
    DELETE FROM workflow_timers AS timer
    USING cleared_timer AS cleared
    WHERE timer.workflow_hash = cleared.workflow_hash
      AND timer.run_id = cleared.run_id
      AND timer.event_id = cleared.event_id
      AND NOT EXISTS (SELECT FROM refused)
)
SELECT (SELECT shard_id FROM fenced) AS "shard_id?",
       (SELECT epoch FROM fenced) AS "epoch?",
       (SELECT run_id FROM gap) AS "run_id?",
       (SELECT event_id FROM gap) AS "event_id?"
WHERE EXISTS (SELECT FROM refused)
   -- As many as there are changed runs. To count those would be to read them twice.
   OR assert_row_count((SELECT count(*) FROM updated), cardinality($6), 'workflow_executions') >= 0
