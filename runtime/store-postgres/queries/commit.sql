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
    says, memo, search_attributes
) AS (
    SELECT *
    FROM unnest(
        $6::int4[], $7::uuid[], $8::text[], $9::jsonb[], $10::timestamptz[], $11::bytea[],
        $12::bool[], $13::jsonb[], $14::jsonb[]
    )
),
new_run (
    workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
    request_id, status, blocked, started_at, closed_at, memo, search_attributes,
    -- Among the new runs of its workflow id, from 1.
    place
) AS (
    SELECT *
    FROM unnest(
        $15::int4[], $16::uuid[], $17::text[], $18::text[], $19::text[], $20::bytea[],
        $21::text[], $22::text[], $23::jsonb[], $24::timestamptz[], $25::timestamptz[],
        $26::jsonb[], $27::jsonb[], $28::int8[]
    )
),
new_event (
    workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
) AS (
    SELECT *
    FROM unnest(
        $29::int4[], $30::uuid[], $31::int8[], $32::text[], $33::timestamptz[],
        $34::text[]::jsonb[], $35::bytea[]
    )
),
set_timer (
    workflow_hash, run_id, event_id, fire_at, kind, attempt, last_failure, details
) AS (
    SELECT *
    FROM unnest(
        $36::int4[], $37::uuid[], $38::int8[], $39::timestamptz[], $40::text[],
        $41::int8[], $42::jsonb[], $43::bytea[]
    )
),
cleared_timer (workflow_hash, run_id, event_id) AS (
    SELECT * FROM unnest($44::int4[], $45::uuid[], $46::int8[])
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
            CASE WHEN changed.says THEN changed.search_attributes ELSE execution.search_attributes END
    FROM changed_run AS changed
    WHERE execution.workflow_hash = changed.workflow_hash
      AND execution.run_id = changed.run_id
      AND NOT EXISTS (SELECT FROM refused)
    RETURNING execution.run_id
),
inserted AS (
    INSERT INTO workflow_executions (
        workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
        request_id, status, blocked, started_at, closed_at, memo, search_attributes, run_number
    )
    SELECT new.workflow_hash, new.run_id, new.namespace, new.workflow_id, new.workflow_type,
           new.module_digest, new.request_id, new.status, new.blocked, new.started_at,
           new.closed_at, new.memo, new.search_attributes,
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
