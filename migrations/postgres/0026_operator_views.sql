-- Views for people with psql: what a server does, and what is late. Nothing in Dacapo reads
-- them, and each reads only when it is asked. What each one shows: ../README.md.

-- A payload as JSON, or null if it is none that PostgreSQL can keep.
CREATE FUNCTION payload_json(payload bytea) RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8')::jsonb;
EXCEPTION
    WHEN character_not_in_repertoire
      OR untranslatable_character
      OR invalid_text_representation
      OR numeric_value_out_of_range
      OR program_limit_exceeded
      OR statement_too_complex THEN
        RETURN NULL;
END
$$;

CREATE VIEW shard_distribution AS
SELECT shard.shard_id,
       shard.hash_from,
       shard.hash_to,
       shard.owner,
       shard.epoch,
       node.leased_until,
       coalesce(node.leased_until > clock_timestamp(), false) AS is_leased,
       (
           SELECT count(*)
           FROM workflow_executions AS execution
           WHERE execution.workflow_hash BETWEEN shard.hash_from AND shard.hash_to
             AND execution.status IN ('running', 'blocked')
       ) AS open_runs
FROM history_shards AS shard
LEFT JOIN nodes AS node ON node.node_id = shard.owner;

CREATE VIEW runs_by_status AS
SELECT namespace,
       status,
       count(*)        AS runs,
       min(started_at) AS oldest_started_at,
       max(started_at) AS newest_started_at
FROM workflow_executions
GROUP BY namespace, status;

-- A queue that has nothing, but settings, is shown as well.
CREATE VIEW queue_backlog AS
WITH tasks AS (
    SELECT namespace,
           queue,
           count(*) FILTER (WHERE is_ready OR visible_at <= clock_timestamp()) AS ready,
           count(*) FILTER (WHERE NOT is_ready AND visible_at > clock_timestamp()) AS delayed,
           min(visible_at) FILTER (WHERE is_ready OR visible_at <= clock_timestamp())
               AS ready_since
    FROM task_queues
    GROUP BY namespace, queue
),
leases AS (
    SELECT namespace, queue, count(*) AS leased, count(DISTINCT worker) AS workers
    FROM task_queue_leases
    GROUP BY namespace, queue
)
SELECT namespace,
       queue,
       coalesce(tasks.ready, 0)            AS ready,
       coalesce(tasks.delayed, 0)          AS delayed,
       coalesce(leases.leased, 0)          AS leased,
       coalesce(leases.workers, 0)         AS workers,
       tasks.ready_since,
       coalesce(settings.is_drained, false) AS is_drained
FROM tasks
FULL JOIN leases USING (namespace, queue)
FULL JOIN task_queue_settings AS settings USING (namespace, queue);

-- A server tells their runs within a second, so that what stays here has no owner.
CREATE VIEW expired_leases AS
SELECT lease.namespace,
       lease.queue,
       execution.workflow_id,
       lease.run_id,
       lease.event_id,
       lease.activity_type,
       lease.attempt,
       lease.worker,
       lease.started_at,
       lease.expires_at,
       clock_timestamp() - lease.expires_at AS late_by
FROM task_queue_leases AS lease
LEFT JOIN workflow_executions AS execution USING (workflow_hash, run_id)
WHERE lease.expires_at <= clock_timestamp();

-- Those of blocked runs wait until the run is retried.
CREATE VIEW late_timers AS
SELECT execution.namespace,
       execution.workflow_id,
       timer.run_id,
       timer.event_id,
       timer.kind,
       execution.status,
       timer.fire_at,
       clock_timestamp() - timer.fire_at AS late_by
FROM workflow_timers AS timer
LEFT JOIN workflow_executions AS execution USING (workflow_hash, run_id)
WHERE timer.fire_at <= clock_timestamp();

-- By the counters of PostgreSQL, which are estimates.
CREATE VIEW table_bloat AS
SELECT relname AS table_name,
       n_live_tup AS live_rows,
       n_dead_tup AS dead_rows,
       round(100.0 * n_dead_tup / nullif(n_live_tup + n_dead_tup, 0), 1) AS dead_percent,
       pg_table_size(relid)   AS table_bytes,
       pg_indexes_size(relid) AS index_bytes,
       greatest(last_vacuum, last_autovacuum)   AS last_vacuum_at,
       greatest(last_analyze, last_autoanalyze) AS last_analyze_at
FROM pg_stat_user_tables
WHERE schemaname = current_schema();

-- `state` is what `dacapo schedule show` tells of it.
CREATE VIEW workflow_schedules AS
SELECT execution.namespace,
       substr(execution.workflow_id, length('dacapo:schedule:') + 1) AS schedule_id,
       execution.run_id,
       execution.status,
       (state.value ->> 'paused')::boolean                    AS is_paused,
       (state.value -> 'counters' ->> 'actions')::bigint      AS actions,
       (state.value ->> 'created_at')::timestamptz            AS created_at,
       (state.value ->> 'acted_until')::timestamptz           AS acted_until,
       state.value                                            AS state
FROM workflow_executions AS execution
LEFT JOIN LATERAL (
    SELECT payload_json(result.value) AS value
    FROM workflow_query_results AS result
    WHERE result.workflow_hash = execution.workflow_hash
      AND result.run_id = execution.run_id
      AND result.query_name = 'status'
) AS state ON true
WHERE execution.status IN ('running', 'blocked')
  AND execution.workflow_id >= 'dacapo:schedule:'
  AND execution.workflow_id < 'dacapo:schedule;';

CREATE VIEW schedule_execution_history AS
SELECT namespace,
       substr(parent_workflow_id, length('dacapo:schedule:') + 1) AS schedule_id,
       workflow_id,
       run_id,
       workflow_type,
       status,
       started_at,
       closed_at
FROM workflow_executions
WHERE parent_workflow_id >= 'dacapo:schedule:'
  AND parent_workflow_id < 'dacapo:schedule;';
