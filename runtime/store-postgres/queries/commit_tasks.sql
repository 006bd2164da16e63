-- A commit that only appends to histories and changes tasks: what most steps are of a run
-- whose activities are made by workers. The same as `commit_events.sql`, and the changes of
-- tasks unless it is refused.
WITH held (shard_id, epoch) AS (
    SELECT * FROM unnest($1::int4[], $2::int8[])
),
required (workflow_hash, run_id, event_id) AS (
    SELECT * FROM unnest($3::int4[], $4::uuid[], $5::int8[])
),
new_event (
    workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
) AS (
    SELECT *
    FROM unnest(
        $6::int4[], $7::uuid[], $8::int8[], $9::text[], $10::timestamptz[],
        $11::text[]::jsonb[], $12::bytea[]
    )
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
appended AS (
    INSERT INTO history_events (
        workflow_hash, run_id, event_id, event_type, event_time, attributes, payload
    )
    SELECT * FROM new_event WHERE NOT EXISTS (SELECT FROM refused)
)
SELECT (SELECT shard_id FROM fenced) AS "shard_id?",
       (SELECT epoch FROM fenced) AS "epoch?",
       (SELECT run_id FROM gap) AS "run_id?",
       (SELECT event_id FROM gap) AS "event_id?"
WHERE CASE
    WHEN EXISTS (SELECT FROM refused) THEN true
    ELSE change_tasks(
        $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29,
        $30, $31, $32, $33, $34, $35, $36, $37, $38, $39
    ) >= 0
END
