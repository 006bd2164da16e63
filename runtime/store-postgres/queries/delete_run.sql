-- Forgets a run that has closed, with all that is kept of it.
--
-- Nothing is deleted if its shard has another epoch than the caller holds it under; the
-- answer then names it. As in a commit, the epoch is read by the statement that writes,
-- after it has locked `history_events`: whoever takes the shards over waits for it.
WITH fenced AS MATERIALIZED (
    SELECT held.shard_id, COALESCE(shard.epoch, 0) AS epoch
    FROM (VALUES ($3::int4, $4::int8)) AS held (shard_id, epoch)
    LEFT JOIN history_shards AS shard ON shard.shard_id = held.shard_id
    WHERE shard.epoch IS DISTINCT FROM held.epoch
),
gone AS (
    -- Of two who delete it one finds it gone.
    DELETE FROM workflow_executions
    WHERE workflow_hash = $1 AND run_id = $2 AND status NOT IN ('running', 'blocked')
      AND NOT EXISTS (SELECT FROM fenced)
    RETURNING workflow_hash, run_id
),
events AS (
    DELETE FROM history_events AS event USING gone
    WHERE event.workflow_hash = gone.workflow_hash AND event.run_id = gone.run_id
),
timers AS (
    DELETE FROM workflow_timers AS timer USING gone
    WHERE timer.workflow_hash = gone.workflow_hash AND timer.run_id = gone.run_id
),
waiting AS (
    DELETE FROM task_queues AS task USING gone
    WHERE task.workflow_hash = gone.workflow_hash AND task.run_id = gone.run_id
),
leased AS (
    DELETE FROM task_queue_leases AS lease USING gone
    WHERE lease.workflow_hash = gone.workflow_hash AND lease.run_id = gone.run_id
),
updates AS (
    DELETE FROM workflow_updates AS admitted USING gone
    WHERE admitted.workflow_hash = gone.workflow_hash AND admitted.run_id = gone.run_id
),
published AS (
    DELETE FROM workflow_query_results AS published USING gone
    WHERE published.workflow_hash = gone.workflow_hash AND published.run_id = gone.run_id
)
SELECT (SELECT shard_id FROM fenced) AS "shard_id?",
       (SELECT epoch FROM fenced) AS "epoch?",
       EXISTS (SELECT FROM gone) AS "is_gone!",
       EXISTS (
           SELECT FROM workflow_executions
           WHERE workflow_hash = $1 AND run_id = $2 AND status IN ('running', 'blocked')
       ) AS "is_open!"
